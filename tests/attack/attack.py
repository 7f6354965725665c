#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Attacks on the live favicon server and on the scripts in pipelines/, on this machine alone (loopback), within a
minute: what is held against them is in tests/README.md.

  tests/attack/attack.py [server|bodies|crowds|scripts|ends]      default: all at once. DIT_BUILD: another build tree than build/
"""
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]
PARTS = ("server", "bodies", "crowds", "scripts", "ends")
LIMIT_S = 240  # of a machine with ten times as much to do as it can; alone on two cores it is half a minute


def all_parts():
    """Each part in a process of its own; what they say, one after the other."""
    running = [subprocess.Popen([sys.executable, "-B", __file__, part], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True) for part in PARTS]
    failed = False
    for part, process in zip(PARTS, running):
        try:
            print(process.communicate(timeout=LIMIT_S)[0], end="", flush=True)
        except subprocess.TimeoutExpired:
            process.kill()
            print(process.communicate()[0], f"attack.py: {part} was not done after {LIMIT_S} s", flush=True)
        failed = failed or process.returncode != 0
    return failed


def main():
    parts = sys.argv[1:]
    if parts == []:
        sys.exit(all_parts())
    if len(parts) != 1 or parts[0] not in PARTS:
        sys.exit(f"attack.py: expected {', '.join(PARTS)} or nothing, found {' '.join(parts)}")
    suite = unittest.defaultTestLoader.loadTestsFromName(f"{parts[0]}_attacks")
    sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())


if __name__ == "__main__":
    main()
