# SPDX-License-Identifier: MIT
"""READMEs tell the truth: commands run, property tables are gst-inspect's, links lead to files and headings that exist."""
import pathlib
import re
import tempfile
import unittest

from support.places import BUILD, SOURCE, run, source_files

README = (SOURCE / "README.md").read_text(encoding="utf-8")
# Whose commands need nothing but a build.
WITH_COMMANDS = ("README.md", "plugin/README.md", "plugin/filter/README.md", "models/README.md", "engine/model/formats/README.md")
# Commands that install or build. tests/run.sh has done both by the time this runs; first-icon.sh is in pipelines_test.py.
DONE_BEFORE = re.compile(r"^(\./setup\.sh|tests/run\.sh|pipelines/first-icon\.sh|git clone|sudo |cmake |\(cd build && cpack|ctest )")
# Properties of every GStreamer source and filter.
INHERITED = {"qos", "name", "parent", "blocksize", "num-buffers", "typefind", "do-timestamp", "automatic-eos"}


def commands(text):
    """The commands of every ```sh block; a line ending in a backslash goes on."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M):
        joined = block.replace("\\\n", " ")
        yield from (line for line in joined.splitlines() if line.strip() and not line.startswith("#"))


def written_properties(text):
    """name -> default, of every row of a table that begins with a name in code."""
    table = dict(re.findall(r"^\| `([a-z-]+)` \| [^|]* \| ([^|]*) \|", text, re.M))
    return {name: default.strip().strip("`") for name, default in table.items()}


def anchors(text):
    """What a link may have behind its #: headings as GitHub spells them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def inspected_properties(scratch, element="ditsrc"):
    """name -> default, of an element's own properties, as gst-inspect-1.0 prints them."""
    text = run(["gst-inspect-1.0", "--no-colors", element], scratch).stdout
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

    def run_commands_of(self, name):
        """Runs them in a folder that looks like a built clone; returns how many ran."""
        folder = self.scratch / name.replace("/", "-")
        folder.mkdir()
        for linked in ("pipelines", "models", "tests", "setup.sh"):
            (folder / linked).symlink_to(SOURCE / linked)
        (folder / "build").symlink_to(BUILD)
        ran = 0
        for command in commands((SOURCE / name).read_text(encoding="utf-8")):
            if DONE_BEFORE.match(command):
                print(f"skipped, it installs or builds: {command}")
                continue
            with self.subTest(f"{name}: {command}"):
                done = run(["bash", "-euc", command], folder)
                print(f"ran: {command}")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                ran += 1
        return ran

    def test_commands_run(self):
        for name in WITH_COMMANDS:
            with self.subTest(name):
                self.assertGreaterEqual(self.run_commands_of(name), 10 if name == "README.md" else 2)

    def test_property_tables_are_gst_inspects(self):
        found = inspected_properties(self.scratch)
        self.assertGreaterEqual(len(found), 10)
        every = written_properties((SOURCE / "plugin/README.md").read_text(encoding="utf-8"))
        self.assertEqual(sorted(every), sorted(found))
        most_used = written_properties(README)
        self.assertGreaterEqual(len(most_used), 10)
        of_filter = inspected_properties(self.scratch, "ditfilter")
        written_of_filter = written_properties((SOURCE / "plugin/filter/README.md").read_text(encoding="utf-8"))
        self.assertEqual(sorted(written_of_filter), sorted(of_filter))
        for table, inspected in ((every, found), (most_used, found), (written_of_filter, of_filter)):
            for name, written in table.items():
                with self.subTest(name):
                    self.assert_default(written, inspected[name])

    def assert_default(self, written, inspected):
        if inspected == "null":
            self.assertEqual(written, "unset")
        elif re.match(r"-?[\d.]+", inspected) and re.match(r"-?(0x)?[\da-fA-F.]+$", written):
            number = float(int(written, 16)) if "0x" in written else float(written)
            self.assertEqual(number, float(inspected.split()[0]))
        else:
            self.assertEqual(written, inspected)

    def test_links_lead_somewhere(self):
        """In every text of the tree; a picture, a file, a folder, or a heading of one."""
        checked = 0
        for page in (path for path in source_files() if path.suffix == ".md"):
            text = page.read_text(encoding="utf-8")
            for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text):
                if "://" in target:
                    continue
                with self.subTest(f"{page.relative_to(SOURCE)}: {target}"):
                    name, _, heading = target.partition("#")
                    place = page.parent / name if name else page
                    self.assertTrue(place.exists(), "no such file")
                    if heading:
                        self.assertIn(heading, anchors(place.read_text(encoding="utf-8")))
                checked += 1
        self.assertGreater(checked, 50)

    def test_the_first_page_stays_short(self):
        self.assertLessEqual(len(README.splitlines()), 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
