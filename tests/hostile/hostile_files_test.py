# SPDX-License-Identifier: MIT
"""build/dit and weight files that mean harm: names, JSON, numbers, places, types. Each is refused, or listed, in one line."""
import json
import os
import pathlib
import struct
import sys
import unittest

import numpy

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / folder) for folder in ("tests/scripts", "tests/fuzz", "training")]
import seeds  # noqa: E402
from icons.network import safetensors_io  # noqa: E402
from support.cli_case import CPU, CliCase  # noqa: E402
from support.places import DIT, TINY, run  # noqa: E402

EVIL = "a\x1b]0;owned\x07\x1b[2J\nb\u202ec\x9b\x7f"
# What a header that costs its square would never be done with.
PATIENCE = 60


class HostileCase(CliCase):
    def setUp(self):
        super().setUp()
        self.tensors, self.metadata = safetensors_io.load(TINY)

    def write(self, name, data):
        (self.scratch / name).write_bytes(data)
        return name

    def model(self, text=None, **config):
        """The tiny model with other values in its configuration."""
        changed = dict(json.loads(self.metadata["config"]), **config)
        safetensors_io.save(self.scratch / "m.safetensors", self.tensors,
                            dict(self.metadata, config=json.dumps(changed) if text is None else text))
        return "m.safetensors"

    def prints_nothing_bad(self, done):
        for character in done.stdout + done.stderr:
            self.assertTrue(character == "\n" or (character.isprintable()), repr(done.stdout[-300:] + done.stderr))

    def refused(self, arguments, *words, status=1):
        done = self.dit(*arguments, status=status, timeout=PATIENCE)
        self.prints_nothing_bad(done)
        self.fails(done, *words)
        self.assertEqual(len(done.stderr.splitlines()), 1 if status == 1 else 2, done.stderr)
        return done

    def lists(self, file, *lines):
        done = self.dit("inspect", file, timeout=PATIENCE)
        self.prints_nothing_bad(done)
        for line in lines:
            self.assertRegex(done.stdout, line)
        return done.stdout


class Names(HostileCase):
    def test_tables_show_what_names_would_do(self):
        text = numpy.ones(3, numpy.float32)
        safetensors_io.save(self.scratch / "s.safetensors", {EVIL: text, "b": text}, {EVIL: EVIL})
        self.write("g.gguf", seeds.gguf([(EVIL, [4], 0, 0)], [seeds.text(EVIL) + struct.pack("<I", 8) + seeds.text(EVIL)], 32))
        self.write("o.onnx", seeds.onnx(*(seeds.number(1, 1) + seeds.number(2, kind) + seeds.message(8, EVIL.encode()) +
                                         seeds.message(9, bytes(4)) for kind in (1,))))
        for file in ("s.safetensors", "g.gguf", "o.onnx"):
            with self.subTest(file):
                shown = self.lists(file, r"a\\x1b\]0;owned\\x07\\x1b\[2J\\nb\\u\{202e\}c\\u\{9b\}\\x7f +f32")
                self.assertEqual(len([line for line in shown.splitlines() if "owned" in line and " f32 " in line]), 1)

    def test_bytes_that_are_no_text(self):
        header = seeds.number(1, 1) + seeds.number(2, 1) + seeds.message(8, b"\xff\xc0\xaf\xed\xa0\x80") + seeds.message(9, bytes(4))
        self.lists(self.write("o.onnx", seeds.onnx(header)), r"\\xff\\xc0\\xaf\\xed\\xa0\\x80 ")

    def test_errors_show_what_names_would_do(self):
        entry = seeds.entry("F32", [4], 0, 4)
        self.write("s.safetensors", seeds.safetensors({EVIL: entry}, 4))
        self.refused(["inspect", "s.safetensors"], r"'a\x1b]0;owned\x07\x1b[2J\nb\u{202e}c\u{9b}\x7f'")
        self.write("t.wts", seeds.wts1([(EVIL, (2,), 2, bytes(8))]))
        self.refused(["generate", "--model", "t.wts", *CPU], "dit: weights 't.wts'")
        self.refused(["generate", "--model", "no\x1b[2J\n.gguf", *CPU], r"'no\x1b[2J\n.gguf'")
        self.refused(["generate", "--model", TINY, *CPU, "--style", EVIL], "no style 'a ]0;owned")
        self.refused(["generate", "--model", TINY, *CPU, "-o", "no\x1b[2J/x.png"], r"'no\x1b[2J/x.png'")
        self.refused(["generate", "--\x1b[2J"], "-- [2J", status=2)
        self.refused(["capture", "--model", self.model(norm=EVIL), *CPU], r"owned\x07")

    def test_what_a_model_calls_itself_and_its_words(self):
        words = json.loads(self.metadata["config"])["words"]
        model = self.model(name=EVIL, description=EVIL, licence=EVIL, words=[EVIL, *words[1:]], aliases={EVIL: [EVIL]})
        for arguments in (["inspect", model], ["words", "--model", model], ["plan", model],
                          ["generate", "--model", model, *CPU, "--prompt", f"{words[1]} qqqqqqqq", "--steps", "1"]):
            with self.subTest(arguments[0]):
                done = self.dit(*arguments)
                self.prints_nothing_bad(done)
                self.assertIn(r"\x1b]0;owned", done.stdout + done.stderr)

    def test_a_name_of_a_megabyte_leaves_the_message_short(self):
        name = "n" * 1_000_000
        self.write("s.safetensors", seeds.safetensors({name: seeds.entry("F32", [4], 0, 4)}, 4))
        done = self.refused(["inspect", "s.safetensors"], "needs more than the 4", "1000000 bytes")
        self.assertLess(len(done.stderr), 1000)
        safetensors_io.save(self.scratch / "many.safetensors", {name: numpy.ones(1), **{str(i): numpy.ones(1) for i in range(2000)}})
        self.assertLess(len(self.lists("many.safetensors")), 2_000_000)


class Json(HostileCase):
    def test_depth_is_an_error_and_not_the_end(self):
        deep = "[" * 100_000
        self.write("header.safetensors", struct.pack("<Q", len(deep) + 1) + b"{" + deep.encode())
        self.refused(["inspect", "header.safetensors"], "header.safetensors")
        nested = deep + "]" * 100_000
        text = f'{{"t":{nested}}}'.encode()
        self.write("entry.safetensors", struct.pack("<Q", len(text)) + text)
        self.refused(["inspect", "entry.safetensors"], "nested over 64 deep")
        objects = '{"a":' * 100_000 + "1" + "}" * 100_000
        for key in ("name", "description", "dim", "words", "aliases", "schedule", "styles", "norm", "norm_eps", "other"):
            for value in (nested, objects):
                config = self.metadata["config"][:-1].replace(f'"{key}":', '"old":') + f',"{key}":{value}}}'
                with self.subTest(key=key):
                    self.refused(["inspect", self.model(text=config)], "configuration", "nested over 64 deep")
        self.write("hippo.wts", seeds.wts1(seeds.diffusor()))
        self.write("hippo.wts.json", f'{{"name":{nested}}}'.encode())
        self.refused(["generate", "--model", "hippo.wts", *CPU], "hippo.wts.json", "nested over 64 deep")
        self.write("names.json", nested.encode())
        self.refused(["match", TINY, TINY, "--names", "names.json"], "names.json", "nested over 64 deep")
        (self.scratch / "c").mkdir()
        self.write("c/manifest.json", objects.encode())
        self.refused(["match", "c", "c"], "manifest.json", "nested over 64 deep")

    def test_a_header_costs_no_more_than_its_length(self):
        self.write("dimensions.safetensors", seeds.safetensors({"t": seeds.entry("F32", [1] * 600_000, 0, 4)}, 4))
        self.refused(["inspect", "dimensions.safetensors"], "at most 32 dimensions")
        self.write("blocks.wts", seeds.wts1([(f"block_{i}.attn.to_q.weight", (1, 1), 1, bytes(4)) for i in range(60_000)]))
        self.refused(["generate", "--model", "blocks.wts", *CPU], "blocks.wts")
        labels = {str(i): numpy.zeros(1, numpy.float32) for i in range(60_000)}
        for name in ("a", "b"):
            safetensors_io.save(self.scratch / f"{name}.safetensors", labels)
        done = run([DIT, "match", "a.safetensors", "b.safetensors"], self.scratch, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.write("values.safetensors", (lambda t: struct.pack("<Q", len(t)) + t)(b'{"a":[' + b"0," * 3_000_000 + b"0]}"))
        self.refused(["inspect", "values.safetensors"], "2000000 JSON values")

    def test_a_key_twice_is_refused_with_its_name(self):
        one = json.dumps(seeds.entry("U8", [1], 0, 1))
        text = f'{{"same": {one}, "same": {one}}}'.encode()
        self.write("s.safetensors", struct.pack("<Q", len(text)) + text + b"x")
        self.refused(["inspect", "s.safetensors"], "'same' is there twice")
        self.refused(["inspect", self.model(text=self.metadata["config"][:-1] + ',"dim":48}')], "'dim' is there twice")
        self.write("g.gguf", seeds.gguf([], [seeds.text("general.alignment") + struct.pack("<II", 4, 32)] * 2, 0))
        self.refused(["inspect", "g.gguf"], "'general.alignment' is there twice")
        self.write("n.npy", seeds.npy("{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", 4))
        self.refused(["match", "n.npy", "n.npy"], "each key once")
        self.write("o.onnx", seeds.onnx(*[seeds.number(2, 1) + seeds.message(8, b"same") + seeds.message(9, bytes(4))] * 2))
        self.refused(["inspect", "o.onnx"], "'same' is there twice")


class Numbers(HostileCase):
    def test_numbers_of_a_configuration(self):
        linear = {"type": "vp-linear", "timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02}
        cosine = {"type": "vp-cosine", "timesteps": 1000, "offset": 0.008}
        for change in ({"norm_eps": -1}, {"norm_eps": 2}, {"norm_eps": True}, {"norm_eps": "1e-5"}, {"qk_norm_eps": -1e9},
                       {"qk_norm_eps": None}, {"dim": 24.9}, {"dim": True}, {"dim": 2**32 + 24}, {"dim": 2**64}, {"heads": -1},
                       {"default_steps": 4294967304}, {"default_steps": 8.5}, {"default_steps": 0}, {"default_steps": 1001},
                       {"default_guidance": 101}, {"time_scale": 1e300}, {"patch": "4"}, {"window": 4.5},
                       {"schedule": dict(linear, beta_start=-5)}, {"schedule": dict(linear, beta_start=2)},
                       {"schedule": dict(linear, beta_end=1e300)}, {"schedule": dict(linear, beta_end=0)},
                       {"schedule": dict(cosine, offset=-1)}, {"schedule": dict(cosine, offset=1e9)},
                       {"schedule": dict(cosine, timesteps=1.5)}, {"schedule": dict(cosine, timesteps=2**32 + 1)}):
            key, value = next(iter(change.items()))
            named = next((k for k in ("beta_start", "beta_end", "offset", "timesteps")
                          if key == "schedule" and value.get(k) not in (1e-4, 0.02, 0.008, 1000, None)), key)
            with self.subTest(change):
                self.refused(["generate", "--model", self.model(**change), *CPU], f"'{named}'")
                self.assertEqual([f for f in self.files() if f.endswith(".png")], [])
        self.refused(["generate", "--model", self.model(text=self.metadata["config"][:-1] + ',"x":1e999}'), *CPU], "1e999")
        self.generate("--steps", "1", model=self.model(dim=24.0))

    def test_places_and_shapes_in_headers(self):
        for shape, offsets in (([1.9], [0, 4]), ([True], [0, 4]), (["1"], [0, 4]), ([-1], [0, 4]), ([1], [0, 4.5]),
                               ([1], [False, 4]), ([1], [0, 4, 4]), ([1], [-4, 0]), ([2**32], [0, 4]), ([1], [0, 2**64])):
            entry = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
            with self.subTest(entry):
                self.write("s.safetensors", seeds.safetensors({"t": entry}, 4))
                self.refused(["inspect", "s.safetensors"], "'t'")

    def test_numbers_on_the_command_line(self):
        for option, values in (("--steps", ("1.5", "0x10", "010", "1e2", " 4", "+4", "4294967297", "-1")),
                               ("--threads", ("-1", "2x", "99999999999999999999")), ("--count", ("010", "-1", "1000001")),
                               ("--batch-size", ("-1", "0", "010", "1025")), ("--seed", ("0x1", "010", "00", "1e3", "18446744073709551616")),
                               ("--guidance", ("0x1p3", "1,5", "2x", "1e")),
                               ("--sheet-scale", ("-1", "010", "17", "1.5")), ("--sheet-columns", ("-1", "0"))):
            for value in values:
                with self.subTest(option=option, value=value):
                    self.refused(["generate", "--model", TINY, *CPU, f"{option}={value}"], "expected a", status=2)
        for value in ("nan", "inf", "-1", "101"):
            self.refused(["generate", "--model", TINY, *CPU, f"--guidance={value}"], "guidance: expected 0 to 100")
        for value in ("nan", "inf", "-1", "1e31", "x"):
            self.refused(["match", TINY, TINY, f"--atol={value}"], "expected a number", status=2)
        self.refused(["bench", TINY, "--vulkan=-1"], "expected a whole number", status=2)
        self.dit("match", TINY, TINY, "--atol=1e-3")

    def test_a_picture_that_is_not_finite_is_an_error(self):
        for name, value in (("word_embed.weight", numpy.nan), ("style_embed.weight", 3e38), ("time_mlp.0.bias", numpy.inf)):
            tensors = {k: v.copy() for k, v in self.tensors.items()}
            tensors[name][...] = value
            safetensors_io.save(self.scratch / "bad.safetensors", tensors, self.metadata)
            with self.subTest(name):
                self.refused(["generate", "--model", "bad.safetensors", *CPU, "--prompt", "fox", "-o", "x.png", "-q"], "bad.safetensors")
                self.assertNotIn("x.png", self.files())
                if "vulkan:" in self.dit("devices").stdout:
                    self.refused(["generate", "--model", "bad.safetensors", "--device", "vulkan", "--prompt", "fox", "-o", "x.png", "-q"],
                                 "bad.safetensors")
                    self.assertNotIn("x.png", self.files())


class Lists(HostileCase):
    def test_every_type_is_listed_and_refused_on_use(self):
        self.write("s.safetensors", seeds.safetensors({
            "a": seeds.entry("F8_E4M3", [3], 0, 3), "b": seeds.entry("C64", [1], 3, 11), "c": seeds.entry("F4", [2], 11, 12),
            "d": seeds.entry("LATER", [7], 12, 15), "e": seeds.entry("U8", [1], 15, 16)}, 16))
        self.lists("s.safetensors", r"5 tensors", r"a +F8_E4M3 +\[3\] +3 ", r"b +C64 +\[1\] +8 ", r"c +F4 +\[2\] +1 ",
                   r"d +LATER +\[7\] +3 ", r"e +u8 +\[1\] +1\n")
        self.write("g.gguf", seeds.gguf([("k", [256], 12, 0), ("six", [256], 14, 160), ("f", [1], 0, 384)], data=416))
        self.lists("g.gguf", r"k +Q4_K +\[256\] +144 ", r"six +Q6_K +\[256\] +210 ", r"f +f32 +\[1\] +4\n")
        for file, name in (("s.safetensors", "'a'"), ("g.gguf", "'k'")):
            self.refused(["convert", file, "x.safetensors"], name, "none of ours")
            self.refused(["match", file, file], "none of ours")
        # A model with one such tensor is listed too, and the error says which.
        header = json.loads(TINY.read_bytes()[8:8 + int.from_bytes(TINY.read_bytes()[:8], "little")])
        data = TINY.read_bytes()[8 + int.from_bytes(TINY.read_bytes()[:8], "little"):]
        entry = header["word_proj.weight"]
        entry["dtype"], entry["shape"] = "F8_E5M2", [entry["data_offsets"][1] - entry["data_offsets"][0]]
        text = json.dumps(header).encode()
        self.write("m.safetensors", struct.pack("<Q", len(text)) + text + data)
        done = self.dit("inspect", "m.safetensors", status=1)
        self.assertRegex(done.stdout, r"word_proj\.weight +F8_E5M2")
        self.fails(done, "'word_proj.weight'", "F8_E5M2 is none of ours")

    def test_onnx_values_that_are_not_there_are_no_success(self):
        f32 = seeds.number(1, 2) + seeds.number(2, 1) + seeds.message(8, b"t")
        good = seeds.number(1, 1) + seeds.number(2, 1) + seeds.message(8, b"good") + seeds.message(9, bytes(4))
        for name, tensor, problem in (
                ("external", f32 + seeds.message(13, b"file") + seeds.number(14, 1), "another file"),
                ("f8", seeds.number(1, 4) + seeds.number(2, 17) + seeds.message(8, b"t") + seeds.message(9, bytes(4)), "f8e4m3fn"),
                ("int32", seeds.number(1, 1) + seeds.number(2, 6) + seeds.message(8, b"t") + seeds.message(5, b"\7"), "int32_data"),
                ("f16 in int32", seeds.number(1, 1) + seeds.number(2, 10) + seeds.message(8, b"t") + seeds.message(5, b"\7"), "int32_data"),
                ("four bytes that are no float", seeds.number(1, 1) + seeds.number(2, 6) + seeds.message(8, b"t") +
                 seeds.message(4, bytes(4)), "float_data"),
                ("pieces", f32 + seeds.message(4, bytes(4)) * 2, "2 pieces"),
                ("two fields", f32 + seeds.message(4, bytes(8)) + seeds.message(9, bytes(8)), "two fields"),
                ("nothing", f32, "0 bytes")):
            with self.subTest(name):
                self.write("o.onnx", seeds.onnx(good, tensor))
                self.lists("o.onnx", r"2 initialisers", r"\bt +\S+", r"good +f32 +\[1\] +4\n")
                self.refused(["convert", "o.onnx", "x.safetensors"], "'t'", problem)
                self.assertNotIn("x.safetensors", self.files())
        self.write("empty.onnx", seeds.onnx())
        self.refused(["convert", "empty.onnx", "x.gguf"], "found none")
        self.write("sparse.onnx", seeds.number(1, 8) + seeds.message(7, seeds.message(5, good) + seeds.message(
            15, seeds.message(1, f32 + seeds.message(9, bytes(8))) + seeds.number(3, 9))))
        self.lists("sparse.onnx", r"t +sparse f32 +\[9\]")
        self.refused(["convert", "sparse.onnx", "x.gguf"], "'t'")

    def test_holes_overlaps_and_what_is_left_over(self):
        f32 = lambda first, last: seeds.entry("F32", [(last - first) // 4], first, last)  # noqa: E731
        for name, data, words in (
                ("hole", seeds.safetensors({"a": f32(0, 4), "b": f32(8, 12)}, 12), ("'b'", "hole")),
                ("first", seeds.safetensors({"a": f32(4, 8)}, 8), ("'a'", "hole")),
                ("over", seeds.safetensors({"a": f32(0, 8), "b": f32(4, 8)}, 8), ("'b'", "over another")),
                ("alias", seeds.safetensors({"a": f32(0, 8), "b": f32(0, 8)}, 8), ("'b'", "over another")),
                ("left", seeds.safetensors({"a": f32(0, 4)}, 9), ("'a'", "5 bytes are left")),
                ("none", seeds.safetensors({}, 3), ("3 bytes are left",)),
                ("hole.gguf", seeds.gguf([("a", [1], 0, 0), ("b", [1], 0, 64)], data=96), ("'b'", "expected offset 32")),
                ("over.gguf", seeds.gguf([("a", [16], 0, 0), ("b", [1], 0, 32)]), ("'b'", "expected offset 64")),
                ("alias.gguf", seeds.gguf([("a", [1], 0, 0), ("b", [1], 0, 0)]), ("'b'", "expected offset 32")),
                ("left.gguf", seeds.gguf([("a", [1], 0, 0)], data=65), ("'a'", "33 bytes are left"))):
            with self.subTest(name):
                self.refused(["inspect", self.write(name, data)], *words)


class Kinds(HostileCase):
    def test_pipes_folders_and_devices_are_not_waited_for(self):
        os.mkfifo(self.scratch / "pipe.safetensors")
        os.mkfifo(self.scratch / "hippo.wts.json")
        (self.scratch / "c").mkdir()
        os.mkfifo(self.scratch / "c/manifest.json")
        self.write("hippo.wts", seeds.wts1(seeds.diffusor()))
        for arguments in (["inspect", "pipe.safetensors"], ["generate", "--model", "pipe.safetensors", *CPU],
                          ["convert", "pipe.safetensors", "x.gguf"], ["match", TINY, "pipe.safetensors"],
                          ["words", "--model", "pipe.safetensors"], ["capture", "--model", TINY, *CPU, "--inputs", "pipe.safetensors"],
                          ["generate", "--model", "hippo.wts", *CPU], ["match", "c", "c"],
                          ["match", TINY, TINY, "--names", "pipe.safetensors"]):
            with self.subTest(arguments):
                self.refused(arguments, "expected a regular file, found a pipe")
        self.refused(["inspect", "/dev/zero"], "found a device")
        self.refused(["inspect", "c"], "found a folder")

    def test_a_file_with_holes_takes_no_memory(self):
        """A terabyte without a block on disk, behind a header that says so."""
        size = 1 << 40
        text = json.dumps({"t": {"dtype": "U8", "shape": [1024, 1 << 30], "data_offsets": [0, size]}}).encode()
        with open(self.scratch / "holes.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            try:
                file.truncate(8 + len(text) + size)
            except OSError as error:
                self.skipTest(f"no such large file here: {error}")
        self.lists("holes.safetensors", r"t +u8 +\[1024,1073741824\] +1099511627776")


if __name__ == "__main__":
    unittest.main(verbosity=2)
