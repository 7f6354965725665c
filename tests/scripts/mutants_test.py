# SPDX-License-Identifier: MIT
"""The mistakes that tests/mutation makes on purpose still fit the kernels; making them takes too long for a test."""
import re
import sys
import unittest

from support.places import SOURCE, source_files

sys.path.insert(0, str(SOURCE / "tests/mutation"))
import run as mutation  # noqa: E402

LEAST = 40


class Mutants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mutants = mutation.table()

    def test_every_line_is_there_once(self):
        self.assertGreaterEqual(len(self.mutants), LEAST)
        self.assertEqual(len(set(self.mutants)), len(self.mutants), "the same mutant twice")
        for mutant in self.mutants:
            text = (SOURCE / mutant.file).read_text(encoding="utf-8")
            with self.subTest(f"{mutant.file}: {mutant.line}"):
                self.assertNotEqual(mutant.line, mutant.to)
                changed = mutation.mutated(text, mutant)
                self.assertEqual(sum(a != b for a, b in zip(text.split("\n"), changed.split("\n"))), 1)

    def test_a_line_that_is_gone_or_there_twice_is_an_error(self):
        first = self.mutants[0]
        for line in ("no such line;", "}"):
            with self.assertRaisesRegex(mutation.Broken, first.file):
                mutation.place((SOURCE / first.file).read_text(encoding="utf-8"), first._replace(line=line, previous="", next=""))

    def test_every_kernel_has_one(self):
        files = {str(path.relative_to(SOURCE)) for path in source_files()}
        kernels = {name for name in files if re.fullmatch(r"shaders/[\w/]+\.(comp|glsl)", name)}
        # Those without a line of arithmetic of their own, and what they are made of.
        kernels -= {f"shaders/fused/{name}.glsl" for name in ("memory", "run", "constants", "variant")}
        kernels -= {"shaders/fused/dispatch.comp"}
        # What takes a software device minutes to compile.
        kernels -= {"shaders/fused/persistent.comp", "shaders/common/grid_barrier.glsl"}
        # Those that no picture is made by: they measure the device.
        kernels -= {"shaders/measure/ceiling.comp", "shaders/fused/matrix/extension.glsl"}
        kernels |= {f"engine/cpu/kernels/{name}.cpp" for name in ("attention", "conv", "gemm", "int8", "norm", "ops", "pairs/pairs", "pairs/x86")}
        kernels |= {f"engine/cpu/{name}.cpp" for name in ("plan_execute", "weight_store")}
        self.assertEqual(kernels - {mutant.file for mutant in self.mutants}, set())

    def test_the_tests_they_name_exist(self):
        there = set()
        for path in source_files():
            if path.suffix == ".cpp" and "tests" in path.relative_to(SOURCE).parts[:1]:
                there |= set(re.findall(r"\bTEST(?:_[FP])?\((\w+), (\w+)\)", path.read_text(encoding="utf-8")))
        suites = {suite for suite, _ in there}
        for mutant in self.mutants:
            for name in mutant.tests.split(":"):
                suite, test = re.fullmatch(r"(?:\*|\w+/)?(\w+)\.(\w+|\*)(?:/\w+)?", name).groups()
                self.assertTrue(suite in suites if test == "*" else (suite, test) in there, name)

    def test_the_printed_list_is_of_these(self):
        text = (SOURCE / "tests/mutation/README.md").read_text(encoding="utf-8")
        listed = re.findall(r"^ +(\d+) (.+)\n +-> (.+)\n +(caught by .+)$", text, re.M)
        self.assertEqual([(int(number), line, to) for number, line, to, _ in listed],
                         [(number, mutant.line + mutation.around(mutant), mutant.to or "(nothing)")
                          for number, mutant in enumerate(self.mutants, 1)], "run tests/mutation/run.py --readme")


if __name__ == "__main__":
    unittest.main(verbosity=2)
