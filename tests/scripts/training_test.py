# SPDX-License-Identifier: MIT
"""The goldens are what the reference network computes, and every training script runs, with Debian's PyTorch."""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from support.places import DIT, SOURCE

TRAINING = SOURCE / "training"
sys.path.insert(0, str(TRAINING))
from icons.network import safetensors_io  # noqa: E402


def run(script, *arguments):
    with tempfile.TemporaryDirectory() as scratch:
        return subprocess.run([sys.executable, "-B", TRAINING / script, *arguments], cwd=scratch, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=240)


@unittest.skipUnless(importlib.util.find_spec("torch"), "python3-torch is not installed")
class Training(unittest.TestCase):
    def check(self, script, *arguments):
        result = run(script, *arguments)
        self.assertEqual(result.returncode, 0, f"{script}: {result.stdout[-2000:]}\n{result.stderr[-2000:]}")

    def test_goldens_are_what_the_reference_computes(self):
        self.check("golden.py", "--check")

    def test_quantised_weights_are_judged(self):
        self.check("quantised.py", "--smoke", "--dit", DIT)

    def test_words_are_judged(self):
        self.check("good.py", "--smoke", "--dit", DIT)

    def test_a_blind_test_is_made_and_scored(self):
        self.check("blind.py", "--smoke", "--dit", DIT)

    def test_accuracies_become_bytes(self):
        code = ("from icons.network.weights import good_text\n"
                "print(good_text({'words': ['a', 'b'], 'styles': ['x', 'y']}, {'a': 1, 'b': {'x': 0}}))")
        done = subprocess.run([sys.executable, "-B", "-c", code], cwd=TRAINING, text=True, capture_output=True)
        self.assertEqual(done.stdout.strip(), "//8AgA==", done.stderr)

    def test_weights_of_others_are_read_and_not_run(self):
        """A .pt file is a pickle, and a pickle may be a program."""
        import torch  # here, as it takes seconds and may not be there

        class Program:
            def __reduce__(self):
                return os.mkdir, ("owned",)

        with tempfile.TemporaryDirectory() as folder:
            table = pathlib.Path(folder, "map.json")
            config = json.loads(safetensors_io.load(SOURCE / "tests/golden/tiny.safetensors")[1]["config"])
            table.write_text(json.dumps({"config": config, "tensors": {}}), encoding="utf-8")
            good = {"a": torch.zeros(2)}
            for name, content in (("program", Program()), ("within", {"state_dict": {**good, "b": Program()}}),
                                  ("number", {**good, "b": 5}), ("key", {5: torch.zeros(2)}), ("tensor", torch.zeros(2).numpy().tolist()),
                                  ("deep", {"state_dict": {"state_dict": good}})):
                torch.save(content, pathlib.Path(folder, "theirs.pt"))
                with self.subTest(name):
                    done = subprocess.run([sys.executable, "-B", TRAINING / "port.py", "theirs.pt", "--map", table, "--golden",
                                           SOURCE / "tests/golden/tiny.activations.safetensors", "--out", "o.safetensors"],
                                          cwd=folder, text=True, capture_output=True)
                    self.assertFalse(pathlib.Path(folder, "owned").exists())
                    self.assertEqual(done.returncode, 1)
                    self.assertRegex(done.stderr, "^theirs.pt: expected tensors alone, .*\n$")

    def test_every_script_runs(self):
        for script in ("train.py", "paint.py", "distill.py", "polish.py", "judge.py", "sample.py", "evaluate.py", "port.py",
                       "carry.py", "dataset/build.py", "dataset/letters.py"):
            with self.subTest(script):
                self.check(script, "--smoke")


if __name__ == "__main__":
    unittest.main()
