# SPDX-License-Identifier: MIT
"""Text that people type to build/dit, whatever the locale; words that the model has not; mistyped commands; too few threads."""
import base64
import json
import os
import resource
import subprocess
import sys
import unittest

from support.cli_case import CPU, CliCase
from support.places import DIT, SOURCE, TINY, environment

sys.path.insert(0, str(SOURCE / "training"))
from icons.network import safetensors_io  # noqa: E402

ICONS = SOURCE / "models/icons.safetensors"
LEXICON = SOURCE / "models/lexicon.bin"


def one_process():
    """As a user who may start no further thread. Root is not held to the limit, so it stops being root."""
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    if os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)


class CliText(CliCase):
    def words_of(self, prompt, **more):
        done = subprocess.run([DIT, "generate", "--model", TINY, *CPU, "--steps", "1", "--prompt", prompt, "-o", "a.png"],
                              cwd=self.scratch, env=environment(self.scratch, **more), capture_output=True, timeout=60, check=False)
        return done.returncode, done.stderr

    def test_case_blanks_and_punctuation_are_unicodes(self):
        for prompt in ("RED FOX", "red\u00a0fox", "red\u3000fox", "red\u200bfox", "\u201cred\u201d \u2013 fox\u2019", "ＲＥＤ ｆｏｘ",
                       "r\u00aded\ufeff fo\u200dx"):
            for locale in ("C.UTF-8", "tr_TR.UTF-8", "C"):
                status, said = self.words_of(prompt, LC_ALL=locale)
                self.assertEqual((status, said), (0, b""), (prompt, locale))

    def test_a_prompt_of_any_bytes_is_an_answer(self):
        status, said = self.words_of(b"red \xff\x1b]0;owned\x07 zzz")
        self.assertEqual(status, 0)
        self.assertNotIn(b"\x1b", said)
        self.assertIn("no word '\ufffd'".encode(), said)

    def test_many_unknown_words_are_quick_and_few_are_said(self):
        prompt = "red " + " ".join(f"zq{i}x" for i in range(9000))
        status, said = self.words_of(prompt)
        self.assertEqual(status, 0)
        self.assertEqual(said.count(b"no word"), 3)
        self.assertIn(b"and 8997 more unknown words", said)

    def test_a_prompt_has_a_limit(self):
        listed = self.scratch / "long"
        listed.write_text("z" * 131073)
        done = subprocess.run(["bash", "-c", f'p=$(cat long); exec "{DIT}" words --model "{TINY}" "${{p:0:90000}}"'],
                              cwd=self.scratch, env=environment(self.scratch), capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertLess(len(done.stderr), 400)

    def test_mistyped_commands_and_options_are_named(self):
        for arguments, words in ((["genrate"], "no command 'genrate': expected a command, one of generate"),
                                 (["genrate"], "did you mean 'generate'?"),
                                 (["genrate", "--prompt", "fox"], "did you mean 'generate'?"),
                                 (["wrods"], "did you mean 'words'?"), (["insp"], "did you mean 'inspect'?"),
                                 (["qqqqqq"], "no command 'qqqqqq': expected a command"),
                                 (["--prompt", "fox"], "no option '--prompt': expected a command"),
                                 (["--verzion"], "did you mean '--version'?"), ([], "expected a command, one of"),
                                 (["generate", "--promt", "fox"], "generate: no option '--promt'; did you mean '--prompt'?"),
                                 (["generate", "--stpes=3"], "generate: no option '--stpes'; did you mean '--steps'?"),
                                 (["convert", "a", "b", "c", "d"], "convert: did not expect")):
            done = subprocess.run([DIT, *arguments], cwd=self.scratch, env=environment(self.scratch), capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(words, done.stderr, arguments)

    def test_fewer_threads_than_cores_will_do(self):
        for threads, status in (("0", 0), ("4", 1)):
            self.scratch.chmod(0o777)
            done = subprocess.run([DIT, "generate", "--model", TINY, *CPU, "--threads", threads, "--steps", "1", "--prompt",
                                   "fox", "-o", str(self.scratch / f"{threads}.png")], cwd="/", env=environment(self.scratch),
                                  capture_output=True, text=True, timeout=60, check=False, preexec_fn=one_process)
            if "Permission denied" in done.stderr:
                self.skipTest("the build cannot be read by the user who is limited")
            if os.cpu_count() == 1 and threads == "0":
                self.skipTest("one core needs no thread")
            self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn("expected 4 threads, found 1", done.stderr)


class CliWords(CliCase):
    """`dit words` and `dit generate` with words that the model has not."""

    def words(self, *arguments, **more):
        return self.dit("words", "--model", ICONS, *arguments, **more)

    def test_what_is_painted_and_why(self):
        for prompt, line in (("kaffee", "kaffee → coffee   our list in de"), ("schmetterling", "schmetterling → butterfly   name in de"),
                             ("🍕", "🍕 → pizza   emoji"), ("github", "github → ")):
            self.assertIn(line, self.words(prompt).stdout)
        self.assertIn("% sure", self.words("sparrow").stdout)
        self.assertEqual(self.words("red car").stdout, "paints c:red car g:transport\n")
        self.assertIn("paints c:red auto", self.words("rotes Auto").stdout)
        self.assertIn("no word with 'qqqqzzzz' in it", self.words("qqqqzzzz", status=1).stderr)

    def test_a_model_without_figures_says_so(self):
        done = self.dit("words", "--model", SOURCE / "models/icons-small.safetensors", "--good", status=1)
        self.assertIn("does not say which words it knows well", done.stderr)

    def test_figures_are_found_as_words_are(self):
        tensors, metadata = safetensors_io.load(TINY)
        config = json.loads(metadata["config"])
        config["words"][1], config["words"][3] = "Blue-Green", "Zoë"
        metadata |= {"config": json.dumps(config), "good": base64.b64encode(bytes(range(7))).decode()}
        safetensors_io.save(self.scratch / "m.safetensors", tensors, metadata)
        good = ("words", "--good", "--model", "m.safetensors")
        self.assertEqual(len(self.dit(*good).stdout.splitlines()), 7)
        for typed, words in (("blue", ["blue", "Blue-Green"]), ("BLUE green", ["Blue-Green"]), ("zoë", ["Zoë"])):
            self.assertEqual([line.split("%  ")[1] for line in self.dit(*good, typed).stdout.splitlines()], words)
        self.fails(self.dit(*good, "zebra", status=1), "no word with 'zebra' in it")

    def test_readings_are_said_and_paint_the_same(self):
        done = self.generate("--prompt", "🦊", "-o", "a.png")
        self.assertIn("🦊 → fox (emoji)", done.stdout)
        self.assertEqual(done.stderr, "")
        self.generate("--prompt", "fox", "-o", "b.png")
        self.assertEqual(self.pixels("a.png"), self.pixels("b.png"))

    def test_a_word_as_long_as_a_prompt_takes_no_memory(self):
        # Each of its ends, kept, would be five gigabytes together; the model and its threads need one.
        done = subprocess.run([DIT, "generate", "--model", ICONS, *CPU, "--prompt", "x" * 100000, "-o", "a.png"],
                              cwd=self.scratch, env=environment(self.scratch), capture_output=True, text=True, timeout=60,
                              check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30)))
        self.assertEqual(done.returncode, 1)
        self.assertIn("nearest: ", done.stderr)

    def test_a_broken_lexicon_is_named_and_known_words_need_none(self):
        broken = self.scratch / "broken.bin"
        broken.write_bytes(LEXICON.read_bytes()[:5000])
        more = {"DIT_LEXICON": str(broken)}
        self.generate("--prompt", "red fox", "-o", "a.png", **more)
        self.fails(self.generate("--prompt", "🦊", "-o", "a.png", status=1, **more), "broken.bin")


if __name__ == "__main__":
    unittest.main()
