# SPDX-License-Identifier: MIT
"""build/dit capture, match, convert and inspect: tensors in files."""
import json
import math
import re
import shutil
import subprocess
import sys
import unittest

import numpy
from PIL import Image

from support.cli_case import CPU, CliCase
from support.places import DIT, ICONS, SOURCE, TINY, run

sys.path.insert(0, str(SOURCE / "training"))
from icons.network import safetensors_io  # noqa: E402

EXPORT_ONNX = """
import torch
net = torch.nn.Sequential(torch.nn.Linear(7, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3, bias=False).half().float())
torch.onnx.export(net, torch.zeros(1, 7), "net.onnx")
import numpy; numpy.savez("net.npz", **{k: v.numpy() for k, v in net.state_dict().items()})
"""


TINY_DETAIL = SOURCE / "tests/golden/tiny-detail.safetensors"
# labels of its goldens that other networks have not
PARTS = ("context", "blocks.1.attn.context", "final.linear", *(f"detail.convs.{i}" for i in range(3)), "final")

# f16: those of icons are in int8 already
SMALL = SOURCE / "models/icons-small.safetensors"


class CliFiles(CliCase):
    # captures

    def capture(self, folder, *arguments, model=TINY, device="cpu", **more):
        self.dit("capture", "--model", model, "--device", device, "-o", folder, *arguments, **more)
        manifest = json.loads((self.scratch / folder / "manifest.json").read_text())
        arrays = {entry["label"]: numpy.load(self.scratch / folder / entry["file"]) for entry in manifest["checkpoints"]}
        return manifest, arrays

    def test_capture_is_every_op_of_the_step(self):
        manifest, arrays = self.capture("c", "--prompt", "fox", "--seed", "7", "--step", "8")
        block = ["attn.qkv", "attn.attention", "attn.out", "mlp.fc1", "mlp.fc2"]
        self.assertEqual(list(arrays), ["condition", "blocks.0.modulation", "blocks.1.modulation", "final.modulation",
                                        "noise", "patch_embed", *(f"blocks.{i}.{op}" for i in range(2) for op in block),
                                        "final", "combine", "to_rgba"])
        self.assertEqual(len(list((self.scratch / "c").iterdir())), len(arrays) + 1)
        for entry in manifest["checkpoints"]:
            array = arrays[entry["label"]]
            self.assertEqual((array.dtype, list(array.shape)), (numpy.float32, entry["shape"]), entry)
            self.assertTrue(numpy.isfinite(array).all(), entry)
            self.assertAlmostEqual(float(array.max()), entry["max"], delta=1e-6)
        self.assertEqual(arrays["blocks.1.attn.qkv"].shape, (2, 6, 72), "guided rows, tokens, 3 dim")
        self.assertEqual(manifest["icon"]["steps"], 8)
        self.assertEqual(manifest["icon"]["guidance"], 2.5)
        # What the last step captured is what is painted.
        self.generate("--prompt", "fox", "--seed", "7")
        self.assertEqual(arrays["to_rgba"].astype(numpy.uint8).tobytes(), self.pixels("icon.png")[1])

    def test_capture_of_an_icon_that_begins_with_a_sketch(self):
        Image.new("RGBA", (8, 12), (255, 0, 0, 255)).save(self.scratch / "drawn.png")
        Image.new("L", (8, 12), 0).save(self.scratch / "mask.png")
        manifest, arrays = self.capture("folder", "--from", "drawn.png", "--mask", "mask.png", "--strength", "0.5",
                                        "--steps", "4", "--guidance", "1", "--step", "2")
        self.assertEqual([manifest["icon"][key] for key in ("step", "steps", "t")], [2, 2, 0.75])
        self.assertIn("begin", arrays)
        self.assertNotIn("noise", arrays)
        red, green = arrays["hold"][0, :2]
        self.assertTrue(numpy.allclose(red, 1, atol=1e-6) and numpy.allclose(green, -1, atol=1e-6), "all of it is kept")
        self.fails(self.dit("capture", "--model", TINY, *CPU, "--from", "drawn.png", "--strength", "0.5", "--steps", "4",
                            "--step", "3", status=1), "1 to 2")

    def test_capture_of_golden_inputs_matches_the_golden(self):
        for name, parts in (("tiny", ()), ("tiny-eps", ()), ("tiny-detail", PARTS)):
            golden = SOURCE / f"tests/golden/{name}.activations.safetensors"
            self.capture(name, "--inputs", golden, model=SOURCE / f"tests/golden/{name}.safetensors")
            text = self.dit("match", name, golden, "--atol", "1e-5", "--rtol", "1e-5").stdout
            self.assertRegex(text, r"\b\d+ checkpoints match")
            compared = [line.split()[0] for line in text.splitlines() if line]
            for label in parts:
                self.assertIn(label, compared)
            self.assertIn("blocks.0.attn.qkv", text)
            self.assertIn("only in B, not compared: in.t", text)

    def test_match_stops_at_the_first_difference(self):
        _, arrays = self.capture("a", "--prompt", "fox", "--steps", "4")
        self.capture("b", "--prompt", "fox", "--steps", "4", "--threads", "1")
        self.assertIn(f"{len(arrays)} checkpoints match", self.dit("match", "a", "b", "--atol", "0", "--rtol", "0").stdout)
        wrong = arrays["blocks.0.mlp.fc1"].copy()
        wrong.flat[30] += 0.25
        numpy.save(self.scratch / "b/blocks.0.mlp.fc1.npy", wrong)
        later = arrays["final"].copy()
        later.flat[3] = math.nan
        numpy.save(self.scratch / "b/final.npy", later)
        done = self.dit("match", "a", "b", status=1)
        self.fails(done, "first at 'blocks.0.mlp.fc1'")
        self.assertRegex(done.stdout, r"blocks\.0\.mlp\.fc1 .* 0\.25 .*FAILED")
        self.assertIn("1 of 480 values out of", done.stdout)
        self.assertIn("first at element 30, worst at element 30", done.stdout)
        self.assertEqual(len(re.findall(r"(?m)^ +\d+ +\S+ +\S+ +\S+", done.stdout)), 40)
        self.assertNotIn("blocks.0.mlp.fc2", done.stdout)
        self.fails(self.dit("match", "a", "b", "--names", "n.json", status=1), "n.json")
        done = self.dit("match", "a", "b", "--atol", "0.3", status=1)
        self.fails(done, "first at 'final'")
        done = self.dit("match", "a", "b", "--all", status=1)
        self.fails(done, "2 of ", "first 'blocks.0.mlp.fc1'")
        self.assertIn("to_rgba", done.stdout)
        # NaN matches nothing, not even NaN.
        numpy.save(self.scratch / "a/final.npy", later)
        self.fails(self.dit("match", "a", "b", "--atol", "1e9", status=1), "'final'")

    def test_infinity_matches_nothing(self):
        finite = numpy.linspace(-1, 1, 6)
        for place in range(2):
            for value in (math.inf, -math.inf, math.nan):
                sides = [finite.copy(), finite.copy()]
                sides[place][2] = value
                for more in ([], ["--absolute"], ["--rtol", "1"], ["--atol", "1e30", "--rtol", "1e30"]):
                    with self.subTest(place=place, value=value, more=more):
                        for name, side in zip("ab", sides):
                            (self.scratch / name).mkdir(exist_ok=True)
                            numpy.save(self.scratch / name / "x.npy", side)
                        done = self.dit("match", "a/x.npy", "b/x.npy", *more, status=1)
                        self.fails(done, "differ first at 'x'")
                        self.assertIn("1 of 6 values out of", done.stdout)
        numpy.save(self.scratch / "a/x.npy", sides[1])
        self.fails(self.dit("match", "a/x.npy", "b/x.npy", status=1), "differ")

    def test_match_of_files(self):
        for name, array in (("a", numpy.arange(6.0).reshape(2, 3)), ("b", numpy.arange(6, dtype="<i4").reshape(2, 3)),
                            ("c", numpy.arange(7.0))):
            numpy.save(self.scratch / f"{name}.npy", array)
        (self.scratch / "names.json").write_text('{"a": "b"}')
        self.fails(self.dit("match", "a.npy", "b.npy", status=1), "no checkpoint in common")
        self.dit("match", "a.npy", "b.npy", "--names", "names.json")
        (self.scratch / "names.json").write_text('{"a": "c"}')
        self.fails(self.dit("match", "a.npy", "c.npy", "--names", "names.json", status=1), "[2,3]", "[7]")
        self.assertIn("match", self.dit("match", TINY, TINY, "--atol", "0").stdout)
        for bad in ("nothing", ".", "cut.npy", "fortran.npy", "complex.npy"):
            numpy.save(self.scratch / "fortran.npy", numpy.asfortranarray(numpy.ones((2, 3))))
            numpy.save(self.scratch / "complex.npy", numpy.ones(2, complex))
            (self.scratch / "cut.npy").write_bytes((self.scratch / "a.npy").read_bytes()[:-1])
            with self.subTest(bad):
                self.fails(self.dit("match", "a.npy", bad, status=1), bad)

    def test_vulkan_capture_matches_the_cpu(self):
        if "vulkan:" not in self.dit("devices").stdout:
            self.skipTest("no Vulkan device")
        self.capture("cpu", "--prompt", "fox", "--step", "2")
        self.capture("vulkan", "--prompt", "fox", "--step", "2", device="vulkan")
        self.dit("match", "vulkan", "cpu")

    def test_capture_of_two_ways_to_compute(self):
        """Another precision, fusion or storage of the weights: `dit match` says how far it is."""
        manifest, _ = self.capture("f32", "--prompt", "fox", "--precision", "f32", model=ICONS)
        self.assertEqual(manifest["device"]["precision"], "f32")
        self.convert(ICONS, "int4.safetensors", "--dtype", "int4")
        for folder, more in (("packed", []), ("expanded", ["--expand-weights"])):
            self.capture(folder, "--prompt", "fox", *more, model="int4.safetensors")
        self.dit("match", "packed", "expanded", "--atol", "0", "--rtol", "0")
        self.fails(self.dit("match", "packed", "f32", status=1), "first at")
        for precision, instructions, first in (("int8", "AVX-512 VNNI", "blocks.0.attn.qkv"), ("bf16", "AVX512_BF16", "patch_embed"),
                                               ("int16", "AVX-512 VNNI", "patch_embed")):
            done = run([DIT, "capture", "--model", ICONS, *CPU, "--prompt", "fox", "--precision", precision, "-o", precision],
                       self.scratch)
            if done.returncode == 0:
                manifest = json.loads((self.scratch / precision / "manifest.json").read_text())
                self.assertEqual(manifest["device"]["precision"], precision)
                self.fails(self.dit("match", precision, "f32", "--atol", "1e-6", "--rtol", "1e-6", status=1), f"first at '{first}'")
            else:
                self.fails(done, f"precision '{precision}'", instructions)
            if done.returncode == 0 and precision == "int16":
                self.dit("match", precision, "f32", "--precision", "f16")

    def test_vulkan_capture_of_two_ways_to_compute(self):
        if "vulkan:" not in self.dit("devices").stdout:
            self.skipTest("no Vulkan device")
        for folder, more in (("op", []), ("none", ["--fusion", "none"]), ("half", ["--precision", "f16", "--fusion", "op"])):
            # Cold, without fusion, on a busy machine, llvmpipe of Mesa 25 takes 100 s, that of Mesa 22 eight.
            manifest, _ = self.capture(folder, "--prompt", "fox", "--step", "2", *more, device="vulkan", timeout=400)
            self.assertEqual((manifest["device"]["precision"], manifest["device"]["fusion"]),
                             ("f16" if folder == "half" else "f32", "none" if folder == "none" else "op"))
        self.fails(self.dit("capture", "--model", TINY, "--device", "vulkan", "-o", "never", "--prompt", "fox", "--precision",
                            "f16", "--fusion", "none", status=1), "'f16'", "'none'", "nearest: fusion 'op'")
        self.dit("match", "none", "op")
        self.fails(self.dit("match", "half", "op", status=1), "first at")
        self.dit("match", "half", "op", "--precision", "f16")

    def test_captures_that_cannot_be_made(self):
        for arguments, words in ((["--step", "9"], ["step", "1 to 8", "9"]), (["--inputs", "nothing"], ["nothing"]),
                                 (["--inputs", TINY], ["in.x"]), (["--style", "rund"], ["rund"]),
                                 (["--precision", "f8"], ["precision", "f16-matrix", "f8"]),
                                 (["--fusion", "all"], ["fusion", "block", "all"]),
                                 (["--precision", "f16"], ["precision", "int8", "f16"]),
                                 (["--inputs", SOURCE / "tests/golden/tiny-eps.activations.safetensors"], ["in.x", "[2,3,8,8]"])):
            with self.subTest(arguments):
                self.fails(self.dit("capture", "--model", TINY, *CPU, *arguments, status=1), *words)
        (self.scratch / "file").touch()
        self.fails(self.dit("capture", "--model", TINY, *CPU, "-o", "file/c", status=1), "file/c")

    # conversions

    def convert(self, source, target, *arguments, **more):
        return self.dit("convert", source, target, *arguments, **more).stdout

    def test_round_trips_are_bit_exact(self):
        """safetensors -> GGUF -> safetensors -> GGUF, plain and quantised."""
        self.convert(TINY, "a.gguf")
        self.convert("a.gguf", "b.safetensors")
        self.convert("b.safetensors", "b.gguf")
        self.assertEqual((self.scratch / "a.gguf").read_bytes(), (self.scratch / "b.gguf").read_bytes())
        first, first_metadata = safetensors_io.load(TINY)
        second, second_metadata = safetensors_io.load(self.scratch / "b.safetensors")
        self.assertEqual(json.loads(first_metadata["config"]), json.loads(second_metadata["config"]))
        self.assertEqual(first.keys(), second.keys())
        for name in first:
            self.assertEqual((first[name].dtype, first[name].shape, first[name].tobytes()),
                             (second[name].dtype, second[name].shape, second[name].tobytes()), name)
        for dtype in ("q8_0", "q4_0"):
            self.convert(ICONS, "q.gguf", "--dtype", dtype)
            self.convert("q.gguf", "q.safetensors")
            self.convert("q.safetensors", "r.gguf")
            self.assertEqual((self.scratch / "q.gguf").read_bytes(), (self.scratch / "r.gguf").read_bytes(), dtype)
            self.assertRegex(self.dit("inspect", "r.gguf").stdout, rf"blocks\.0\.attn\.qkv\.weight +{dtype} +\[1536,512\]")

    def test_round_trip_of_a_favicon_diffusor(self):
        """WTS1 -> safetensors -> GGUF -> WTS1 -> safetensors, and the same icon from each."""
        for corpus in ("model", "transposed"):
            shutil.copy(SOURCE / f"tests/fuzz/corpus/wts1/{corpus}.bin", self.scratch / "hippo.wts")
            self.convert("hippo.wts", "a.safetensors")
            self.convert("a.safetensors", "b.gguf")
            self.convert("b.gguf", "c.wts")
            self.convert("c.wts", "d.safetensors")
            self.assertEqual((self.scratch / "a.safetensors").read_bytes(), (self.scratch / "d.safetensors").read_bytes())
            pictures = []
            for name in ("hippo.wts", "a.safetensors", "b.gguf", "c.wts"):
                self.generate("--steps", "2", "-o", "x.png", model=name)
                pictures.append(self.pixels("x.png"))
            self.assertEqual(pictures, pictures[:1] * 4, corpus)
        self.fails(self.dit("convert", TINY, "x.wts", status=1), "no key for")
        self.fails(self.dit("convert", "a.safetensors", "x.wts", "--dtype", "f16", status=1), "f32 only", "x.wts")

    def test_converted_models_paint_the_same_icon(self):
        self.convert(TINY, "tiny.gguf")
        self.generate("--prompt", "fox", "-o", "a.png")
        self.generate("--prompt", "fox", "-o", "b.png", model="tiny.gguf")
        self.assertEqual(self.pixels("a.png"), self.pixels("b.png"))

    def test_prompt_keys_and_the_head_go_through_every_format(self):
        self.generate("--prompt", "red fox", "-o", "a.png", model=TINY_DETAIL)
        for file, *more in (("b.gguf",), ("c.safetensors", "--dtype", "f32"), ("d.gguf", "--dtype", "f16")):
            self.convert(TINY_DETAIL, file, *more)
            self.generate("--prompt", "red fox", "-o", "b.png", model=file)
            same = self.pixels("a.png") == self.pixels("b.png")
            self.assertEqual(same, "f16" not in more, file)
        text = self.dit("inspect", "b.gguf").stdout
        for line in (r"context +3 words and the style beside the 6 tokens",
                     r"detail +5 channels a pixel, 4 convolutions 3x3 of 7",
                     r"detail\.convs\.3\.weight +f32 +\[4,7,3,3\]"):
            self.assertRegex(text, line)
        self.fails(self.dit("convert", TINY_DETAIL, "x.wts", status=1), "WTS1", "attn.context")

    def test_quantising_leaves_what_is_outside_the_blocks(self):
        weights, metadata = safetensors_io.load(TINY_DETAIL)
        config = json.loads(metadata["config"]) | {"cond_dim": 32}
        for name in weights:  # rows of the condition as long as a group
            if weights[name].shape[-1:] == (20,):
                weights[name] = numpy.resize(weights[name], (*weights[name].shape[:-1], 32))
            if weights[name].shape[:1] == (20,):
                weights[name] = numpy.resize(weights[name], (32, *weights[name].shape[1:]))
        safetensors_io.save(self.scratch / "wide.safetensors", weights, metadata | {"config": json.dumps(config)})
        self.convert("wide.safetensors", "int8.safetensors", "--dtype", "int8")
        after, _ = safetensors_io.load(self.scratch / "int8.safetensors")
        self.assertEqual(after["blocks.0.attn.context.weight"].dtype, numpy.int8)
        for name in ("context.word.weight", "context.style.weight", "context.position", "detail.convs.1.weight"):
            self.assertEqual(after[name].dtype, numpy.float32, name)
        self.generate("--prompt", "red fox", "-o", "q.png", model="int8.safetensors")

    def test_half_precision_keeps_eleven_bits(self):
        text = self.convert(TINY, "half.safetensors", "--dtype", "f16")
        self.assertRegex(text, r"f16 +\d+ +\d+ +\d+ +\d\.\d\de-04 in ")
        before, _ = safetensors_io.load(TINY)
        after, _ = safetensors_io.load(self.scratch / "half.safetensors")
        for name in before:
            self.assertEqual(after[name].tobytes(), before[name].astype(numpy.float16).tobytes(), name)
        self.convert("half.safetensors", "wide.gguf", "--dtype", "f32")
        self.assertIn("f32", self.dit("inspect", "wide.gguf").stdout)

    def test_brain_floats_keep_eight_bits(self):
        self.convert(TINY, "brain.gguf", "--dtype", "bf16")
        self.convert("brain.gguf", "back.safetensors", "--dtype", "f32")
        before, _ = safetensors_io.load(TINY)
        after, _ = safetensors_io.load(self.scratch / "back.safetensors")
        for name in before:
            bits = before[name].astype(numpy.float32).view(numpy.uint32).astype(numpy.uint64)
            rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16  # to nearest, ties to even
            self.assertTrue((after[name].view(numpy.uint32) == rounded).all(), name)
        self.assertIn("bf16", self.dit("inspect", "brain.gguf").stdout)

    def test_quantised_values_are_what_their_definition_says(self):
        """The safetensors storage, read by NumPy, against a quantiser written down here."""
        self.convert(SMALL, "int4.safetensors", "--dtype", "int4")
        before, _ = safetensors_io.load(SMALL)
        after, metadata = safetensors_io.load(self.scratch / "int4.safetensors")
        self.assertEqual(metadata["quantised"], "g32")
        name = "blocks.3.mlp.fc2.weight"
        groups = before[name].astype(numpy.float32).reshape(len(before[name]), -1, 32)
        scales = (numpy.abs(groups).max(axis=2) / numpy.float32(7)).astype(numpy.float16)
        self.assertTrue((after[name + ".scales"] == scales).all())
        integers = numpy.clip(numpy.rint(groups / scales.astype(numpy.float32)[:, :, None]), -7, 7).astype(numpy.int8)
        packed = integers.reshape(len(before[name]), -1, 2)
        self.assertTrue((after[name] == (packed[:, :, 0] & 15 | packed[:, :, 1] << 4).astype(numpy.uint8)).all())
        self.assertEqual(after["word_embed.weight"].dtype, numpy.float16, "embeddings stay")
        self.assertEqual(after["final.linear.weight"].dtype, numpy.float16)

    def test_quantised_models_paint_nearly_the_same_icon(self):
        self.generate("--prompt", "rocket", "-o", "full.png", model=SMALL)
        _, full = self.pixels("full.png")
        for dtype, ending, mean in (("int8", "safetensors", 1.5), ("q8_0", "gguf", 1.5), ("q4_0", "gguf", 15)):
            self.convert(SMALL, f"q.{ending}", "--dtype", dtype)
            self.generate("--prompt", "rocket", "-o", "q.png", model=f"q.{ending}")
            # Colour under little alpha is un-premultiplied by a small number, so compare what is seen.
            seen = [numpy.frombuffer(pixels, numpy.uint8).reshape(-1, 4).astype(float) for pixels in (full, self.pixels("q.png")[1])]
            for pixels in seen:
                pixels[:, :3] *= pixels[:, 3:] / 255
            difference = numpy.abs(seen[0] - seen[1]).mean()
            self.assertGreater(difference, 0, dtype)
            self.assertLess(difference, mean, dtype)

    def test_conversions_that_cannot_be_made(self):
        (self.scratch / "text.gguf").write_bytes(b"GGUF is only how this begins")
        numpy.save(self.scratch / "a.npy", numpy.ones(3))
        safetensors_io.save(self.scratch / "large.safetensors", {"w": numpy.full((2, 32), 1e6, numpy.float32)})
        for arguments, words in (([TINY, "x.bin"], ["x.bin", ".gguf"]), (["text.gguf", "x.gguf"], ["text.gguf"]),
                                 ([TINY, "x.gguf", "--dtype", "q8_0"], ["no matrix to quantise", "32"]),
                                 (["large.safetensors", "x.gguf", "--dtype", "f16"], ["'w'", "too large for f16"]),
                                 ([TINY, "no/folder/x.gguf"], ["no/folder/x.gguf"])):
            with self.subTest(arguments):
                self.fails(self.dit("convert", *arguments, status=1), *words)
        self.assertEqual([name for name in self.files() if "x." in name], [])
        self.fails(self.dit("convert", TINY, "x.gguf", "--dtype", "q3", status=2), "q3")

    # the fuzzers' seeds

    def test_the_corpus_is_what_its_script_writes(self):
        done = run([sys.executable, "-B", SOURCE / "tests/fuzz/seeds.py", "--check"], self.scratch)
        self.assertEqual(done.returncode, 0, done.stderr)

    # files of others

    def test_inspect_of_foreign_files(self):
        safetensors_io.save(self.scratch / "other.safetensors", {"a.b": numpy.ones((2, 3), numpy.int64),
                                                                 "c": numpy.ones(4, numpy.float16)}, {"who": "else"})
        text = self.dit("inspect", "other.safetensors").stdout
        for line in (r"no model of ours", r"who: else", r"a\.b +i64 +\[2,3\] +48", r"c +f16 +\[4\] +8"):
            self.assertRegex(text, line)
        self.convert("other.safetensors", "other.gguf")
        self.assertRegex(self.dit("inspect", "other.gguf").stdout, r"a\.b +i64 +\[2,3\] +48")

    def test_inspect_of_onnx_that_pytorch_wrote(self):
        done = subprocess.run([sys.executable, "-c", EXPORT_ONNX], cwd=self.scratch, capture_output=True, text=True)
        if "No module named 'torch'" in done.stderr:
            self.skipTest("python3-torch is not installed")
        self.assertEqual(done.returncode, 0, done.stderr)
        text = self.dit("inspect", "net.onnx").stdout
        for line in (r"3 initialisers hold 55 numbers", r"0\.weight +f32 +\[5,7\] +140", r"0\.bias +f32 +\[5\] +20"):
            self.assertRegex(text, line)
        self.convert("net.onnx", "net.safetensors")
        ours, _ = safetensors_io.load(self.scratch / "net.safetensors")
        theirs = numpy.load(self.scratch / "net.npz")
        self.assertEqual(ours["0.weight"].tobytes(), theirs["0.weight"].tobytes())
        (self.scratch / "cut.onnx").write_bytes((self.scratch / "net.onnx").read_bytes()[:-40])
        self.fails(self.dit("inspect", "cut.onnx", status=1), "cut.onnx")


if __name__ == "__main__":
    unittest.main(verbosity=2)
