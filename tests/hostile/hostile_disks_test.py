# SPDX-License-Identifier: MIT
"""build/dit and unlucky disks: names that are taken, links, limits, signals, full disks, streams that are closed."""
import os
import pathlib
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scripts"))
from support import shim  # noqa: E402
from support.cli_case import CPU, CliCase  # noqa: E402
from support.places import DIT, ICONS, TINY, environment  # noqa: E402

PAINT = ["generate", "--model", TINY, *CPU, "--steps", "1", "-q"]


class Files(CliCase):
    def all_files(self):
        return sorted(os.listdir(self.scratch))

    def shell(self, command, *arguments, status=0, timeout=60, env=None):
        done = subprocess.run(["bash", "-c", command, "bash", *map(str, arguments)], cwd=self.scratch, text=True, timeout=timeout,
                              env=environment(self.scratch, **(env or {})), capture_output=True)
        self.assertEqual(done.returncode, status, f"{command}: {done.stdout}{done.stderr}")
        return done

    def limited(self, limit, *arguments):
        def preparing():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return subprocess.run([str(part) for part in (DIT, *arguments)], cwd=self.scratch, env=environment(self.scratch), text=True,
                              capture_output=True, preexec_fn=preparing, timeout=60)

    # names

    def test_no_name_can_be_laid_in_wait(self):
        """A process number is guessed easily: links stand under every name of the old kind for the next 300 of them."""
        (self.scratch / "victim").write_text("precious")
        first = int(self.shell("echo $$").stdout)
        for number in range(first, first + 300):
            for count in range(2):
                os.symlink("victim", self.scratch / f"icon.png.part{number}-{count}")
        self.dit(*PAINT)
        self.assertEqual((self.scratch / "victim").read_text(), "precious")
        self.assertEqual(self.pixels("icon.png")[0], (8, 12))

    def test_a_name_may_be_as_long_as_a_name_can_be(self):
        for length in (251, 255):
            name = "n" * (length - 4) + ".png"
            self.dit(*PAINT, "-o", name)
            self.assertIn(name, self.all_files())
        self.fails(self.dit(*PAINT, "-o", "n" * 256, status=1), "File name too long")
        self.dit("convert", TINY, "n" * 246 + ".gguf")

    def test_a_file_keeps_its_mode_and_owner(self):
        for mode in (0o600, 0o640, 0o666, 0o777):
            (self.scratch / "icon.png").touch()
            (self.scratch / "icon.png").chmod(mode)
            if os.geteuid() == 0:
                os.chown(self.scratch / "icon.png", 12345, 54321)
            self.dit(*PAINT)
            found = (self.scratch / "icon.png").stat()
            self.assertEqual(stat.S_IMODE(found.st_mode), mode)
            if os.geteuid() == 0:
                self.assertEqual((found.st_uid, found.st_gid), (12345, 54321))
            self.assertGreater(found.st_size, 60)
        (self.scratch / "icon.png").unlink()
        self.shell(f'umask 027; "{DIT}" generate --model "$1" --device cpu --steps 1 -q', TINY)
        self.assertEqual(stat.S_IMODE((self.scratch / "icon.png").stat().st_mode), 0o640)

    def test_links_are_followed_and_stay(self):
        (self.scratch / "there").mkdir()
        (self.scratch / "there/real.png").write_text("old")
        os.symlink("there/real.png", self.scratch / "icon.png")
        self.dit(*PAINT)
        self.assertTrue((self.scratch / "icon.png").is_symlink())
        self.assertEqual(self.pixels("there/real.png")[0], (8, 12))

    def test_descriptors_are_written_where_they_stand(self):
        self.dit(*PAINT, "-o", "wanted.png")
        wanted = (self.scratch / "wanted.png").read_bytes()
        dit = f'"{DIT}" generate --model "$1" --device cpu --steps 1'
        for command in (f"{dit} -o /dev/stdout 2>words | cat >out", f"{dit} -o /dev/fd/1 2>words | cat >out",
                        f"exec 3>out; {dit} -o >(cat >&3) >words; wait $!", f"{dit} -o /dev/stderr 2>out >words",
                        f"ln -s /dev/stdout link; {dit} -o link 2>words | cat >out", f"{dit} -o /dev/stdout 2>words >out"):
            with self.subTest(command):
                self.shell("set -o pipefail; " + command, TINY)
                self.assertEqual((self.scratch / "out").read_bytes(), wanted)
                self.assertIn("icon of 1 steps", (self.scratch / "words").read_text())
        log = self.scratch / "log"
        log.write_text("before ")
        self.shell(f"{dit} -q -o /dev/stdout >>log; {dit} -q -o /dev/fd/5 5>>log; printf after >>log", TINY)
        self.assertEqual(log.read_bytes(), b"before " + wanted + wanted + b"after")
        for outputs in ("-o - --sheet /dev/stdout", "-o /dev/stdout --sheet -", "-o /dev/fd/1 --sheet /dev/stdout"):
            self.fails(self.shell(f"{dit} {outputs}", TINY, status=1), "expected one picture")
        launch = 'build/launch "ditsrc num-buffers=1 model-location=$1 ! pngenc ! filesink location=/dev/stdout"'
        log.write_text("before ")
        self.shell(launch.replace("build", f'"{DIT.parent}"', 1) + " >>log; printf after >>log", TINY)
        self.assertRegex(log.read_bytes(), rb"(?s)^before \x89PNG.*IEND....after$")

    def test_a_file_in_a_folder_that_is_not_ours_is_written_in_place(self):
        if os.geteuid() != 0 or not shutil.which("setpriv"):
            self.skipTest("only root can become somebody else here")
        os.chmod(self.scratch, 0o755)
        folder = self.scratch / "folder"
        folder.mkdir()
        (folder / "icon.png").write_bytes(b"x" * 100_000)
        os.chown(folder / "icon.png", 65534, 65534)
        before = (folder / "icon.png").stat().st_ino
        somebody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "DIT_CACHE="]
        try:
            subprocess.run([*somebody, str(DIT), "--version"], check=True, capture_output=True)
        except (subprocess.CalledProcessError, OSError) as error:
            self.skipTest(f"the program is not readable for others: {error}")
        shutil.copy(TINY, self.scratch / "tiny.safetensors")
        command = [*somebody, str(DIT), "generate", "--model", "tiny.safetensors", *CPU, "--steps", "1", "-q", "-o"]
        done = subprocess.run([*command, "folder/icon.png"], cwd=self.scratch, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((folder / "icon.png").stat().st_ino, before)
        self.assertEqual(self.pixels("folder/icon.png")[0], (8, 12))
        done = subprocess.run([*command, "folder/new.png"], cwd=self.scratch, capture_output=True, text=True)
        self.assertEqual((done.returncode, os.listdir(folder)), (1, ["icon.png"]))
        self.assertIn("cannot write 'folder/new.png': Permission denied", done.stderr)
        os.chmod(folder / "icon.png", 0o444)
        done = subprocess.run([*command, "folder/icon.png"], cwd=self.scratch, capture_output=True, text=True)
        self.assertIn("cannot write 'folder/icon.png': Permission denied", done.stderr)
        # Somebody else's file that we may write to stays theirs.
        os.chmod(folder, 0o777)
        os.chown(folder / "icon.png", 0, 0)
        os.chmod(folder / "icon.png", 0o666)
        subprocess.run([*command, "folder/icon.png"], cwd=self.scratch, check=True)
        self.assertEqual((folder / "icon.png").stat().st_uid, 0)
        self.assertEqual(self.pixels("folder/icon.png")[0], (8, 12))

    def in_a_namespace(self, command, *arguments, **more):
        """As root of mounts of one's own."""
        probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
        if probe.returncode != 0:
            self.skipTest("no mounts of one's own here")
        return self.shell(f"exec unshare -rm bash -c '{command}' bash \"$@\"", *arguments, **more)

    def test_a_mounted_file_is_written_in_place(self):
        (self.scratch / "outside.png").write_bytes(b"x" * 100_000)
        (self.scratch / "icon.png").touch()
        self.in_a_namespace('mount --bind outside.png icon.png && "$1" generate --model "$2" --device cpu --steps 1 -q', DIT, TINY)
        self.assertEqual(self.pixels("outside.png")[0], (8, 12))
        self.assertEqual(self.all_files(), ["icon.png", "outside.png"])

    # disks

    def test_a_full_disk_is_called_so(self):
        done = self.in_a_namespace('mkdir d && mount -t tmpfs -o size=20k none d && "$1" convert "$2" d/x.gguf; s=$?; ls -A d; exit $s',
                                   DIT, TINY, status=1)
        self.assertIn("cannot write 'd/x.gguf': No space left on device", done.stderr)
        self.assertEqual(done.stdout, "")
        if os.path.exists("/dev/full"):
            self.fails(self.dit(*PAINT, "-o", "/dev/full", status=1), "No space left on device")

    def test_a_limit_of_size_leaves_nothing_behind(self):
        done = self.limited(100_000, "convert", ICONS, "x.gguf")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("cannot write 'x.gguf': File too large", done.stderr)
        done = self.limited(10, *PAINT, "-o", "icon.png")
        self.assertIn("cannot write 'icon.png': File too large", done.stderr)
        self.assertEqual(self.all_files(), [])

    def test_signals_leave_nothing_behind(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL):
            with self.subTest(number), subprocess.Popen([str(DIT), "convert", str(ICONS), "x.gguf", "--dtype", "f32"], cwd=self.scratch,
                                                        env=environment(self.scratch), stderr=subprocess.PIPE,
                                                        stdout=subprocess.PIPE) as process:
                size, fds = 0, f"/proc/{process.pid}/fd"
                while size < 1 << 20 and process.poll() is None:  # until a megabyte is written
                    time.sleep(0.002)
                    for fd in os.listdir(fds) if os.path.isdir(fds) else []:
                        try:
                            writes = int(open(f"{fds[:-2]}fdinfo/{fd}").read().split("flags:\t")[1].split()[0], 8) & 3
                            size = max(size, os.stat(f"{fds}/{fd}").st_size if writes else 0)
                        except (OSError, IndexError):
                            pass
                process.send_signal(number)
                process.communicate(timeout=60)
                self.assertEqual(process.returncode, -number)
                self.assertEqual(self.all_files(), [])

    def test_where_no_file_is_without_a_name(self):
        """A file system that refuses O_TMPFILE, and a machine without /proc, as a library that stands before libc."""
        refusing = shim.build(self, self.scratch)
        self.dit("convert", TINY, "plain.gguf")
        mine = self.all_files()
        for refused in ("O_TMPFILE", "linkat"):
            less = refusing(refused)
            with self.subTest(refused):
                for _ in range(2):  # new, and over what is there
                    self.dit("convert", TINY, "x.gguf", **less)
                    self.assertEqual((self.scratch / "x.gguf").read_bytes(), (self.scratch / "plain.gguf").read_bytes())
                    self.assertEqual(stat.S_IMODE((self.scratch / "x.gguf").stat().st_mode),
                                     stat.S_IMODE((self.scratch / "plain.gguf").stat().st_mode))
                os.unlink(self.scratch / "x.gguf")
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                    with subprocess.Popen([str(DIT), "convert", str(ICONS), "x.gguf", "--dtype", "f32"], cwd=self.scratch,
                                          env=environment(self.scratch, **less), stderr=subprocess.PIPE) as process:
                        while refused == "O_TMPFILE" and self.all_files() == mine and process.poll() is None:
                            time.sleep(0.001)
                        names = set(self.all_files()) - set(mine)
                        process.send_signal(number)
                        process.communicate(timeout=60)
                        self.assertEqual(process.returncode, -number)
                        for name in names:
                            self.assertRegex(name, r"^\.dit-[0-9a-f]{10}$")
                        self.assertEqual(self.all_files(), mine)
                done = self.shell(f'ulimit -f 100; "{DIT}" convert "$1" x.gguf', ICONS, status=1, env=less)
                self.assertIn("File too large", done.stderr)
                self.assertEqual(self.all_files(), mine)

    # streams

    def test_closed_streams_are_no_reason_to_end(self):
        self.shell(f'"{DIT}" generate --model nothing >&- 2>&-', status=1)
        self.shell(f'"{DIT}" --nonsense 2>&-', status=2)
        self.shell(f'"{DIT}" generate --model "$1" --device cpu --steps 1 -q -o icon.png <&- >&- 2>&-', TINY)
        self.assertEqual(self.pixels("icon.png")[0], (8, 12))
        (self.scratch / "icon.png").unlink()
        done = self.shell(f'"{DIT}" words --model "$1" >&-', TINY, status=1)
        self.assertEqual(done.stderr, "dit: cannot write to standard output\n")
        self.shell(f'"{DIT}" --help >&-', status=1)
        if os.path.exists("/dev/full"):
            self.shell(f'"{DIT}" --help > /dev/full', status=1)
        # What is said must not go into the file that took the number of the stream.
        self.shell(f'"{DIT}" convert "$1" x.gguf >&- 2>&-', TINY, status=1)
        self.dit("convert", TINY, "y.gguf")
        self.assertEqual((self.scratch / "x.gguf").read_bytes(), (self.scratch / "y.gguf").read_bytes())

    # before painting

    def test_what_cannot_be_written_is_found_before_painting(self):
        (self.scratch / "folder").mkdir()
        (self.scratch / "file").touch()
        for arguments, words in ((["--count", "100", "--sheet", "nodir/s.png"], ["nodir/s.png", "No such file"]),
                                 (["--count", "100", "--sheet", "folder"], ["'folder'", "Is a directory"]),
                                 (["--count", "100", "--sheet", "file/s.png"], ["file/s.png", "Not a directory"]),
                                 (["--count", "100", "-o", "nodir/%d.png"], ["nodir/0.png"]),
                                 (["--steps-out", "file/steps"], ["file/steps"]),
                                 (["--count", "300000", "--sheet", "s.png", "--sheet-columns", "1"], ["contact sheet", "1000000 pixels"]),
                                 (["--count", "900000", "--sheet", "s.png", "--sheet-scale", "16"], ["contact sheet", "--sheet-columns"])):
            with self.subTest(arguments):
                self.fails(self.dit(*PAINT, *arguments, status=1, timeout=30), *words)
                self.assertEqual([name for name in self.files() if name.endswith(".png")], [])
        self.fails(self.dit("convert", ICONS, "nodir/x.gguf", status=1), "nodir/x.gguf")
        self.fails(self.dit("bench", TINY, "--json", "nodir/x.json", status=1), "nodir/x.json")


if __name__ == "__main__":
    unittest.main(verbosity=2)
