# SPDX-License-Identifier: MIT
"""Every script in pipelines/ does what its first lines say."""
import pathlib
import tempfile
import unittest

from PIL import Image

from places import BUILD, SOURCE, run


class Pipelines(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)

    def script(self, name, *arguments):
        done = run([SOURCE / "pipelines" / name, *arguments], self.scratch)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done

    def picture(self, name, size=(64, 64), mode="RGBA"):
        with Image.open(self.scratch / name) as image:
            self.assertEqual((image.size, image.mode), (size, mode), name)
            return image.copy()

    def icon(self, name, faintest=16):
        """An icon: a shape in the middle, alpha of at most `faintest` in the corners."""
        image = self.picture(name)
        alpha = image.getchannel("A")
        self.assertLessEqual(max(alpha.getpixel(at) for at in ((0, 0), (63, 0), (0, 63), (63, 63))), faintest, name)
        self.assertGreater(sum(alpha.histogram()[200:]), 500, f"{name}: too few opaque pixels")
        return image.tobytes()

    def files(self):
        return sorted(p.name for p in self.scratch.iterdir() if p.name != "registry.bin")

    def test_first_icon(self):
        done = self.script("first-icon.sh")
        self.assertRegex(done.stdout, r"icon\.png \d+\.\d s after the build")
        self.assertEqual(self.files(), ["icon.png", "steps.png"])
        self.icon("icon.png")
        self.assertEqual(self.picture("steps.png", self.sheet_size()).getchannel("A").getextrema(), (255, 255))

    def sheet_size(self):
        steps = next(line.split()[1] for line in run([BUILD / "dit", "inspect"], self.scratch).stdout.splitlines()
                     if line.strip().startswith("defaults"))
        return min(8, int(steps)) * 72 + 8, (int(steps) + 7) // 8 * 72 + 8

    def test_four_hearts(self):
        self.script("four-hearts.sh")
        self.assertEqual(self.files(), ["h0.png", "h1.png", "h2.png", "h3.png"])
        self.assertEqual(len({self.icon(name, faintest=0) for name in self.files()}), 4)

    def test_four_hearts_with_arguments(self):
        self.script("four-hearts.sh", "red apple", "noto", "3")
        self.assertEqual(len({self.picture(name).tobytes() for name in self.files()}), 4)

    def test_steps(self):
        self.script("steps.sh", "castle", "6")
        self.assertEqual(self.files(), [f"step-{k:02}.png" for k in range(6)])
        pictures = [self.picture(name).tobytes() for name in self.files()]
        self.assertEqual(len(set(pictures)), 6)
        done = run([BUILD / "dit", "generate", "--quiet", "--prompt", "castle", "--style", "fluent-emoji", "--seed", "1",
                    "--steps", "6"], self.scratch)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(pictures[-1], self.icon("icon.png"), "element and command line paint the same icon")

    def test_named_icon(self):
        for name in ("ada", "bob", "a/b"):
            self.script("named-icon.sh", name)
        self.assertEqual(self.files(), ["a_b.png", "ada.png", "bob.png"])
        first = self.icon("ada.png")
        self.assertNotEqual(first, self.icon("bob.png"))
        self.script("named-icon.sh", "ada")
        self.assertEqual(first, self.icon("ada.png"))

    def test_film(self):
        self.script("film.sh")
        self.assertEqual(self.files(), ["film.webm"])
        done = run(["gst-launch-1.0", "-v", "filesrc", "location=film.webm", "!", "matroskademux", "!", "vp9dec", "!",
                    "checksumsink", "hash=md5"], self.scratch)
        if "no element" in done.stderr:  # checksumsink is in another Debian package
            done = run(["gst-launch-1.0", "-v", "filesrc", "location=film.webm", "!", "matroskademux", "!", "vp9dec", "!",
                        "fakesink", "silent=false"], self.scratch)
            frames = done.stdout.count("chain   ***")
        else:
            frames = sum(line.startswith("0:") for line in done.stdout.splitlines())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(frames, 3 * (16 + 10 - 1), done.stdout[-500:])
        self.assertIn("width=(int)512", done.stdout)

    def test_big_icon(self):
        self.script("big-icon.sh")
        image = self.picture("big.png", (512, 512))
        small = image.resize((64, 64), Image.NEAREST)
        self.assertEqual(small.resize((512, 512), Image.NEAREST).tobytes(), image.tobytes())

    def test_mosaic(self):
        self.script("mosaic.sh")
        image = self.picture("mosaic.png", (256, 64))
        tiles = [image.crop((64 * k, 0, 64 * k + 64, 64)) for k in range(4)]
        self.assertEqual(len({tile.tobytes() for tile in tiles}), 4)
        for tile in tiles:
            self.assertEqual(tile.getchannel("A").getextrema(), (0, 255))

    def test_on_colour(self):
        self.script("on-colour.sh", "0x2040a0")
        image = self.picture("on-colour.jpg", mode="RGB")
        for got, wanted in zip(image.getpixel((1, 1)), (0x20, 0x40, 0xA0)):
            self.assertAlmostEqual(got, wanted, delta=6)

    def test_a_wrong_word_fails(self):
        done = run([SOURCE / "pipelines/four-hearts.sh", "qqqqzzzz"], self.scratch)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count("ERROR: from element"), 1, done.stderr)
        self.assertIn("no word 'qqqqzzzz'", done.stderr)
        self.assertEqual(self.files(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
