# SPDX-License-Identifier: MIT
"""README.md tells the truth: its commands run, its property table is gst-inspect's, its links and files exist."""
import pathlib
import re
import tempfile
import unittest

from support.places import SOURCE, run

README = (SOURCE / "README.md").read_text(encoding="utf-8")
# Commands that install or build. tests/run.sh has done both by the time this runs; first-icon.sh is in pipelines_test.py.
DONE_BEFORE = re.compile(r"^(\./setup\.sh|tests/run\.sh|pipelines/first-icon\.sh|git clone|sudo |cmake |ctest )")
# Properties of every GStreamer source.
INHERITED = {"name", "parent", "blocksize", "num-buffers", "typefind", "do-timestamp", "automatic-eos"}


def commands():
    """The commands of every ```sh block; a line ending in a backslash goes on."""
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.S | re.M):
        joined = block.replace("\\\n", " ")
        yield from (line for line in joined.splitlines() if line.strip() and not line.startswith("#"))


def inspected_properties(scratch):
    """name -> default, of ditsrc's own properties, as gst-inspect-1.0 prints them."""
    text = run(["gst-inspect-1.0", "--no-colors", "ditsrc"], scratch).stdout
    properties = {}
    for name, body in re.findall(r"^  ([a-z][a-z-]*) +: (.*?)(?=^  [a-z][a-z-]* +: |\Z)", text, re.S | re.M):
        default = re.search(r"Default: *(.*)$", body, re.M)
        if name in INHERITED or default is None:
            continue
        value = default.group(1).strip()
        enum = re.match(r'-?\d+, "(.*)"$', value)
        properties[name] = enum.group(1) if enum else value.strip('"')
    return properties


class Readme(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)

    def test_commands_run(self):
        from support.places import BUILD
        for name in ("pipelines", "models", "tests", "setup.sh"):
            (self.scratch / name).symlink_to(SOURCE / name)
        (self.scratch / "build").symlink_to(BUILD)
        ran = 0
        for command in commands():
            if DONE_BEFORE.match(command):
                print(f"skipped, it installs or builds: {command}")
                continue
            with self.subTest(command):
                done = run(["bash", "-euc", command], self.scratch)
                print(f"ran: {command}")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                ran += 1
        self.assertGreaterEqual(ran, 10)

    def test_property_table_is_gst_inspects(self):
        table = dict(re.findall(r"^\| `([a-z-]+)` \| [^|]* \| ([^|]*) \|", README, re.M))
        written = {name: default.strip().strip("`") for name, default in table.items()}
        found = inspected_properties(self.scratch)
        self.assertGreaterEqual(len(found), 10)
        self.assertEqual(sorted(written), sorted(found))
        for name, default in found.items():
            with self.subTest(name):
                if default == "null":
                    self.assertEqual(written[name], "unset")
                elif re.match(r"-?[\d.]+", default) and re.match(r"-?(0x)?[\da-fA-F.]+$", written[name]):
                    number = float(int(written[name], 16)) if "0x" in written[name] else float(written[name])
                    self.assertEqual(number, float(default.split()[0]))
                else:
                    self.assertEqual(written[name], default)

    def test_links_and_pictures_exist(self):
        targets = re.findall(r"\]\(([^)#]+)\)", README) + re.findall(r'src="([^"]+)"', README)
        self.assertTrue(targets)
        for target in targets:
            if "://" not in target:
                self.assertTrue((SOURCE / target).exists(), target)


if __name__ == "__main__":
    unittest.main(verbosity=2)
