# SPDX-License-Identifier: MIT
"""Memcheck over ditsrc on the CPU: start, stop, another model, seeks, changes of caps. Its CPU has AVX2 and no more, so
   that is what the kernels run on."""
import os
import shutil
import subprocess
import unittest

from support.places import BUILD, SOURCE

RUNS = ["DitSrcStates.ARestartBeginsAgain", "DitSrcStates.NextModelIsTakenAtTheNextStart", "Modes/DitSrcSeek.*/0",
        "DitSrcTime.RateChangeKeepsTimeGoing", "DitSrcCaps.SizeAndFormatMayChangeWhilePlaying"]
LIMIT_S = 600


@unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
class Memcheck(unittest.TestCase):
    def test_start_stop_seek_and_caps(self):
        # dit_tests counts allocations by an operator new of its own; where that is inlined, Memcheck sees its memalign and
        # its own operator delete, and calls them a mismatch.
        command = ["valgrind", "--show-mismatched-frees=no", "--leak-check=full", "--show-leak-kinds=definite",
                   "--errors-for-leak-kinds=definite", "--error-exitcode=99",
                   f"--suppressions={SOURCE}/tests/plugin/valgrind.supp", str(BUILD / "dit_tests"),
                   "--gtest_brief=1", "--gtest_filter=" + ":".join(RUNS)]
        done = subprocess.run(command, env=dict(os.environ, DIT_VULKAN_VALIDATION="0"), capture_output=True, text=True,
                              timeout=LIMIT_S)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-8000:])
        self.assertRegex(done.stdout, r"PASSED  \] ([89]|[1-9]\d) tests")
        self.assertIn("ERROR SUMMARY: 0 errors", done.stderr)
        print("\n".join(line for line in done.stderr.splitlines() if "lost:" in line or "SUMMARY" in line))


if __name__ == "__main__":
    unittest.main(verbosity=2)
