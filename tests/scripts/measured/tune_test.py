# SPDX-License-Identifier: MIT
"""`dit tune`: measures when asked, remembers what it measured, and nothing else does either."""
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.cli_case import CliCase  # noqa: E402
from support.places import DIT, TINY, environment  # noqa: E402


class Tune(CliCase):
    def setUp(self):
        super().setUp()
        if "llvmpipe" not in self.dit("devices").stdout:
            self.skipTest("no software Vulkan device")
        self.cache = self.scratch / "cache"

    def start(self, *arguments):
        return subprocess.Popen([DIT, "tune", "--model", TINY, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env={**environment(self.scratch), "DIT_CACHE": str(self.cache)})

    def tuned(self):
        return list(self.cache.glob("tuned-*"))

    def test_what_is_measured_is_remembered(self):
        process = self.start("--batch", "1", "--runs", "1", "--device", "vulkan:llvmpipe")
        out, err = process.communicate(timeout=600)
        self.assertEqual((process.returncode, err), (0, ""), out)
        lines = out.splitlines()
        self.assertRegex(lines[0], r"^precision +fusion +ms at 1$")
        self.assertRegex(lines[1], r"^f32 +op +\d+\.\d{4}$")
        self.assertRegex(lines[2], r"^f32 +block +\d+\.\d{4}$")
        self.assertRegex(lines[-2], r"^f32: (op|block); f16: (op|block); f16-matrix is ")
        self.assertEqual(lines[-1], f"remembered in {self.cache}")
        self.assertEqual(len(self.tuned()), 1)
        faster = min(lines[1:3], key=lambda line: float(line.split()[2])).split()[1]
        index = re.search(r"^vulkan:(\d+) +llvmpipe", self.dit("devices").stdout, re.MULTILINE)[1]
        plan = subprocess.run([DIT, "plan", TINY, "--device", f"vulkan:{index}"], capture_output=True, text=True,
                              env={**environment(self.scratch), "DIT_CACHE": str(self.cache)}, check=True).stdout
        self.assertIn(f"precision f32, fusion {faster}, batch 1", plan.splitlines()[0])

    def test_an_interrupted_one_remembers_nothing(self):
        process = self.start("--device", "vulkan:llvmpipe")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
        self.assertEqual((process.returncode, err), (130, "dit: interrupted\n"))
        self.assertEqual(self.tuned(), [])

    def test_only_vulkan_is_tuned(self):
        for device in ("cpu", "auto"):
            self.fails(self.dit("tune", "--device", device, status=1), f"device '{device}'", "expected vulkan")
        self.fails(self.dit("tune", "--device", "vulkan:nosuch", status=1), "nosuch")
        self.fails(self.dit("tune", "--batch", "0", status=2), "--batch")


if __name__ == "__main__":
    unittest.main()
