# SPDX-License-Identifier: MIT
"""Long runs of `dit generate`, whose files are written beside the painting: what fails, what is interrupted, what is told."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scripts"))
from support import shim  # noqa: E402
from support.cli_case import CPU, CliCase  # noqa: E402
from support.places import DIT, TINY, environment  # noqa: E402

PAINT = ["generate", "--model", TINY, *CPU, "--steps", "1"]


class Runs(CliCase):
    def all_files(self, folder="."):
        return sorted(os.listdir(self.scratch / folder))

    def told(self, output):
        """The files that lines of standard output name, in their order."""
        return re.findall(r"^(\S+\.png)  seed ", output, re.M)

    def expect_whole(self, name):
        data = (self.scratch / name).read_bytes()
        self.assertTrue(data.startswith(b"\x89PNG") and data.endswith(b"IEND\xaeB`\x82"), name)
        self.assertEqual(self.pixels(name)[0], (8, 12))

    def start(self, *arguments, stdout=subprocess.PIPE, **more):
        process = subprocess.Popen([str(part) for part in (DIT, *PAINT, *arguments)], cwd=self.scratch, text=True,
                                   env=environment(self.scratch, **more), stdout=stdout, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        return process

    def wait_for(self, name):
        deadline = time.monotonic() + 60
        while not (self.scratch / name).exists():
            self.assertLess(time.monotonic(), deadline, f"no {name} within a minute")
            time.sleep(0.001)

    # what is told

    def test_files_are_told_in_their_order_and_are_there(self):
        for batch in (1, 7):
            done = self.dit(*PAINT, "--count", 500, "--batch-size", batch, "-o", "i%03d.png", "--prompt", "fox")
            self.assertEqual(self.told(done.stdout), [f"i{k:03}.png" for k in range(500)])
            self.assertEqual(self.all_files(), [f"i{k:03}.png" for k in range(500)])
        for k in (0, 1, 250, 499):
            self.expect_whole(f"i{k:03}.png")
            self.dit(*PAINT, "--index", k, "-o", "one.png", "--prompt", "fox")
            self.assertEqual((self.scratch / "one.png").read_bytes(), (self.scratch / f"i{k:03}.png").read_bytes())

    # what fails

    def expect_failure(self, status, output, errors, folder="."):
        """One line of error; what was told is there, what is there is whole, and nothing else is."""
        self.assertEqual(status, 1, errors)
        self.assertRegex(errors, r"\Adit: cannot write '[^'\n]*': [^\n]*\n\Z")
        paths = [self.scratch / folder / name for name in self.all_files(folder)]
        there = [path.name for path in paths if path.is_file() and path.stat().st_size > 0]  # not what was to be replaced
        told = [os.path.basename(name) for name in self.told(output)]
        self.assertEqual(sorted(told), there)
        return told

    def test_a_name_that_is_taken_in_the_middle(self):
        (self.scratch / "d/i20.png").mkdir(parents=True)
        for batch in (1, 16):
            with self.subTest(batch):
                done = self.start("--count", "100000", "--batch-size", batch, "-o", "d/i%d.png")
                output, errors = done.communicate(timeout=60)
                told = self.expect_failure(done.returncode, output, errors, "d")
                self.assertIn("'d/i20.png': Is a directory", errors)
                self.assertEqual(told[:20], [f"i{k}.png" for k in range(20)])
                self.assertLess(len(told), 20 + 8, "as many threads as there are at most")
                for name in told:
                    self.expect_whole(f"d/{name}")
                    (self.scratch / "d" / name).unlink()

    def test_a_disk_that_fills_up(self):
        probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
        if probe.returncode != 0:
            self.skipTest("no mounts of one's own here")
        (self.scratch / "d").mkdir()
        for limit in ("size=600k", "size=8m,nr_inodes=150"):
            for old in (False, True):  # new files, and files that are replaced
                with self.subTest(limit=limit, old=old):
                    (self.scratch / "kept").mkdir()
                    script = (f"mount -t tmpfs -o {limit} none d && "
                              f"{'touch d/i{0..90}.png &&' if old else ''} "
                              '"$1" generate --model "$2" --device cpu --steps 1 --count 100000 -o "d/i%d.png"; '
                              "s=$?; cp -a d/. kept/; exit $s")
                    done = subprocess.run(["unshare", "-rm", "bash", "-c", script, "bash", DIT, TINY], cwd=self.scratch, text=True,
                                          env=environment(self.scratch), capture_output=True, timeout=60)
                    told = self.expect_failure(done.returncode, done.stdout, done.stderr, "kept")
                    self.assertIn("No space left on device", done.stderr)
                    self.assertGreater(len(told), 90)
                    for name in told:
                        self.expect_whole(f"kept/{name}")
                    shutil.rmtree(self.scratch / "kept")

    def test_a_limit_of_size_names_the_first_file(self):
        done = subprocess.run(["bash", "-c", 'ulimit -f 0; exec "$@"', "bash", *map(str, (DIT, *PAINT)), "--count", "50", "-o", "i%d.png"],
                              cwd=self.scratch, env=environment(self.scratch), capture_output=True, text=True, timeout=60)
        self.expect_failure(done.returncode, "", done.stderr)
        self.assertIn("'i0.png': File too large", done.stderr)

    # what is interrupted

    def test_what_was_told_before_an_interrupt_is_what_is_there(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number), open(self.scratch / "told", "w+", encoding="utf-8") as told:
                process = self.start("--count", "1000000", "-o", "i%d.png", stdout=told)
                self.wait_for("i300.png")
                process.send_signal(number)
                _, errors = process.communicate(timeout=30)
                self.assertEqual((process.returncode, errors), (130, "dit: interrupted\n"))
                told.seek(0)
                names = self.told(told.read())
                self.assertEqual(names, [f"i{k}.png" for k in range(len(names))])
                self.assertEqual(sorted(["told", *names]), self.all_files())
                self.expect_whole(names[-1])
                for name in names:
                    (self.scratch / name).unlink()

    def test_a_signal_that_kills_leaves_no_unfinished_files(self):
        """Files that are replaced, and file systems without nameless files, have names before they are whole."""
        refusing = shim.build(self, self.scratch)
        own = self.all_files()
        self.dit(*PAINT, "-q", "--count", 300, "-o", "i%d.png")
        for refused in ("", "O_TMPFILE"):
            for round in range(6):
                with self.subTest(refused=refused, round=round):
                    (self.scratch / "i299.png").unlink(missing_ok=True)
                    process = self.start("--count", "1000000", "-o", "i%d.png", stdout=subprocess.DEVNULL, **refusing(refused))
                    self.wait_for("i299.png")
                    process.send_signal(signal.SIGQUIT)
                    process.communicate(timeout=30)
                    self.assertEqual(process.returncode, -signal.SIGQUIT)
                    odd = [name for name in self.all_files() if not re.fullmatch(r"i\d+\.png", name) and name not in own]
                    self.assertEqual(odd, [])
        for name in self.all_files():
            if name not in own:
                self.expect_whole(name)

    # the disk

    def syncs(self, refusing, *arguments, refused="", status=0):
        log = self.scratch / "log"
        log.unlink(missing_ok=True)
        done = self.dit(*PAINT, "-q", *arguments, status=status, SHIM_LOG=str(log), **refusing(refused))
        lines = log.read_text().split() if log.exists() else []
        return lines.count("fsync"), lines.count("syncfs"), done

    def test_long_runs_sync_once_and_each_file_where_asked(self):
        refusing = shim.build(self, self.scratch)
        self.assertEqual(self.syncs(refusing)[:2], (0, 0))
        self.assertEqual(self.syncs(refusing, "--count", 99, "-o", "i%d.png")[:2], (0, 0))
        for _ in range(2):  # new, and replaced
            self.assertEqual(self.syncs(refusing, "--count", 100, "-o", "i%d.png")[:2], (0, 1))
            self.assertEqual(self.syncs(refusing, "--count", 120, "-o", "j%d.png", "--sync")[:2], (240, 0), "files, and their folder")
        self.assertEqual(self.syncs(refusing, "--sync", "--sheet", "s.png", "-o", "/dev/null")[:2], (2, 0))

    def test_a_disk_that_fails_is_told(self):
        refusing = shim.build(self, self.scratch)
        own = self.all_files()
        done = self.syncs(refusing, "--sync", "--count", 50, "-o", "i%d.png", refused="fsync", status=1)[2]
        self.assertEqual(done.stderr, "dit: cannot write 'i0.png': Input/output error\n")
        self.assertEqual([name for name in self.all_files() if name not in (*own, "log")], [])
        done = self.syncs(refusing, "--count", 100, "-o", "i%d.png", refused="syncfs", status=1)[2]
        self.assertEqual(done.stderr, "dit: cannot bring what was written beside 'i0.png' to the disk: Input/output error\n")

    # memory

    def test_memory_does_not_grow_with_the_run(self):
        memory, peaks = pathlib.Path("/dev/shm"), {}
        with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
            for count in (1_000, 10_000):
                process = self.start("-q", "--count", count, "-o", f"{folder}/%d.png")
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                self.assertEqual(process.returncode, 0)
                self.assertEqual(len(os.listdir(folder)), count)
                peaks[count] = usage.ru_maxrss
        self.assertLess(peaks[10_000] - peaks[1_000], 2_000, f"kB: {peaks}; a picture and its name are some 500 bytes")


if __name__ == "__main__":
    unittest.main(verbosity=2)
