# SPDX-License-Identifier: MIT
"""What the tests of build/dit share: a scratch folder, running it, looking at what it wrote."""
import pathlib
import tempfile
import unittest

from PIL import Image

from support.places import DIT, TINY, run

CPU = ["--device", "cpu"]


class CliCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)

    def dit(self, *arguments, status=0, **more):
        done = run([DIT, *arguments], self.scratch, **more)
        self.assertEqual(done.returncode, status, f"dit {arguments}: {done.stdout}{done.stderr}")
        return done

    def generate(self, *arguments, status=0, model=TINY, **more):
        return self.dit("generate", "--model", model, *CPU, *arguments, status=status, **more)

    def files(self):
        return sorted(str(p.relative_to(self.scratch)) for p in self.scratch.rglob("*") if p.is_file())

    def pixels(self, name):
        with Image.open(self.scratch / name) as image:
            self.assertEqual(image.mode, "RGBA")
            return image.size, image.tobytes()

    def fails(self, done, *words):
        """Exactly one line of error, which starts with the program and holds the words."""
        self.assertTrue(done.stderr.startswith("dit: "), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual([name for name in self.files() if ".dit-" in name], [])
