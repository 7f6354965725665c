# SPDX-License-Identifier: MIT
"""What build/dit writes where something of others lies, or something of its own; names that are no files; formats that cannot hold it."""
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time
import unittest

import numpy

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / folder) for folder in ("tests/scripts", "tests/fuzz", "training")]
import seeds  # noqa: E402
from icons.network import safetensors_io  # noqa: E402
from support.cli_case import CPU, CliCase  # noqa: E402
from support.places import DIT, SOURCE, TINY, environment, wait_until_caught  # noqa: E402

PAINT = ["generate", "--model", TINY, *CPU, "--steps", "1"]


class OutputsCase(CliCase):
    def refused(self, *arguments, words=(), status=1):
        """One line of error, and no file more, fewer or other than before."""
        before = self.contents()
        done = self.dit(*arguments, status=status, timeout=60)
        self.fails(done, *words)
        self.assertEqual(self.contents(), before, arguments)
        return done

    def contents(self):
        return {name: (self.scratch / name).read_bytes() for name in self.files()}

    def shell(self, command, *arguments):
        return subprocess.run(["bash", "-c", command, "bash", *map(str, arguments)], cwd=self.scratch, text=True, timeout=60,
                              env=environment(self.scratch), capture_output=True)


class OfOthers(OutputsCase):
    def test_a_capture_leaves_a_manifest_that_is_none_of_captures(self):
        folder = self.scratch / "web"
        folder.mkdir()
        for text in ('{"name":"web app"}', "", "[1]", '{"format":7}', '{"format":"other/1"}'):
            (folder / "manifest.json").write_text(text)
            for more in ([], ["--prompt", "zzzz"], ["--step", "99"]):
                self.refused("capture", "--model", TINY, *CPU, "-o", "web", *more, words=["web/manifest.json", "capture"])

    def test_a_capture_that_fails_keeps_the_one_before(self):
        self.dit("capture", "--model", TINY, *CPU, "-o", "c")
        for more in (["--step", "99"], ["--style", "rund"], ["--inputs", "nothing"]):
            self.refused("capture", "--model", TINY, *CPU, "-o", "c", *more)
        self.dit("capture", "--model", TINY, *CPU, "-o", "c", "--step", "2")
        self.assertEqual(json.loads((self.scratch / "c/manifest.json").read_text())["icon"]["step"], 2)

    def test_a_folder_of_a_capture_that_cannot_be_is_not_made(self):
        self.dit("capture", "--model", TINY, *CPU, "-o", "c", "--step", "99", status=1)
        self.assertFalse((self.scratch / "c").exists())

    def test_folders_of_steps_that_cannot_be_are_not_left(self):
        (self.scratch / "there").mkdir()
        for more in (("--style", "no such"), ("--prompt", "qqqqzzzz"), ("--sheet", "nowhere/s.png"), ("--from", "nowhere.png"),
                     ("-o", "there/new/in/it/step-1.png")):
            with self.subTest(more):
                self.dit("generate", "--model", TINY, *CPU, "--steps-out", "there/new/in/it/", *more, status=1)
                self.assertEqual(os.listdir(self.scratch / "there"), [])
        self.dit("generate", "--model", TINY, *CPU, "--steps-out", "there/new/in/it/", "--steps", "2", "-q")
        self.assertEqual(sorted(os.listdir(self.scratch / "there/new/in/it")), ["step-1.png", "step-2.png"])
        # What was there before stays, empty or not.
        (self.scratch / "empty").mkdir()
        self.dit("generate", "--model", TINY, *CPU, "--steps-out", "empty", "--style", "no such", status=1)
        self.assertTrue((self.scratch / "empty").is_dir())

    def test_settings_of_a_favicon_diffusor_are_written_with_it_or_not_at_all(self):
        (self.scratch / "in.wts").write_bytes((SOURCE / "tests/fuzz/corpus/wts1/model.bin").read_bytes())
        (self.scratch / "in.wts.json").write_text('{"norm":"torch"}')
        self.dit("convert", "in.wts", "a.safetensors")
        (self.scratch / "x.wts").write_text("old")
        (self.scratch / "x.wts.json").write_text('{"scripts":{}}')
        self.refused("convert", "a.safetensors", "x.wts", words=["x.wts.json"])
        (self.scratch / "x.wts.json").unlink()
        (self.scratch / "x.wts.json").mkdir()
        self.refused("convert", "a.safetensors", "x.wts", words=["x.wts.json"])
        (self.scratch / "x.wts.json").rmdir()
        self.dit("convert", "a.safetensors", "x.wts")
        self.assertEqual(json.loads((self.scratch / "x.wts.json").read_text())["norm"], "torch")

    def test_settings_of_older_weights_are_no_settings_of_newer_ones(self):
        # The one name under which a file has no settings to be written beside it.
        plain = "WTS1 file.wts"
        (self.scratch / plain).write_bytes((SOURCE / "tests/fuzz/corpus/wts1/model.bin").read_bytes())
        self.dit("convert", plain, "x.wts")
        self.assertFalse((self.scratch / "x.wts.json").exists())
        (self.scratch / "x.wts.json").write_text('{"norm":"torch"}')
        self.dit("convert", plain, "x.wts")
        self.assertEqual(json.loads((self.scratch / "x.wts.json").read_text()), {})


class Names(OutputsCase):
    def test_no_two_outputs_are_one_file(self):
        for name in ("r", "s", "3", "4"):
            (self.scratch / name).mkdir()
        os.symlink("r", self.scratch / "l")
        os.symlink("r/x-1.png", self.scratch / "sheet.png")
        for arguments in (["-n", "2", "-o", "r/x-%d.png", "--sheet", "l/x-0.png"], ["-n", "2", "-o", "r/x.png", "--sheet", "r/../l/x-1.png"],
                          ["-n", "2", "-o", "r/x.png", "--sheet", "sheet.png"], ["-o", "l/x.png", "--sheet", "r/x.png"],
                          ["-n", "2", "--index", "3", "-o", "%d/x.png", "--sheet", "3/x.png"],
                          ["--steps-out", "s", "--sheet", "s/step-1.png"], ["--steps-out", "s", "-o", "s/step-01.png"],
                          ["-n", "2", "--steps-out", "s", "-o", "s/icon-%d-step-1.png"],
                          ["-n", "2", "--steps-out", "r", "-o", "x.png", "--sheet", "l/icon-1-step-1.png"]):
            with self.subTest(arguments):
                self.refused(*PAINT, *arguments, words=["expected another file"])
        for arguments in (["-n", "2", "-o", "r/x-%d.png", "--sheet", "l/x-2.png"], ["-n", "2", "-o", "r/x-%02d.png", "--sheet", "l/x-0.png"],
                          ["--steps-out", "s", "--sheet", "s/all.png", "-o", "s/icon.png"]):
            self.dit(*PAINT, *arguments)

    def test_what_lies_in_the_folder_of_steps(self):
        self.dit(*PAINT, "-o", "new/icon.png", "--steps-out", "new", "--sheet", "new/sheet.png")
        self.assertEqual(self.files(), ["new/icon.png", "new/sheet.png", "new/step-1.png"])

    def test_several_icons_need_names_of_files(self):
        (self.scratch / "out").mkdir()
        os.mkfifo(self.scratch / "pipe")
        for name in ("out/", "", ".", "..", "out/.", "out", "pipe", "/dev/null"):
            with self.subTest(name):
                self.refused(*PAINT, "-n", "2", "-o", name, words=[f"output '{name}'"])

    def test_numbers_do_not_wrap(self):
        last = str(2**64 - 1)
        self.refused(*PAINT, "--index", last, "-n", "2", words=["index", last])
        self.refused(*PAINT, "--index", last, "-p", "fox", "-p", "cat", words=["index", last])
        self.dit(*PAINT, "--index", last, "-o", "%d.png")
        self.assertEqual(self.files(), [f"{last}.png"])

    def test_a_link_to_what_is_not_there_is_followed(self):
        (self.scratch / "there").mkdir()
        os.symlink("there/real.png", self.scratch / "first.png")
        os.symlink("first.png", self.scratch / "icon.png")
        self.dit(*PAINT)
        self.assertTrue((self.scratch / "icon.png").is_symlink() and (self.scratch / "first.png").is_symlink())
        self.assertEqual(self.pixels("there/real.png")[0], (8, 12))
        os.symlink("gone/real.png", self.scratch / "lost.png")
        self.refused(*PAINT, "-o", "lost.png", words=["lost.png", "gone/real.png", "No such file"])
        self.assertTrue((self.scratch / "lost.png").is_symlink())
        os.symlink("loop.png", self.scratch / "loop.png")
        self.refused(*PAINT, "-o", "loop.png", words=["loop.png", "Too many levels"])


class Signals(OutputsCase):
    def test_every_signal_that_ends_it_leaves_nothing_behind(self):
        self.dit(*PAINT, "-q", "-n", 300, "-o", "i%d.png")
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGVTALRM, signal.SIGPROF, signal.SIGABRT, signal.SIGRTMIN):
            for _ in range(4):
                (self.scratch / "i299.png").unlink(missing_ok=True)
                process = subprocess.Popen([str(part) for part in (DIT, *PAINT, "-q", "-n", 1000000, "-o", "i%d.png")], cwd=self.scratch,
                                           env=environment(self.scratch))
                while not (self.scratch / "i299.png").exists():
                    time.sleep(0.001)
                process.send_signal(number)
                self.assertEqual(process.wait(timeout=30), -number)
                self.assertEqual([name for name in self.files() if ".dit-" in name], [])

    def test_a_reader_that_leaves(self):
        """The file that is being replaced has a name for a moment."""
        self.dit(*PAINT, "-q", "-n", 1000, "-o", "x-%d.png")
        for _ in range(20):
            self.shell('"$@" -n 1000 --batch-size 16 -o x-%d.png | head -1', DIT, *PAINT)
            self.assertEqual([name for name in self.files() if ".dit-" in name], [])

    def interrupted(self, *arguments):
        process = subprocess.Popen([str(part) for part in (DIT, *arguments)], cwd=self.scratch, env=environment(self.scratch),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until_caught(process, signal.SIGINT)
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
        return process.returncode, errors

    def test_at_a_pipe_that_nobody_reads(self):
        os.mkfifo(self.scratch / "of")
        self.assertEqual(self.interrupted(*PAINT, "-q", "-o", "of"), (130, "dit: interrupted\n"))

    def test_pictures_are_files(self):
        os.mkfifo(self.scratch / "of")
        self.refused(*PAINT, "--from", "of", words=["'of'", "a pipe"])

    def test_names_that_are_many_are_compared_at_once(self):
        """40 million icons and a sheet: refused as too large a sheet, before anybody could lose patience."""
        prompts = [part for k in range(40) for part in ("-p", f"fox {k}")]
        began = time.monotonic()
        self.refused(*PAINT, *prompts, "-n", "1000000", "-o", "x-%d.png", "--sheet", "x-all.png", words=["contact sheet"])
        self.assertLess(time.monotonic() - began, 5)


class Formats(OutputsCase):
    def convert(self, source, target, **more):
        return self.dit("convert", source, target, **more)

    def save(self, metadata, name="s.safetensors"):
        safetensors_io.save(self.scratch / name, {"a": numpy.ones(3, numpy.float32)}, metadata)

    def test_metadata_that_gguf_has_another_meaning_for(self):
        self.save({"general.alignment": "32", "general.name": "n", "ditsrc.x": "y"})
        self.convert("s.safetensors", "g.gguf")
        self.convert("g.gguf", "t.safetensors")
        kept = safetensors_io.load(self.scratch / "t.safetensors")[1]
        self.assertEqual({key: kept[key] for key in ("general.alignment", "general.name", "ditsrc.x")},
                         {"general.alignment": "32", "general.name": "n", "ditsrc.x": "y"})

    def test_keys_that_are_too_long_are_refused(self):
        self.save({"k" * 70_000: "v"})
        self.refused("convert", "s.safetensors", "g.gguf", words=["metadata", "65535"])
        self.save({"k" * 65_530: "v"})  # with what stands before our own keys
        self.refused("convert", "s.safetensors", "g.gguf", words=["metadata", "65535"])

    def test_gguf_keeps_what_gguf_had(self):
        array = seeds.text("llama.tokens") + struct.pack("<IIQ", 9, 8, 2) + seeds.text("x") + seeds.text("yz")
        number = seeds.text("general.file_type") + struct.pack("<II", 4, 7)
        (self.scratch / "a.gguf").write_bytes(seeds.gguf([("a", [4], 0, 0)], [array, number], 32))
        self.convert("a.gguf", "b.gguf")
        data = (self.scratch / "b.gguf").read_bytes()
        self.assertIn(array, data)
        self.assertIn(number, data)
        self.assertIn("llama.tokens", self.convert("a.gguf", "c.safetensors").stderr)

    def test_names_that_are_no_text(self):
        name = b"\xff\xfe"
        body = struct.pack("<4sIQQ", b"GGUF", 3, 1, 0) + struct.pack("<Q", 2) + name + struct.pack("<IQIQ", 1, 4, 0, 0)
        (self.scratch / "a.gguf").write_bytes(body + bytes(-len(body) % 32) + bytes(32))
        self.refused("convert", "a.gguf", "b.safetensors", words=[r"tensor '\xff\xfe'", "UTF-8"])
        self.convert("a.gguf", "b.gguf")

    def test_names_of_files_and_prompts_that_are_no_text(self):
        model = os.fsencode(self.scratch) + b"/\xff.wts"
        with open(model, "wb") as file:
            file.write((SOURCE / "tests/fuzz/corpus/wts1/model.bin").read_bytes())
        tiny = os.fsencode(self.scratch) + b"/\xfe.safetensors"
        with open(tiny, "wb") as file:
            file.write(TINY.read_bytes())
        for command in (["inspect", model], ["capture", "--model", tiny, *CPU, "-o", "c"],
                        ["capture", "--model", TINY, *CPU, "--prompt", b"fox \xff", "-o", "d"]):
            done = subprocess.run([os.fsencode(part) for part in (DIT, *command)], cwd=self.scratch, env=environment(self.scratch),
                                  capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("�", json.loads((self.scratch / "c/manifest.json").read_text())["model"]["file"])

    def test_names_that_a_reader_takes_for_something_else(self):
        (self.scratch / "a.gguf").write_bytes(seeds.gguf([("__metadata__", [4], 0, 0)], [], 32))
        self.refused("convert", "a.gguf", "b.safetensors", words=["'__metadata__'"])
        key = seeds.text("quantised") + struct.pack("<I", 8) + seeds.text("no")
        (self.scratch / "a.gguf").write_bytes(seeds.gguf([("a", [4], 0, 0)], [key], 32))
        self.refused("convert", "a.gguf", "b.safetensors", words=["'quantised'"])

    def test_a_pipe_has_no_size(self):
        done = self.shell('mkfifo x.gguf; cat x.gguf > got & "$1" convert "$2" x.gguf; s=$?; wait; exit $s', DIT, TINY)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.convert(TINY, "y.gguf")
        self.assertEqual((self.scratch / "got").read_bytes(), (self.scratch / "y.gguf").read_bytes())

    def test_arrays_of_other_shapes_or_of_nothing_do_not_match(self):
        values = numpy.arange(6, dtype=numpy.float32)
        for name, array in (("a", values.reshape(2, 3)), ("b", values.reshape(3, 2)), ("c", values.reshape(1, 2, 3)), ("e", values[:0])):
            numpy.save(self.scratch / f"{name}.npy", array)
            safetensors_io.save(self.scratch / f"{name}.safetensors", {"t": array})
        self.refused("match", "a.safetensors", "b.safetensors", words=["[2,3]", "[3,2]"])
        self.dit("match", "a.safetensors", "c.safetensors")
        self.refused("match", "e.safetensors", "e.safetensors", words=["empty"])


class Limits(OutputsCase):
    def test_wrong_names_are_found_before_anything_is_measured(self):
        for arguments in (["bench", TINY, "--precision", "nope"], ["bench", TINY, "--precision", ""], ["bench", TINY, "--fusion", "opp"],
                          ["bench", TINY, "--precision", "int8"], ["bench", TINY, "--batch", "1,,2"], ["bench", TINY, "--batch", "1,"],
                          ["tune", "--batch", "1,,2"], ["bench", TINY, "--workgroups", "64,65"],
                          [*PAINT, "--from", "x.png", "--strengths", "0.2,,0.5"]):
            with self.subTest(arguments):
                self.refused(*arguments, words=["expected"], status=2)

    def test_a_folder_that_can_keep_nothing_is_found_before_anything_is_measured(self):
        (self.scratch / "cache").mkdir()
        (self.scratch / "cache").chmod(0o770)
        began = time.monotonic()
        for folder, words in (("/proc/nope", ["/proc/nope", "cannot be made"]), ("cache", ["'cache'", "nobody else can write"]),
                              ("", ["none is named"])):
            self.fails(self.dit("tune", "--model", TINY, status=1, DIT_CACHE=folder), *words)
        self.assertLess(time.monotonic() - began, 5)

    def test_a_lexicon_that_is_named_is_there(self):
        self.fails(self.dit(*PAINT, status=1, DIT_LEXICON="nothing.bin"), "nothing.bin", "DIT_LEXICON")

    def test_short_memory_is_an_error(self):
        for limit in range(60_000, 140_000, 4_000):
            done = self.shell(f'ulimit -v {limit}; exec "$1" words kaffee', DIT)
            self.assertIn(done.returncode, (0, 1, 127), f"{limit} kB: {done.stderr}")
            self.assertNotIn("terminate", done.stderr)

    def test_few_open_files_are_enough(self):
        done = self.shell('ulimit -n 12; exec "$@"', DIT, *PAINT, "-q", "-n", "400", "--batch-size", "64", "-o", "i%d.png")
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
