# SPDX-License-Identifier: MIT
"""The scripts in pipelines/ with arguments and names that would be code in another language."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from PIL import Image

from support.places import BUILD, DIT, SOURCE, TINY, environment

PIPELINES = SOURCE / "pipelines"
VICTIM = b"do not touch"
#: What is no whole number, and what arithmetic of the shell would run.
CALLS = "UID[$(touch OWNED)0]"
NO_NUMBERS = (CALLS, "a[$(touch OWNED)]", "`touch OWNED`", "1;touch OWNED", "08", "0x10", "+5", "-1", "1e3", "",
              " 5", "5 ", "5\n6", "5\t", "9223372036854775807", "9" * 40, "\u0665", "steps", "2**3")
#: Script, its arguments with None where a number stands, and the smallest number that is refused as too large.
COMPUTING = (("apng.sh", ("castle", None)), ("steps.sh", ("castle", None)), ("terminal.sh", ("castle", None)),
             ("virtual-camera.sh", ("castle", None)), ("fps.sh", (None,)), ("fps.sh", ("1", "cpu", None)),
             ("gif.sh", ("castle", "noto", None)), ("million/shard.sh", (None, "2", "4", "out")),
             ("million/shard.sh", ("1", None, "4", "out")), ("million/shard.sh", ("1", "2", None, "out")),
             ("million/shard.sh", ("1", "2", "4", "out", None)), ("million/verify.sh", (None, "2", "out")),
             ("million/verify.sh", ("4", None, "out")), ("million/parallel.sh", (None, "2", "out")),
             ("million/parallel.sh", ("4", None, "out")), ("million/parallel.sh", ("4", "2", "out", None)))
#: Texts that gst-launch would take for more than a text.
CODE = ('x" fakesrc num-buffers=1 ! filesink location=victim.txt ditsrc name=q"', "x\tfilesrc\tlocation=/etc/passwd",
        "rocket ! filesink location=victim.txt", "rocket\\", "$(touch OWNED)", "`touch OWNED`", "\x1b]0;owned\x07\x1b[2J")
#: Names, and the files that they own; None: none.
NAMES = {CODE[0].encode(): CODE[0] + ".png", b"x\tfakesrc\tname=y": "x%09fakesrc%09name=y.png", b"back\\slash": "back\\slash.png",
         b"end\\": "end\\.png", b'"q"': '"q".png', b"NULL": "NULL.png", b"a/b": "a%2Fb.png", b"a_b": "a_b.png", b"a%2Fb": "a%252Fb.png",
         b"..": "%2E..png", b"-n": "-n.png", b"*": "*.png", b"$(touch OWNED)": "$(touch OWNED).png", b"zo\xc3\xab": "zo\u00eb.png",
         b"\xff": "%FF.png", b"\xf4\x90\x80\x80": "%F4%90%80%80.png", b"\xf4\x8f\xbf\xbd": "\U0010fffd.png", b"%FF": "%25FF.png", b"\x1b[2J": "%1B[2J.png", b"x" * 252: None, b"\xc3\xa9" * 130: None,
         b"x" * 100000: None}


class Scripts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)
        (self.scratch / "victim.txt").write_bytes(VICTIM)

    def script(self, name, *arguments, timeout=60, **more):
        """Output and errors together as bytes: whoever wrote the arguments has not chosen what a terminal does."""
        done = subprocess.run(["bash", PIPELINES / name, *arguments], cwd=self.scratch, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
                              env=environment(self.scratch, GST_REGISTRY=str(BUILD / "attack-registry.bin"), **more))
        self.assertEqual((self.scratch / "victim.txt").read_bytes(), VICTIM, (name, arguments))
        self.assertNotIn("OWNED", os.listdir(self.scratch), (name, arguments))
        if name != "terminal.sh":  # which draws on one
            self.assertNotRegex(done.stdout, rb"[\x00-\x08\x0b-\x1f\x7f]", (name, arguments))
        return done

    def files(self):
        return {name for name in os.listdir(self.scratch) if name not in ("victim.txt", "users.txt", "registry.bin")}

    def test_no_script_gives_text_to_gst_launch(self):
        for path in PIPELINES.rglob("*.sh"):
            code = re.sub(r"(?m)^\s*#.*$", "", path.read_text())
            self.assertNotIn("gst-launch", code, path)
            self.assertNotRegex(code, r"\beval\b", path)

    def test_numbers(self):
        for name, arguments in COMPUTING:
            for text in NO_NUMBERS if name in ("apng.sh", "million/verify.sh") else (CALLS, "+5", "", "9" * 40):
                with self.subTest(name=name, arguments=arguments, text=text):
                    done = self.script(name, *(text if a is None else a for a in arguments))
                    self.assertEqual(done.returncode, 2, done.stdout)
                    self.assertIn(b"expected a whole number", done.stdout)
                    self.assertEqual(self.files(), set())

    def test_one_argument_more(self):
        """As of a prompt without quotes: it would be left out in silence."""
        for path in sorted(PIPELINES.rglob("*.sh")):
            if "common.bash" not in path.read_text() or path.name == "first-icon.sh":  # which builds
                continue
            name = str(path.relative_to(PIPELINES))
            usage = re.search(r"(?m)^#   pipelines/\S+ (.*)$", path.read_text())[1]
            arguments = ["1"] * len(usage.split())
            with self.subTest(name):
                done = self.script(name, *arguments, "m\x1bore")
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(b"found one more, $'m\\Eore'", done.stdout)
                self.assertEqual(self.files(), set())

    def test_numbers_of_the_environment(self):
        evil = "a[$(touch OWNED)0]"
        for folder, name, arguments, more in (
                ("training", "continue.sh", ("data", "work", "new"), {"CALL_SECONDS": evil}),
                ("training", "continue.sh", ("data", "work", "new"), {"CALL_SECONDS": "9", "REPORT_SECONDS": evil}),
                ("training/lab", "ablation.sh", ("data", "out", evil), {}),
                ("tests/fuzz", "run.sh", (evil,), {})):
            with self.subTest(name=name, more=more):
                done = self.script(f"../{folder}/{name}", *arguments, **more)
                self.assertEqual(done.returncode, 2, done.stdout)

    def test_python_programs(self):
        numbers = ("", " 5", "+5", "1_0", "0x5", "-1", "\u0665", "5\n", "\x1b]0;owned\x07", "9" * 40)
        bytes_ = b"\xff\x1b[2J"
        for name, given, texts in (("programs/mjpeg.py", ("rocket",), numbers), ("programs/appsink.py", ("rocket",), numbers),
                                   ("programs/webrtc.py", ("rocket",), numbers), ("programs/appsink.py", (), (bytes_,)),
                                   ("programs/mjpeg.py", (), (bytes_,)), ("programs/webrtc.py", (), (bytes_,)),
                                   ("from-pictures/evolution.py", (), (bytes_,)),
                                   ("from-pictures/evolution.py", ("no.png", "fox", "noto"), numbers)):
            for text in texts:
                with self.subTest(name=name, text=text):
                    done = subprocess.run(["/usr/bin/python3", "-B", PIPELINES / name, *given, text], cwd=self.scratch,
                                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                                          env=environment(self.scratch, GST_REGISTRY=str(BUILD / "attack-registry.bin")))
                    if done.returncode == 77:
                        self.skipTest(done.stderr.decode())
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn(b": expected ", done.stderr)
                    self.assertNotRegex(done.stderr, rb"[\x00-\x08\x0b-\x1f\x7f]")

    def test_one_argument_more_of_a_program(self):
        for program in ([BUILD / "appsink"], *(["/usr/bin/python3", "-B", PIPELINES / name] for name in (
                "programs/appsink.py", "programs/mjpeg.py", "programs/webrtc.py", "from-pictures/evolution.py"))):
            most = 4 if "evolution" in str(program[-1]) else 2
            done = subprocess.run([*program, *["1"] * most, "m\x1bore"], cwd=self.scratch, capture_output=True, timeout=60,
                                  env=environment(self.scratch, GST_REGISTRY=str(BUILD / "attack-registry.bin")))
            if done.returncode != 77:
                self.assertEqual(done.returncode, 2, (program, done.stderr))
                self.assertRegex(done.stderr, rb"expected no more, found ('m\\x1bore'|3 arguments)")

    def test_prompts_names_and_styles(self):
        for k, (name, count) in enumerate((
                ("apng.sh", 1), ("big-icon.sh", 1), ("contact-sheet.sh", 2), ("film.sh", 1), ("four-hearts.sh", 2),
                ("gif.sh", 2), ("mosaic.sh", 1), ("named-icon.sh", 2), ("on-colour.sh", 2), ("steps.sh", 1),
                ("terminal.sh", 1), ("walk.sh", 2), ("wall.sh", 1), ("favicon.sh", 3), ("fps.sh", 2))):
            arguments = [CODE[(k + at) % len(CODE)] for at in range(count)]
            with self.subTest(name=name, arguments=arguments):
                if name in ("on-colour.sh", "fps.sh"):
                    arguments[0] = "16"
                self.assertEqual(self.script(name, *arguments, DIT_MODEL=str(TINY)).returncode, 1)
        self.assertEqual({name for name in self.files() if (self.scratch / name).is_file()
                          and (self.scratch / name).stat().st_size}, set())

    def test_names_own_their_files(self):
        lines = b"\xef\xbb\xbfada\r\n\r\n" + b"".join(name + b"\n" for name in NAMES) + b"grace\r\nx\0y\nlast"
        (self.scratch / "users.txt").write_bytes(lines)
        done = self.script("avatars.sh", "users.txt", "fox", "", DIT_MODEL=str(TINY))
        self.assertEqual(done.returncode, 0, done.stdout)
        wanted = {name for name in NAMES.values() if name} | {"ada.png", "grace.png", "x.png", "y.png", "last.png"}
        self.assertEqual(self.files(), wanted)
        self.assertEqual(done.stdout.count(b"skipped"), 3)
        icons = [self.pixels(name) for name in sorted(wanted)]
        self.assertEqual(len(set(icons)), len(wanted), "two names own one icon")
        for name in ("NULL", "back\\slash", '"q"', "end\\"):
            subprocess.run([DIT, "generate", "--quiet", "--model", TINY, f"--name={name}", "--prompt=fox", "-o", self.scratch / "wanted.png"], check=True, env=environment(self.scratch))
            self.assertEqual(self.pixels(name + ".png"), self.pixels("wanted.png"), name)

    def pixels(self, name):
        with Image.open(self.scratch / name) as image:
            return image.convert("RGBA").tobytes()

    def test_a_site_of_any_name_in_any_folder(self):
        name = b'-\xf4\x90\x80\x80\xff"\\\x01 \xe2\x82\xac ! x'
        done = self.script("favicon.sh", name, "rocket", "noto", '-o " ! %d')
        self.assertEqual(done.returncode, 0, done.stdout)
        folder = self.scratch / '-o " ! %d'
        self.assertEqual(json.loads((folder / "site.webmanifest").read_text("utf-8"))["name"], '-"\\  \u20ac ! x')
        self.assertTrue(all(path.stat().st_size > 100 for path in folder.iterdir()))

    def test_shards(self):
        for arguments in (("1", "2", "9223372036854775807", "out"), ("0", "9999999", "4", "out"), ("2", "2", "4", "out")):
            self.assertEqual(self.script("million/shard.sh", *arguments, DIT_MODEL=str(TINY)).returncode, 2)
        self.assertEqual(self.files(), set())
        out = "-o %d {} \n'\""
        done = self.script("million/shard.sh", "0", "2", "4", out, "5", "fox", DIT_MODEL=str(TINY), HOSTNAME="../x y")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(self.files(), {out})
        self.assertEqual({p.name for p in (self.scratch / out / "shard-00000").iterdir()},
                         {"manifest.tsv", "icon-000000000.png", "icon-000000001.png"})

    def test_verifying_reads_icons_and_nothing_else(self):
        shard = self.scratch / "out/shard-00000"
        shard.mkdir(parents=True)
        manifest, of_victim = shard / "manifest.tsv", hashlib.sha256(VICTIM).hexdigest()
        for name in (str(self.scratch / "victim.txt"), "../../victim.txt", "-", "\x1b]0;owned\x07", "icon-000000001.png"):
            manifest.write_text(f"0\t1\t{of_victim}\t{name}\n")
            done = self.script("million/verify.sh", "1", "1", "out")
            self.assertEqual(done.returncode, 1, name)
            self.assertIn(b"expected lines of index", done.stdout, name)
        for place in (manifest, self.scratch / "out/job"):
            place.unlink(missing_ok=True)
            os.mkfifo(place)
        self.assertEqual(self.script("million/verify.sh", "1", "1", "out", timeout=20).returncode, 1)
        self.assertEqual(self.script("million/shard.sh", "0", "1", "1", "out", timeout=20).returncode, 2)
        (self.scratch / "out/job").unlink()
        (self.scratch / "out/job").write_text("\x1b[2J\u009b2J")
        done = self.script("million/shard.sh", "0", "1", "1", "out", "1", "\u009b2J")
        self.assertNotIn("\u009b".encode(), done.stdout)

    def test_more_manifests_than_one_command_takes(self):
        out = pathlib.Path(*["a" * 200] * 17)  # 800 such paths are longer than the two megabytes of a command
        for k in range(800):
            folder = self.scratch / out / f"shard-{k:05}"
            folder.mkdir(parents=True)
            (folder / "manifest.tsv").touch()
        done = self.script("million/verify.sh", "0", "800", str(out))
        self.assertEqual((done.returncode, done.stdout), (0, b"0 icons in 800 shards\n"))

    def test_parallel_workers(self):
        for prompt in ('{= system("touch OWNED") =}', "{}", "$(touch OWNED)", "'; touch OWNED; '"):
            done = self.script("million/parallel.sh", "1", "1", "out", "1", "5", prompt, DIT_MODEL=str(TINY))
            if done.returncode == 77:
                self.skipTest("GNU parallel is not installed")
            job = self.scratch / "out/job"  # of what has words; the rest is refused
            self.assertIn(f"prompt '{prompt}'", job.read_text() if job.exists() else done.stdout.decode(), "the worker got another prompt")
            shutil.rmtree(self.scratch / "out")
        done = self.script("million/parallel.sh", "3", "2", "a {} %d", "1", "5", "fox", DIT_MODEL=str(TINY))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(len(list((self.scratch / "a {} %d").glob("shard-*/icon-*.png"))), 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
