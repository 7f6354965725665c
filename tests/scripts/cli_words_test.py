# SPDX-License-Identifier: MIT
"""`dit words` and `dit generate` with words that the model has not."""
import unittest

from support.cli_case import CliCase
from support.places import SOURCE

ICONS = SOURCE / "models/icons.safetensors"
LEXICON = SOURCE / "models/lexicon.bin"


class CliWords(CliCase):
    def words(self, *arguments, **more):
        return self.dit("words", "--model", ICONS, *arguments, **more)

    def test_what_is_painted_and_why(self):
        for prompt, line in (("kaffee", "kaffee → hot beverage   keyword in de"), ("🍕", "🍕 → pizza   emoji"),
                             ("github", "github → ")):
            self.assertIn(line, self.words(prompt).stdout)
        self.assertIn("% sure", self.words("sparrow").stdout)
        self.assertIn("no word with 'qqqqzzzz' in it", self.words("qqqqzzzz", status=1).stderr)

    def test_a_model_without_figures_says_so(self):
        self.assertIn("does not say which words it knows well", self.words("--good", status=1).stderr)

    def test_readings_are_said_and_paint_the_same(self):
        done = self.generate("--prompt", "🦊", "-o", "a.png")
        self.assertIn("🦊 → fox (emoji)", done.stdout)
        self.assertEqual(done.stderr, "")
        self.generate("--prompt", "fox", "-o", "b.png")
        self.assertEqual(self.pixels("a.png"), self.pixels("b.png"))

    def test_a_broken_lexicon_is_named_and_known_words_need_none(self):
        broken = self.scratch / "broken.bin"
        broken.write_bytes(LEXICON.read_bytes()[:5000])
        more = {"DIT_LEXICON": str(broken)}
        self.generate("--prompt", "red fox", "-o", "a.png", **more)
        self.fails(self.generate("--prompt", "🦊", "-o", "a.png", status=1, **more), "broken.bin")


if __name__ == "__main__":
    unittest.main()
