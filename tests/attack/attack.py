#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Attacks on the live favicon server and on the scripts in pipelines/, on this machine alone (loopback), within a
minute: what is held against them is in tests/README.md.

  tests/attack/attack.py [server|scripts]...      DIT_BUILD: another build tree than build/
"""
import os
import pathlib
import signal
import sys
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]
LIMIT_S = 240  # of a machine that is busy otherwise; on an idle one it is half a minute


def main():
    parts = sys.argv[1:] or ["server", "scripts"]
    if not set(parts) <= {"server", "scripts"}:
        sys.exit(f"attack.py: expected server or scripts, found {' '.join(parts)}")

    def over():
        print(f"attack.py: not done after {LIMIT_S} s", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    watch = threading.Timer(LIMIT_S, over)
    watch.daemon = True
    watch.start()
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromName(f"{part}_attacks") for part in parts)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
