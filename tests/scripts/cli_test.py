# SPDX-License-Identifier: MIT
"""build/dit: output, errors, exit codes, files."""
import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import time
import unittest

from PIL import Image

from support.cli_case import CPU, CliCase
from support.places import BUILD, DIT, ICONS, SOURCE, TINY, environment, run


class Cli(CliCase):
    # help, usage

    def test_help_of_every_command_has_examples(self):
        self.assertIn("generate", self.dit("--help").stdout)
        for command in ("devices", "inspect", "words", "styles", "generate", "convert", "capture", "match", "plan", "tune"):
            text = self.dit(command, "--help").stdout
            self.assertIn("Examples:\n  dit " + command, text)

    def test_version(self):
        self.assertRegex(self.dit("--version").stdout, r"^dit \d+\.\d+\.\d+\n$")

    def test_usage_errors_are_2(self):
        for arguments in ([], ["paint"], ["generate", "--nonsense"], ["generate", "--seed", "blue"],
                          ["generate", "--count", "0"], ["generate", "--steps", "1001"], ["generate", "--seed", "-1"],
                          ["generate", "--seed", str(2**64)], ["generate", "--index", "-1"], ["generate", "--count", "-1"],
                          ["generate", "--name", "a", "--seed", "1"], ["words", "a", "b"], ["generate", "stray"]):
            with self.subTest(arguments):
                self.fails(self.dit(*arguments, status=2))

    # the compiler of the Vulkan path

    def test_plan_prints_what_the_engine_s_readme_shows(self):
        shown = (SOURCE / "engine/README.md").read_text(encoding="utf-8").split("```")[1]
        plans = [part.splitlines() for part in shown.split("$ build/dit ")[1:]]
        self.assertEqual(len(plans), 2)
        for command, *lines in plans:
            output = self.dit(*command.split()).stdout
            for line in filter(None, lines):
                self.assertIn("\n" + line, output, command)

    def test_plan_names_what_it_does_not_know(self):
        for arguments, parts in ((["--fusion", "single"], ["'f32'", "'single'", "'block'"]),
                                 (["--precision", "f16", "--fusion", "none"], ["'f16'", "'none'", "'op'"]),
                                 (["--precision", "int8"], ["int8", "f16-matrix"]),
                                 (["--precision", "int16"], ["'int16'", "f16-matrix"]),
                                 (["--device", "nosuch"], ["'nosuch'", "vulkan:<index>"])):
            self.fails(self.dit("plan", *arguments, status=1), *parts)

    # what can be asked for

    def test_styles(self):
        self.assertEqual(self.dit("styles", "--model", TINY).stdout, "round\nflat\nline\n")

    def test_words(self):
        everything = self.dit("words", "--model", TINY).stdout.splitlines()
        self.assertEqual(everything, sorted(["red", "green", "blue", "fox", "car", "c:red", "tree", "crimson -> red c:red"]))
        self.assertEqual(self.dit("words", "--model", TINY, "RE").stdout.splitlines(), ["c:red", "green", "red", "tree"])
        self.fails(self.dit("words", "--model", TINY, "foxx", status=1), "foxx", "tiny", "fox")

    def test_inspect(self):
        text = self.dit("inspect", TINY).stdout
        for line in ("tiny", "8x12, 4 channels, premultiplied alpha", "6 of 4x4 pixels", "24 in 3 heads of 8, MLP 40",
                     "8 steps, euler, guidance 2.5", "unguided", "word_embed", "[8,"):
            self.assertIn(line, text)

    def test_inspect_counts_the_shipped_model(self):
        with open(ICONS, "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        config = json.loads(header.pop("__metadata__")["config"])
        numbers = sum(math.prod(tensor["shape"]) for name, tensor in header.items() if not name.endswith(".scales"))
        text = self.dit("inspect", ICONS).stdout
        self.assertRegex(text, rf"parameters +{numbers} ")
        steps = {line.split()[0]: [float(v) for v in line.split()[1:]] for line in text.splitlines()
                 if line.strip().startswith(("guided", "unguided"))}
        # By hand: every token through the blocks' qkv, attention over the picture's keys and the prompt's, output and MLP; patch
        # embedding; the last layer to the head's channels, and the head's convolutions of nine taps a pixel.
        dim, pixels = config["dim"], config["height"] * config["width"]
        tokens, area = pixels // config["patch"] ** 2, config["patch"] ** 2
        block = 2 * tokens * dim * (3 * dim + dim + 2 * config["mlp_dim"]) + 4 * tokens * (tokens + config["context"] + 1) * dim
        ends = 2 * tokens * dim * area * (config["channels"] + config["detail"]["channels"])
        hidden = config["detail"]["hidden"]
        widths = [config["detail"]["channels"] + config["channels"]] + [hidden] * (config["detail"]["layers"] - 1) + [config["channels"]]
        head = 2 * pixels * 9 * sum(a * b for a, b in zip(widths, widths[1:]))
        by_hand = (config["depth"] * block + ends + head) / 1e9
        self.assertAlmostEqual(steps["unguided"][0], by_hand, delta=0.001)
        self.assertAlmostEqual(steps["guided"][0], 2 * by_hand, delta=0.002)

    def test_devices(self):
        text = self.dit("devices").stdout
        self.assertRegex(text, r"(?m)^cpu ")
        self.assertRegex(text, r"(?m)^auto takes (cpu|vulkan:\d+): ")

    def test_devices_without_a_vulkan_driver(self):
        text = self.dit("devices", VK_ICD_FILENAMES="/nonexistent", VK_DRIVER_FILES="/nonexistent").stdout
        self.assertRegex(text, r"(?m)^cpu ")
        self.assertIn("auto takes cpu", text)

    # pictures

    def test_shipped_model_paints_a_64x64_rgba_icon(self):
        done = self.generate("--prompt", "green heart", "--style", "fluent-emoji", "--seed", "1", "--steps", "8", model=ICONS)
        self.assertRegex(done.stdout, r"1 icon of 8 steps, \d+\.\d ms each")
        size, pixels = self.pixels("icon.png")
        self.assertEqual(size, (64, 64))
        corners = [pixels[4 * (y * 64 + x) + 3] for y in (0, 63) for x in (0, 63)]
        self.assertEqual(corners, [0, 0, 0, 0], "alpha of the corners")
        opaque = [pixels[i:i + 3] for i in range(0, len(pixels), 4) if pixels[i + 3] > 200]
        self.assertGreater(len(opaque), 500)
        mean = [sum(p[c] for p in opaque) / len(opaque) for c in range(3)]
        self.assertGreater(mean[1], mean[0] + 30, f"mean colour {mean} should be green")
        self.assertGreater(mean[1], mean[2] + 30, f"mean colour {mean} should be green")

    def test_same_settings_same_file(self):
        for name in ("a.png", "b.png"):
            self.generate("--prompt", "fox", "--seed", "7", "-o", name)
        self.generate("--prompt", "fox", "--seed", str(2**64 - 1), "-o", "last.png")
        self.generate("--prompt", "fox", "--seed", "8", "-o", "c.png")
        self.generate("--prompt", "fox", "--seed", "7", "--index", "1", "-o", "d.png")
        self.generate("--prompt", "fox", "--seed", "7", "--threads", "1", "-o", "e.png")
        first = (self.scratch / "a.png").read_bytes()
        self.assertEqual(first, (self.scratch / "b.png").read_bytes())
        self.assertEqual(first, (self.scratch / "e.png").read_bytes())
        self.assertNotEqual(first, (self.scratch / "c.png").read_bytes())
        self.assertNotEqual(first, (self.scratch / "d.png").read_bytes())
        self.assertEqual(self.pixels("a.png")[0], (8, 12))

    def test_a_batch_never_changes_a_picture(self):
        self.generate("--prompt", "fox", "--count", "5", "-o", "one-%d.png")
        self.generate("--prompt", "fox", "--count", "5", "--batch-size", "3", "-o", "many-%d.png")
        for i in range(5):
            self.assertEqual(self.pixels(f"one-{i}.png"), self.pixels(f"many-{i}.png"), i)
        self.assertEqual(len({self.pixels(f"one-{i}.png") for i in range(5)}), 5)

    def test_a_name_owns_a_seed(self):
        for name, file in (("ada", "a.png"), ("ada", "b.png"), ("bob", "c.png")):
            self.generate("--prompt", "car", "--name", name, "-o", file)
        self.assertEqual(self.pixels("a.png"), self.pixels("b.png"))
        self.assertNotEqual(self.pixels("a.png"), self.pixels("c.png"))

    def test_every_sampler_paints(self):
        text = self.dit("generate", "--help").stdout
        samplers = text.split("Solver:")[1].split("Default")[0].replace("\n", " ").strip(" .").split(",")
        self.assertGreaterEqual(len(samplers), 5)
        for sampler in samplers:
            self.generate("--prompt", "tree", "--sampler", sampler.strip(), "-o", "s.png")

    def test_numbering(self):
        self.generate("--count", "2", "-o", "plain.png")
        self.generate("--count", "2", "--index", "9", "-o", "padded-%03d.png")
        self.generate("-o", "100%%.png")
        self.assertEqual(self.files(), ["100%.png", "padded-009.png", "padded-010.png", "plain-0.png", "plain-1.png"])
        for pattern in ("%d-%d.png", "%s.png", "%", "%n.png", "%99999999999d.png"):
            with self.subTest(pattern):
                self.fails(self.generate("-o", pattern, status=1), pattern)

    def test_steps_and_sheet_of_one_icon(self):
        self.generate("--prompt", "fox", "--steps", "10", "--steps-out", "all/steps", "--sheet", "sheet.png")
        steps = [f"all/steps/step-{k:02}.png" for k in range(1, 11)]
        self.assertEqual(self.files(), sorted([*steps, "icon.png", "sheet.png"]))
        self.assertEqual(self.pixels(steps[-1]), self.pixels("icon.png"))
        self.assertEqual(len({self.pixels(step) for step in steps}), 10)
        self.assertEqual(self.pixels("sheet.png")[0], (8 * (8 + 8) + 8, 2 * (12 + 8) + 8))
        self.generate("--prompt", "fox", "--steps", "10", "-o", "plain.png")
        self.assertEqual(self.pixels("plain.png"), self.pixels("icon.png"))

    def test_a_sheet_takes_no_icon_s_place(self):
        for arguments in (["-o", "a.png", "--sheet", "./a.png"], ["-o", "x.png", "--count", "3", "--sheet", "x-1.png"]):
            self.fails(self.generate(*arguments, status=1), "expected another file for the sheet")
            self.assertEqual(self.files(), [])
        self.generate("-o", "x.png", "--count", "3", "--sheet", "x-3.png")

    def test_sheet_of_many_icons(self):
        self.generate("--prompt", "fox", "--prompt", "car", "--prompt", "tree", "--style", "flat", "--style", "line",
                      "--sheet", "sheet.png", "--sheet-scale", "2", "-o", "i%d.png")
        self.assertEqual(self.files(), [*(f"i{k}.png" for k in range(6)), "sheet.png"])
        size, pixels = self.pixels("sheet.png")
        self.assertEqual(size, (3 * (16 + 8) + 8, 2 * (24 + 8) + 8))
        self.assertEqual(set(pixels[3::4]), {255})

    def test_standard_output(self):
        self.generate("--prompt", "fox", "-o", "icon.png")
        with open(self.scratch / "piped.png", "wb") as file:
            subprocess.run([DIT, "generate", "--model", TINY, *CPU, "--prompt", "fox", "-o", "-"], stdout=file, check=True,
                           stderr=subprocess.DEVNULL, env=environment(self.scratch))
        self.assertEqual(self.pixels("piped.png"), self.pixels("icon.png"))
        self.fails(self.generate("--count", "2", "-o", "-", status=1), "standard output")

    def test_devices_and_links_are_written_through(self):
        self.generate("--prompt", "fox", "-o", "icon.png")
        os.mkfifo(self.scratch / "pipe")
        with subprocess.Popen(["cat", "pipe"], cwd=self.scratch, stdout=subprocess.PIPE) as reader:
            self.generate("--prompt", "fox", "-o", "pipe")
            self.assertEqual(reader.stdout.read(), (self.scratch / "icon.png").read_bytes())
        self.assertTrue((self.scratch / "pipe").is_fifo())
        (self.scratch / "target.png").touch()
        (self.scratch / "link.png").symlink_to("target.png")
        self.generate("--prompt", "fox", "-o", "link.png")
        self.assertTrue((self.scratch / "link.png").is_symlink())
        self.assertEqual(self.pixels("target.png"), self.pixels("icon.png"))

    def test_quiet(self):
        done = self.generate("--quiet", "--prompt", "fox")
        self.assertEqual(done.stdout + done.stderr, "")

    def test_software_vulkan_agrees_with_the_cpu(self):
        if "software" not in self.dit("devices").stdout and "GPU" not in self.dit("devices").stdout:
            self.skipTest("no Vulkan device")
        self.generate("--prompt", "fox", "-o", "cpu.png")
        self.dit("generate", "--model", TINY, "--device", "vulkan", "--prompt", "fox", "-o", "vulkan.png")
        (size, cpu), (_, vulkan) = self.pixels("cpu.png"), self.pixels("vulkan.png")
        # Colour under little alpha is un-premultiplied by a small number, so compare what is seen.
        worst = max(abs(cpu[i + c] * cpu[i + 3] - vulkan[i + c] * vulkan[i + 3]) / 255
                    for i in range(0, len(cpu), 4) for c in range(3))
        self.assertLessEqual(worst, 2)

    # the default model

    def test_default_model(self):
        self.assertIn("fluent-emoji", self.dit("styles", DIT_MODEL=str(ICONS)).stdout)
        self.assertEqual(self.dit("styles", DIT_MODEL=str(TINY)).stdout, "round\nflat\nline\n")
        self.fails(self.dit("styles", status=1, DIT_MODEL="/nonexistent.safetensors"), "/nonexistent.safetensors")

    def test_default_model_of_an_installed_and_of_a_built_program(self):
        from_build = os.path.relpath(SOURCE / "models", BUILD)
        for program, model in (("usr/bin/dit", "usr/share/ditsrc/icons.safetensors"),
                               ("a/b/c/d/build/dit", os.path.normpath(f"a/b/c/d/build/{from_build}/icons.safetensors"))):
            (self.scratch / program).parent.mkdir(parents=True, exist_ok=True)
            (self.scratch / model).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(DIT, self.scratch / program)
            done = run([self.scratch / program, "styles"], self.scratch)
            self.assertEqual(done.returncode, 1)
            self.assertIn(str(self.scratch / model), done.stderr)
            shutil.copy(TINY, self.scratch / model)
            done = run([self.scratch / program, "styles"], self.scratch)
            self.assertEqual((done.returncode, done.stdout), (0, "round\nflat\nline\n"), done.stderr)

    # pictures to begin with

    def draw(self, name, size, colour, mode="RGBA"):
        Image.new(mode, size, colour).save(self.scratch / name)

    def test_a_sketch_at_both_ends_of_strength(self):
        self.draw("drawn.png", (8, 12), (200, 40, 90, 120))
        self.generate("--prompt", "fox", "-o", "none.png")
        self.generate("--prompt", "fox", "--from", "drawn.png", "--strength", "1", "-o", "far.png")
        self.generate("--prompt", "fox", "--from", "drawn.png", "--strength", "0", "-o", "near.png")
        self.assertEqual(self.pixels("far.png"), self.pixels("none.png"))
        self.assertEqual(self.pixels("near.png"), self.pixels("drawn.png"))

    def test_fewer_steps_are_run_from_a_sketch(self):
        self.draw("drawn.png", (8, 12), "red")
        for strength, steps in (("0.5", 4), ("0.51", 5), ("0.01", 1)):
            done = self.generate("--from", "drawn.png", "--strength", strength, "--steps", "8")
            self.assertIn(f"strength {strength}\n", done.stdout)
            self.assertRegex(done.stdout, rf"1 icon of {steps} steps")

    def test_sketches_are_averaged_down(self):
        fine = Image.new("RGBA", (16, 24), (0, 0, 0, 0))
        for y in range(24):
            for x in range(0, 16, 2):
                fine.putpixel((x, y), (100, 150, 250, 255))
        fine.save(self.scratch / "fine.png")
        self.generate("--from", "fine.png", "--strength", "0", "-o", "near.png")
        self.assertEqual(set(zip(*[iter(self.pixels("near.png")[1])] * 4)), {(100, 150, 250, 128)}, "clear black counts for nothing")
        for mode in ("RGB", "P", "L", "LA", "I;16"):
            Image.new(mode, (8, 12)).save(self.scratch / "other.png")
            self.generate("--from", "other.png", "--strength", "0", "-o", "near.png")

    def test_strengths_of_a_batch_and_their_sheet(self):
        self.draw("drawn.png", (8, 12), "red")
        more = ["--prompt", "fox", "--from", "drawn.png", "--count", "2", "--steps", "4"]
        self.generate(*more, "--strengths", "0.3,0.6,1", "--batch-size", "4", "--sheet", "sheet.png", "-o", "i%d.png")
        self.assertEqual(self.files(), ["drawn.png", *(f"i{k}.png" for k in range(6)), "sheet.png"])
        self.assertEqual(self.pixels("sheet.png")[0], (4 * (8 + 8) + 8, 2 * (12 + 8) + 8))
        for k, strength in enumerate(("0.3", "0.6", "1")):
            self.generate(*more, "--strength", strength, "-o", "one-%d.png")
            for icon in range(2):
                self.assertEqual(self.pixels(f"one-{icon}.png"), self.pixels(f"i{3 * icon + k}.png"), (strength, icon))

    def test_a_mask_keeps_the_sketch(self):
        self.draw("drawn.png", (8, 12), (10, 200, 30, 200))
        mask = Image.new("L", (16, 24), 255)
        mask.paste(0, (0, 0, 8, 24))
        mask.save(self.scratch / "mask.png")
        self.generate("--prompt", "fox", "--from", "drawn.png", "--mask", "mask.png", "--strength", "0.9")
        with Image.open(self.scratch / "icon.png") as icon:
            self.assertEqual(set(icon.crop((0, 0, 4, 12)).getdata()), {(10, 200, 30, 200)})
            self.assertGreater(len(set(icon.crop((4, 0, 8, 12)).getdata())), 10)

    def test_sketches_that_cannot_be(self):
        self.draw("drawn.png", (8, 12), "red")
        self.draw("large.png", (64, 64), "red")
        self.draw("stretched.png", (16, 12), "red")
        self.draw("huge.png", (8 * 65, 12 * 65), "red")
        (self.scratch / "text.png").write_bytes(b"not a picture")
        (self.scratch / "short.png").write_bytes((self.scratch / "drawn.png").read_bytes()[:-30])
        for name, word in (("large.png", "64x64"), ("stretched.png", "16x12"), ("huge.png", "520x780"),
                           ("text.png", "PNG"), ("short.png", ""), ("missing.png", "No such file"), (".", "")):
            with self.subTest(name):
                self.fails(self.generate("--from", name, "-o", "no.png", status=1), name, word)
                self.fails(self.generate("--from", "drawn.png", "--mask", name, "-o", "no.png", status=1), name, word)
        self.fails(self.generate("--from", "large.png", status=1), "8x12")
        for arguments in (["--strength", "0.5"], ["--mask", "drawn.png"], ["--from", "drawn.png", "--strength", "1.1"],
                          ["--from", "drawn.png", "--strength", "-0.1"], ["--from", "drawn.png", "--strength", "much"],
                          ["--from", "drawn.png", "--strengths", "0.1,x"]):
            self.fails(self.generate(*arguments, status=2))
        self.assertNotIn("no.png", self.files())

    def test_the_apple_of_the_readme(self):
        """The README's picture is what its command paints, and what it says: red in the middle and clear around."""
        text = (SOURCE / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
        command = next(line for line in text.splitlines() if "--from pipelines/images/blob.png" in line)
        arguments = shlex.split(command.replace("pipelines/images", str(SOURCE / "pipelines/images")))[2:]
        self.generate(*arguments, model=ICONS)
        with Image.open(self.scratch / "apple.png") as found, Image.open(SOURCE / "pipelines/images/sketch.png") as shown:
            self.assertEqual(found.size, shown.size)
            # Sums may be taken in another order on another processor.
            apart = [abs(a - b) for a, b in zip(found.tobytes(), shown.convert(found.mode).tobytes())]
            self.assertLess(sum(apart) / len(apart), 0.5)
        with Image.open(self.scratch / "apple-4.png") as apple, Image.open(SOURCE / "pipelines/images/blob.png") as blob:
            red, green, blue, alpha = apple.getpixel((32, 40))
            self.assertTrue(red > 150 and red > green + 80 and red > blue + 80 and alpha > 230, apple.getpixel((32, 40)))
            self.assertLess(max(apple.getpixel(at)[3] for at in ((0, 0), (63, 0), (0, 63), (63, 63))), 16)
            self.assertNotEqual(apple.tobytes(), blob.tobytes())

    # errors

    def test_unknown_words(self):
        done = self.generate("--prompt", "foxx car")
        self.assertIn("dit: warning: ", done.stderr)
        self.assertIn("foxx", done.stderr)
        self.fails(self.generate("--prompt", "foxx", "-o", "no.png", status=1), "foxx", "fox")
        self.fails(self.generate("--style", "rund", "-o", "no.png", status=1), "rund", "round")
        self.assertEqual(self.files(), ["icon.png"])

    def test_wrong_settings(self):
        for arguments, words in ((["--sampler", "magic"], ["magic", "euler"]), (["--guidance", "nan"], ["guidance"]),
                                 (["--device", "toaster"], ["toaster"]), (["--device", "vulkan:999"], ["vulkan:999"])):
            with self.subTest(arguments):
                done = self.dit("generate", "--model", TINY, *(CPU if "--device" not in arguments else []), *arguments, status=1)
                self.fails(done, *words)
        self.assertEqual(self.files(), [])

    def test_wrong_files(self):
        (self.scratch / "empty").write_bytes(b"")
        (self.scratch / "text").write_bytes(b"these are not weights, whatever the name says")
        (self.scratch / "short").write_bytes(TINY.read_bytes()[:-100])
        for name in ("missing", "empty", "text", "short", "."):
            for command in (["inspect", name], ["words", "--model", name], ["generate", "--model", name, *CPU, "-o", "x.png"]):
                with self.subTest(command):
                    self.fails(self.dit(*command, status=1), name)

    def test_places_that_cannot_be_written(self):
        self.fails(self.generate("-o", "no/such/folder/icon.png", status=1), "no/such/folder/icon.png", "No such file")
        (self.scratch / "file").touch()
        self.fails(self.generate("--steps-out", "file/steps", status=1), "file/steps")
        (self.scratch / "folder.png").mkdir()
        self.fails(self.generate("-o", "folder.png", status=1), "folder.png")
        if os.path.exists("/dev/full"):
            done = subprocess.run(f"'{DIT}' words --model '{TINY}' >/dev/full", shell=True, capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("standard output", done.stderr)

    def interrupt(self, number):
        for name in self.files():
            (self.scratch / name).unlink()
        program = subprocess.Popen([DIT, "generate", "--model", ICONS, *CPU, "--prompt", "cat", "--count", "10000",
                                    "--steps", "4", "-o", "c%05d.png"], cwd=self.scratch, env=environment(self.scratch),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (program.kill(), program.wait(), program.stderr.close()))
        deadline = time.monotonic() + 60
        while not self.files() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertTrue(self.files(), "no icon within a minute")
        program.send_signal(number)
        status = program.wait(30)
        return status, program.stderr.read()

    def test_interrupt_leaves_whole_files(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            status, text = self.interrupt(number)
            self.assertEqual((status, text), (130, "dit: interrupted\n"))
            for name in self.files():
                self.assertRegex(name, r"^c\d{5}\.png$")
                self.pixels(name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
