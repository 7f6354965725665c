# SPDX-License-Identifier: MIT
"""The manual page of dit and its completions say what its --help says, and shells propose what fits."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.cli_case import CliCase  # noqa: E402
from support.places import DIT, ICONS, SOURCE  # noqa: E402

SHELLS = ("bash", "zsh", "fish")
# Keystrokes in a terminal, answered by the names that zsh shows.
ZSH = r"""
zmodload zsh/zpty
zpty shell "cd $1; PATH=$2:$PATH TERM=dumb zsh -f -i"
zpty -w shell "PS1=; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -u -D"
zpty -w shell "source ./_dit; zstyle ':completion:*' list-colors; print ready-$((1 + 1))"
zpty -r shell answer "*ready-2*"
zpty -n -w shell "$3"$'\t\t'
for i in {1..120}; do
  while zpty -r -t shell part; do text+=$part; done
  [[ $text == *$4* ]] && break
  sleep 0.25
done
print -r -- "$text"
zpty -d shell
"""


class Pages(CliCase):
    def commands(self):
        """Names of all commands, from --help."""
        listed = self.dit("--help").stdout.split("Subcommands:")[1].split("\n\n")[0]
        found = re.findall(r"^  (\w+) ", listed, re.M)
        self.assertGreaterEqual(len(found), 11)
        return found

    def options(self, command):
        """[(name, line of help)] of every option of a command, from its --help."""
        listed = self.dit(*command, "--help").stdout.split("Options:\n")[1].split("\n\n")[0]
        return [(name, line) for line in listed.splitlines()
                for name in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", line.strip().split("  ")[0])]

    def page(self, *command):
        return self.dit(*command).stdout

    def test_every_command_and_option_is_everywhere(self):
        manual = self.page("manual").replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
        scripts = {shell: self.page("completion", shell) for shell in SHELLS}
        for command in self.commands():
            self.assertIn(f".SS {command}\n", manual)
            section = manual.split(f".SS {command}\n")[1].split("\n.S")[0]
            of_bash = re.search(rf"^    {command}:-\*\) (.*) ;;$", scripts["bash"], re.M).group(1).split()
            of_zsh = re.search(rf"^        {command}\)\n(.*?);;", scripts["zsh"], re.M | re.S).group(1)
            of_fish = "\n".join(re.findall(rf"^.*__fish_seen_subcommand_from {command}'.*$", scripts["fish"], re.M))
            options = self.options([command])
            self.assertTrue(options)
            for name, _ in options:
                with self.subTest(command=command, option=name):
                    self.assertRegex(section, rf"(?m)^(--?[\w-]+, )*{name}\b")
                    self.assertIn(name, of_bash)
                    self.assertRegex(of_zsh, rf"[)*]{name}[=\[]")
                    self.assertRegex(of_fish, rf" -{'l' if name.startswith('--') else 's'} {name.lstrip('-')} ")

    def test_what_is_proposed_is_what_help_says(self):
        checked = 0
        for line in self.page("completion", "bash").splitlines():
            found = re.match(r"    (\w+):.*?(--[a-z-]+)\) _dit_names (.*); return ;;$", line)
            if not found:
                continue
            command, option, choices = found.groups()
            if option == "--sampler" and command == "capture":
                continue  # its help sends to that of generate
            help_text = next(text for name, text in self.options([command]) if name == option)
            for choice in choices.split():
                self.assertIn(choice, help_text)
            checked += 1
        self.assertGreaterEqual(checked, 8)

    def test_manual_is_clean_roff_and_names_every_variable(self):
        manual = self.page("manual")
        read = {name for path in (SOURCE / "engine").rglob("*.cpp")
                for name in re.findall(r'(?:getenv|from_environment)\("(\w+)"\)', path.read_text(encoding="utf-8"))}
        self.assertGreaterEqual(len(read), 6)
        named = set(re.findall(r"^\.TP\n\.B (\w+)$", manual.split(".SH ENVIRONMENT")[1].split(".SH ")[0], re.M))
        self.assertEqual(named, read)
        if shutil.which("groff") is None:
            self.skipTest("no groff to judge the page")
        done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z"], input=manual, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_what_is_installed_is_what_is_printed(self):
        built = DIT.parent / "engine/cli/pages"
        for name, command in (("dit.1", ["manual"]), ("dit", ["completion", "bash"]), ("_dit", ["completion", "zsh"]),
                              ("dit.fish", ["completion", "fish"])):
            self.assertEqual((built / name).read_text(encoding="utf-8"), self.page(*command), name)

    # shells

    def bash(self, *words):
        """What _dit proposes for the last of these words."""
        script = self.scratch / "dit.bash"
        script.write_text(self.page("completion", "bash"), encoding="utf-8")
        done = subprocess.run(
            ["bash", "-euc", 'source "$1"; shift; compopt() { echo "compopt $*"; }; COMP_WORDS=("$@"); '
             'COMP_CWORD=$(($# - 1)); _dit "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" || true; '
             'for word in "${COMPREPLY[@]}"; do echo "$word"; done', "bash", script, DIT, *words],
            capture_output=True, text=True, timeout=60, env={**os.environ, "DIT_MODEL": str(ICONS)})
        self.assertEqual(done.stderr, "")
        return done.stdout.splitlines()

    def test_bash(self):
        self.assertEqual(self.bash("gen"), ["generate"])
        self.assertEqual(self.bash("generate", "--sheet-"), ["--sheet-columns", "--sheet-scale"])
        self.assertEqual(self.bash("generate", "--style", "noto"), ["noto", "noto-v1"])
        self.assertEqual(self.bash("generate", "--style", "=", "noto"), ["noto", "noto-v1"])
        self.assertIn("rocket", self.bash("generate", "-p", "rock"))
        self.assertEqual(self.bash("generate", "--output", ""), ["compopt -o default"])
        self.assertEqual(self.bash("generate", "--steps-out", ""), ["compopt -o dirnames"])
        self.assertEqual(self.bash("generate", "--seed", ""), [])
        self.assertEqual(self.bash("completion", ""), list(SHELLS))
        self.assertEqual(self.bash("convert", "a"), ["compopt -o default"])

    def test_fish(self):
        if shutil.which("fish") is None:
            self.skipTest("no fish on this machine")
        script = self.scratch / "dit.fish"
        script.write_text(self.page("completion", "fish"), encoding="utf-8")

        def proposed(line):
            done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"],
                                  capture_output=True, text=True, timeout=60,
                                  env={**os.environ, "HOME": str(self.scratch), "PATH": f"{DIT.parent}:{os.environ['PATH']}"})
            self.assertEqual(done.stderr, "")
            return [entry.split("\t")[0] for entry in done.stdout.splitlines()]
        self.assertEqual(proposed("dit gen"), ["generate"])
        self.assertEqual(proposed("dit generate --sheet-"), ["--sheet-columns", "--sheet-scale"])
        self.assertEqual(proposed("dit generate --style noto"), ["noto", "noto-v1"])
        self.assertIn("rocket", proposed("dit generate -p rock"))
        self.assertEqual(proposed("dit completion z"), ["zsh"])

    def test_zsh(self):
        if shutil.which("zsh") is None:
            self.skipTest("no zsh on this machine")
        (self.scratch / "_dit").write_text(self.page("completion", "zsh"), encoding="utf-8")

        def shown(line, wanted):
            """What the terminal shows after two tabs, up to `wanted` or for half a minute."""
            done = subprocess.run(["zsh", "-fc", ZSH, "zsh", self.scratch, DIT.parent, line, wanted], capture_output=True,
                                  text=True, timeout=90, env={**os.environ, "HOME": str(self.scratch)})
            return done.stdout
        self.assertIn("--sheet-scale", shown("dit generate --sheet-", "--sheet-scale"))
        self.assertIn("noto-v1", shown("dit generate --style noto", "noto-v1"))
        self.assertIn("rockstar", shown("dit generate -p rock", "rockstar"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
