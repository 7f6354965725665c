# SPDX-License-Identifier: MIT
"""How the scripts and programs in pipelines/ end: files that were there, pipes, signals, outputs that fail, playlists."""
import os
import pathlib
import pty
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from support.places import BUILD, ICONS, SOURCE, TINY, environment, wait_until_caught

PIPELINES = SOURCE / "pipelines"
LAUNCH = BUILD / "launch"
EVOLUTION = "from-pictures/evolution.py"
BLOB = str(PIPELINES / "images/blob.png")
LEXICON = SOURCE / "models/lexicon.bin"
#: Does what `dit` does, with one byte an icon.
FAKE_DIT = """#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in --index) first=$2 ;; --count) count=$2 ;; -o) cd "${2%/*}" ;; esac
  shift
done
seq -f 'icon-%09.0f.png' "$first" "$((first + count - 1))" | xargs touch
"""


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)

    def start(self, command, **more):
        env = environment(self.scratch, GST_REGISTRY=str(BUILD / "attack-registry.bin"), **more.pop("env", {}))
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        first, *rest = command
        if isinstance(first, str):
            first = PIPELINES / first
        python = ["/usr/bin/python3", "-B"] if first.suffix == ".py" else []
        # As in a terminal: scripts and what they run are told together.
        return subprocess.Popen([*python, first, *rest], cwd=self.scratch, env=env, start_new_session=True, **more)

    def ended(self, process, timeout=60):
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        if process.returncode == 77:
            self.skipTest(errors.decode())
        return process.returncode, output or b"", errors or b""

    def done(self, *command, **more):
        return self.ended(self.start(command, **more))

    def files(self):
        return {path.name: path.read_bytes() for path in self.scratch.iterdir() if path.is_file()}


class Files(Case):
    def test_those_that_were_there_outlive_a_mistake(self):
        wrong = "qqqqzzzz"
        for script, arguments, names in (("big-icon.sh", (wrong,), ("big.png",)), ("film.sh", (wrong,), ("film.webm",)),
                                         ("wall.sh", (wrong,), ("wall.png",)), ("named-icon.sh", ("ada", wrong), ("ada.png",)),
                                         ("favicon.sh", ("x", wrong, "noto", "."), ("favicon.ico", "icon-64.png", "head.html")),
                                         ("from-pictures/photo-to-emoji.sh", (BLOB, wrong), ("emoji.png",)),
                                         (EVOLUTION, (BLOB, wrong), ("evolution.webp",))):
            with self.subTest(script):
                for name in names:
                    (self.scratch / name).write_text("good")
                before = self.files()
                status, _, errors = self.done(script, *arguments)
                self.assertEqual((status, self.files()), (1, before), errors)

    def test_those_that_were_there_outlive_a_signal(self):
        # None of them ends by itself, however fast the machine is.
        endless = "ditsrc steps=1 ! video/x-raw,framerate=10/1 ! videoconvert ! jpegenc ! avimux ! filesink location=film.avi"
        for script, arguments, name, number in ((LAUNCH, (endless,), "film.avi", signal.SIGINT), (LAUNCH, (endless,), "film.avi", signal.SIGTERM),
                                                (EVOLUTION, (BLOB, "fox", "noto", "9999"), "evolution.webp", signal.SIGINT)):
            with self.subTest(script=script, number=number):
                (self.scratch / name).write_text("good")
                process = self.start((script, *arguments))
                if script == LAUNCH:
                    wait_until_caught(process, signal.SIGTERM)
                else:
                    time.sleep(1.5)
                os.killpg(process.pid, number)
                status = self.ended(process)[0]
                self.assertIn(status, (128 + number, -number))
                self.assertEqual(self.files(), {name: b"good"})
                (self.scratch / name).unlink()

    def test_they_are_new_ones_with_the_old_ones_rights(self):
        for name, begin, *command in (("big.png", b"\x89PNG", "big-icon.sh", "fox"),
                                      ("evolution.webp", b"RIFF", EVOLUTION, BLOB, "fox", "noto", "2")):
            there = self.scratch / f"elsewhere/{name}"
            there.parent.mkdir(exist_ok=True)
            there.write_text("old")
            there.chmod(0o640)
            (self.scratch / name).symlink_to(there)
            status, _, errors = self.done(*command)
            self.assertEqual(status, 0, errors)
            self.assertTrue((self.scratch / name).is_symlink(), name)
            self.assertEqual((there.stat().st_mode & 0o777, there.read_bytes()[:4]), (0o640, begin))
            self.assertTrue({path.name for path in there.parent.iterdir()} <= {"big.png", "evolution.webp"})

    def test_pipes_are_written_and_read(self):
        os.mkfifo(self.scratch / "big.png")
        process = self.start(("big-icon.sh", "fox"))
        self.assertTrue((self.scratch / "big.png").read_bytes().startswith(b"\x89PNG"))
        self.assertEqual(self.ended(process)[0], 0)

    def test_pipes_that_nobody_else_opens_do_not_hide_signals(self):
        os.mkfifo(self.scratch / "pipe")
        for number in (signal.SIGINT, signal.SIGTERM):
            for pipeline in ("ditsrc num-buffers=1 ! pngenc ! filesink location=pipe",
                             "filesrc location=pipe ! decodebin ! videoconvert ! pngenc ! filesink location=icon.png"):
                process = self.start((LAUNCH, pipeline))
                wait_until_caught(process, signal.SIGTERM)
                process.send_signal(number)
                self.assertEqual(self.ended(process, 30)[0], 128 + number, pipeline)
                self.assertEqual(self.files(), {})
        self.assertEqual(self.done(EVOLUTION, "pipe")[0], 2)

    def test_playlists_are_no_pictures(self):
        with socket.create_server(("127.0.0.1", 0)) as elsewhere:
            address = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/part"
            (self.scratch / "list").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n")
            (self.scratch / "manifest").write_text(f"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><BaseURL>{address}"
                                                   "</BaseURL><Period><AdaptationSet mimeType='video/mp4'><Representation id='1' bandwidth='9'/>"
                                                   "</AdaptationSet></Period></MPD>")
            (self.scratch / "drawing").write_text("<svg xmlns='http://www.w3.org/2000/svg' width='64' height='64'/>")
            for name in ("list", "manifest", "drawing"):
                status, _, errors = self.done("from-pictures/photo-to-emoji.sh", name)
                self.assertEqual(status, 1, name)
                self.assertIn(b"expected a picture, found ", errors)
            elsewhere.settimeout(0.1)
            self.assertRaises(TimeoutError, elsewhere.accept)


class Ends(Case):
    def test_options_of_gstreamer_are_text(self):
        for program in (BUILD / "appsink", PIPELINES / "programs/appsink.py"):
            status, output, errors = self.done(program, "--gst-zzyzx", "1")
            self.assertEqual((status, output), (1, b""))
            self.assertIn(b"--gst-zzyzx", errors)
            # Words of the model, and an option.
            self.assertNotIn(b"GStreamer", self.done(program, "--gst-version", "1")[1])

    def test_python_programs_at_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            for program, *arguments in (("programs/appsink.py", "rocket", "9999"), ("programs/webrtc.py", "rocket", "9999"),
                                        (EVOLUTION, BLOB, "fox", "noto", "9999")):
                process = self.start((program, *arguments), stdout=subprocess.DEVNULL)
                wait_until_caught(process, signal.SIGTERM)
                process.send_signal(number)
                status, _, errors = self.ended(process, 30)
                self.assertEqual((status, errors), (128 + number, b""), program)

    def test_python_programs_and_their_readers(self):
        process = self.start(("programs/appsink.py", "rocket", "100"))
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual((process.wait(60), process.stderr.read()), (141, b""))
        process.stderr.close()
        status, output, errors = self.done("programs/appsink.py", "rocket", "1", env={"PYTHONIOENCODING": "ascii"})
        self.assertEqual((status, output.decode().count("\u2580")), (0, 32 * 64), errors)

    def test_outputs_that_fail(self):
        for command in (("fps.sh", "30"), (BUILD / "appsink", "rocket", "1"), ("programs/appsink.py", "rocket", "1")):
            with open("/dev/full", "wb") as full:
                self.assertEqual(self.done(*command, stdout=full)[0], 1, command)

    def test_inputs_that_fail(self):
        self.assertEqual(self.done("avatars.sh", "/proc/self/mem")[0], 1)
        closed = ["bash", "-c", 'exec "$0" - <&-', PIPELINES / "avatars.sh"]
        self.assertEqual(subprocess.run(closed, cwd=self.scratch, capture_output=True, env=environment(self.scratch)).returncode, 1)
        self.assertEqual(self.done("../training/continue.sh", "no/data", "work", "new")[0], 1)
        self.assertFalse((self.scratch / "work").exists())

    def test_drivers_that_are_none(self):
        status, output, errors = self.done("../tests/drivers.sh", "no such driver")
        self.assertEqual((status, output), (2, b""))
        self.assertIn(b"SwiftShader", errors)
        status, output, _ = self.done("../tests/drivers.sh", "--help")
        self.assertEqual(status, 0)
        self.assertIn(b"DRIVER", output)

    def test_counts_without_end(self):
        for count in ("-1", "0"):
            self.assertEqual(self.done("fps.sh", count)[0], 2)

    def test_python_programs_without_their_own_folder(self):
        for name in ("appsink.py", "mjpeg.py", "webrtc.py"):
            status, _, errors = self.done(f"programs/{name}", "fox", "x", env={"PYTHONSAFEPATH": "1"})
            self.assertEqual(status, 2, errors)
            self.assertIn(b"expected a whole number", errors)

    def test_a_build_that_is_named_from_here(self):
        """By a relative path, which is another one in another folder."""
        common = PIPELINES / "programs/common.bash"
        told = subprocess.run(["bash", "-c", '. "$0" && printf %s "$build"', common], cwd=self.scratch, capture_output=True,
                              env=environment(self.scratch, DIT_BUILD="there/../here"), check=True).stdout
        self.assertEqual(told.decode(), str(self.scratch / "here"))

    def test_no_folder_is_looked_for_elsewhere(self):
        # cd to a relative path asks CDPATH, and then prints where it has gone.
        for path in SOURCE.rglob("*.sh"):
            self.assertNotRegex(path.read_text(), r'cd "\$\(dirname "\$(0|\{BASH_SOURCE)', path)

    def test_terminals_without_a_screen(self):
        for kind in (None, "", "dumb", "no-such-terminal"):
            with self.subTest(kind):
                process, terminal = pty.fork()
                if process == 0:
                    env = environment(self.scratch, GST_REGISTRY=str(BUILD / "attack-registry.bin"))
                    env.pop("TERM", None)
                    os.execve(PIPELINES / "terminal.sh", ["terminal.sh", "cat face", "2"], env if kind is None else {**env, "TERM": kind})
                output = b""
                try:
                    while part := os.read(terminal, 65536):
                        output += part
                except OSError:
                    pass  # so ends a terminal
                os.close(terminal)
                self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), 0, output[-300:])
                self.assertGreater(len(output), 5000)


class Shards(Case):
    def shard(self, *arguments, model=TINY, **env):
        return self.done("million/shard.sh", *arguments, env={"DIT_MODEL": str(model), **env})

    def test_numbers_beyond_31_bits(self):
        (self.scratch / "build").mkdir()
        (self.scratch / "build/dit").write_text(FAKE_DIT)
        (self.scratch / "build/dit").chmod(0o755)
        status, _, errors = self.shard("99999", "100000", "2150000000", "out", "5", "fox", DIT_BUILD=str(self.scratch / "build"))
        self.assertEqual(status, 0, errors)
        manifest = (self.scratch / "out/shard-99999/manifest.tsv").read_text().splitlines()
        numbers = [line.split("\t")[0] for line in manifest]
        self.assertEqual((numbers[0], numbers[-1]), ("2149978500", "2149999999"))
        self.assertTrue(numbers == [str(n) for n in range(2149978500, 2150000000)])

    def test_a_mistake_claims_no_folder(self):
        for arguments in (("0", "2", "4", "out", "5", "qqqq"), ("0", "2", "4", "out", "9" * 20, "fox"), ("0", "2", "1", "out", "5", "qqqq")):
            self.assertNotEqual(self.shard(*arguments)[0], 0)
            self.assertEqual(os.listdir(self.scratch / "out"), [], arguments)
        self.assertEqual(self.shard("0", "2", "4", "out", "5", "fox")[0], 0)

    def test_a_job_has_one_model(self):
        self.assertEqual(self.shard("0", "2", "4", "out", "5", "fox")[0], 0)
        other = self.scratch / "other.safetensors"
        other.write_bytes(TINY.read_bytes())
        self.assertEqual(self.shard("0", "2", "4", "out", "5", "fox", model=other)[0], 0, "it is the same one elsewhere")
        status, _, errors = self.shard("1", "2", "4", "out", "5", "fox", model=SOURCE / "models/icons-small.safetensors")
        self.assertEqual(status, 2)
        self.assertRegex(errors.decode(), "model [0-9a-f]{64}.*; found .*model [0-9a-f]{64}")

    def test_a_job_has_one_lexicon_from_wherever_it_is_started(self):
        for name, text in (("%d.bin", LEXICON.read_bytes()), ("other.bin", LEXICON.read_bytes() + b" ")):
            (self.scratch / name).write_bytes(text)
        status, _, errors = self.shard("0", "2", "4", "100%d", "5", "kaffee", model=ICONS, DIT_LEXICON="%d.bin", DIT_CACHE="cache")
        self.assertEqual(status, 0, errors)
        self.assertEqual(sorted(os.listdir(self.scratch / "100%d/shard-00000")),
                         ["icon-000000000.png", "icon-000000001.png", "manifest.tsv"], "none of a cache")
        for lexicon in ("other.bin", ""):
            status, _, errors = self.shard("1", "2", "4", "100%d", "5", "kaffee", model=ICONS, DIT_LEXICON=lexicon)
            self.assertEqual(status, 2, errors)
            self.assertRegex(errors.decode(), "lexicon [0-9a-f]{64}.*; found ")
        status, _, errors = self.shard("0", "1", "1", "none", "5", "kaffee", model=ICONS, DIT_LEXICON="nowhere.bin")
        self.assertEqual((status, (self.scratch / "none").exists() and os.listdir(self.scratch / "none")), (2, []), errors)

    def test_icons_that_are_no_files(self):
        self.assertEqual(self.shard("0", "1", "1", "out", "5", "fox")[0], 0)
        icon = self.scratch / "out/shard-00000/icon-000000000.png"
        for place in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
            icon.unlink()
            place(icon)
            status, _, errors = self.done("million/verify.sh", "1", "1", "out")
            self.assertEqual(status, 1)
            self.assertRegex(errors.decode(), r"icon-000000000\.png: expected a file")


if __name__ == "__main__":
    unittest.main(verbosity=2)
