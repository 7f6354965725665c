# SPDX-License-Identifier: MIT
"""`cmake --install` leaves a plugin that works from its new place, with model, presets, translations and man pages."""
import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.places import BUILD, DIT, SOURCE  # noqa: E402

# What GstBaseSrc, GstBaseTransform and their parents bring; automatic-eos since GStreamer 1.24.
INHERITED = {"name", "parent", "blocksize", "num-buffers", "typefind", "do-timestamp", "automatic-eos", "qos"}
LAUNCH = "ditsrc device=cpu prompt=rocket num-buffers=1"


ELEMENTS = {"ditfilter", "ditsrc", "ditwebpenc", "ditapngmux", "ditgifenc", "diticomux", "ditsheet"}


def tree(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


def run(*command, **environment):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **{k: str(v) for k, v in environment.items()}})


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="ditsrc-install-")
        cls.addClassCleanup(folder.cleanup)
        cls.prefix = Path(folder.name) / "usr"
        done = run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        assert done.returncode == 0, done.stderr
        cls.plugins = next(cls.prefix.rglob("libgstdit.so")).parent
        # Only GStreamer's own elements and the installed plugin; nothing of the build tree or of a user.
        cls.environment = {"GST_PLUGIN_PATH": cls.plugins, "GST_REGISTRY": Path(folder.name) / "registry.bin",
                           "LC_ALL": "C.UTF-8", "LANGUAGE": ""}
        os.environ.pop("DIT_MODEL", None)

    def gst(self, *command, **environment):
        return run(*command, **{**self.environment, **environment})

    def test_plugin_exists_and_paints_with_the_installed_model(self):
        self.assertEqual(self.gst("gst-inspect-1.0", "--exists", "ditsrc").returncode, 0)
        done = self.gst("gst-launch-1.0", "-m", *LAUNCH.split(), "!", "fakesink")
        self.assertEqual(done.returncode, 0, done.stderr)
        model = re.search(r"model=\(string\)([^,;]+)", done.stdout).group(1).strip('"')
        self.assertTrue(Path(model).resolve().is_relative_to(self.prefix.resolve()), model)

    def test_version_is_the_programs_and_is_compared(self):
        version = run(DIT, "--version").stdout.split()[1]
        self.assertIn(f"Version                  {version}\n", self.gst("gst-inspect-1.0", "dit").stdout)
        for least, holds in ((version, True), ("1.26.0", True), ("9999.0.0", False)):
            done = self.gst("gst-inspect-1.0", "--exists", f"--atleast-version={least}", "ditsrc")
            # 1 in GStreamer 1.22, 2 in 1.26
            self.assertEqual(done.returncode == 0, holds, least)

    def test_paints_where_its_folder_is_reached_by_a_link(self):
        link = self.prefix.parent / "linked"
        link.symlink_to(self.plugins)
        done = self.gst("gst-launch-1.0", "-m", *LAUNCH.split(), "!", "fakesink", GST_PLUGIN_PATH=link,
                        GST_REGISTRY=self.prefix.parent / "linked.bin")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_again_changes_nothing_and_uninstall_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            prefix = Path(folder) / "a" / "b"
            for _ in range(2):
                done = run("cmake", "--install", BUILD, "--prefix", prefix)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(tree(prefix), tree(self.prefix))
            files = [name for name in tree(prefix) if (prefix / name).is_file()]
            self.assertEqual(filecmp.cmpfiles(prefix, self.prefix, files, shallow=False)[1:], ([], []))
            foreign = prefix / "share/ditsrc/mine.safetensors"
            foreign.write_text("mine")
            uninstall = ("cmake", f"-DDIT_PREFIX={prefix}", "-P", BUILD / "packages/uninstall.cmake")
            done = run(*uninstall)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(tree(prefix), {"share", "share/ditsrc", "share/ditsrc/mine.safetensors"})
            self.assertEqual(run(*uninstall).returncode, 1, "twice")
            shutil.rmtree(prefix.parent)
            run("cmake", "--install", BUILD, "--prefix", prefix)
            self.assertEqual(run(*uninstall).returncode, 0)
            self.assertEqual(tree(Path(folder)), set())

    def test_names_that_mean_something_to_cmake(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("a [1]", "[", "a*?]", "a $b'\""):
                prefix = Path(folder) / name
                done = run("cmake", "--install", BUILD, "--prefix", prefix)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(tree(prefix), tree(self.prefix), name)
                foreign = prefix / "share/ditsrc/mine.safetensors"
                foreign.write_text("mine")
                done = run("cmake", f"-DDIT_PREFIX={prefix}", "-P", BUILD / "packages/uninstall.cmake")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(tree(prefix), {"share", "share/ditsrc", "share/ditsrc/mine.safetensors"}, name)
            # The files would be noted in halves, and a half may be somebody else's file.
            done = run("cmake", "--install", BUILD, "--prefix", Path(folder) / "a;b")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("expected a prefix without semicolons", done.stderr)
            self.assertFalse((Path(folder) / "a;b").exists())

    def test_documentation_of_every_element(self):
        plugin = json.loads(next(self.prefix.rglob("gst_plugins_cache.json")).read_text(encoding="utf-8"))["dit"]
        self.assertEqual(set(plugin["elements"]), ELEMENTS)
        for name, element in plugin["elements"].items():
            shown = self.gst("gst-inspect-1.0", name).stdout
            listed = set(re.findall(r"^  ([a-z-]+) +: ", shown, re.M))
            self.assertLessEqual(set(element["properties"]), listed, name)
            if name == "ditsrc":
                self.assertEqual(set(element["properties"]), listed - INHERITED)
            for caps in element["pad-templates"].values():
                self.assertIn(caps["caps"].split(",")[0].split("(")[0], shown)
            self.assertTrue((self.prefix / f"share/man/man7/{name}.7").exists())
        self.assertIn("final", [value["name"] for value in plugin["other-types"]["GstDitSrcEmit"]["values"]])

    def test_metainfo_is_valid_and_names_every_element(self):
        files = sorted((self.prefix / "share/metainfo").iterdir())
        self.assertEqual([file.name for file in files],
                         ["io.github.ditsrc.dit.metainfo.xml", "io.github.ditsrc.gstreamer.metainfo.xml"])
        self.assertEqual(set(re.findall(r"element-(\w+)", files[1].read_text(encoding="utf-8"))), ELEMENTS)
        if shutil.which("appstreamcli") is None:
            self.skipTest("no appstreamcli: Debian's package appstream")
        done = run("appstreamcli", "validate", "--no-net", *files)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_small_model_is_beside_the_other_and_paints(self):
        small = next(self.prefix.rglob("icons-small.safetensors"))
        self.assertTrue((small.parent / "icons.safetensors").exists())
        done = self.gst("gst-launch-1.0", "-m", *LAUNCH.split(), f"model-location={small}", "!", "fakesink")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(str(small), done.stdout)

    def test_no_symbol_is_missing(self):
        done = run("ldd", "-r", self.plugins / "libgstdit.so")
        self.assertNotIn("undefined symbol", done.stdout + done.stderr)
        self.assertNotIn("not found", done.stdout)

    def test_inspecting_opens_no_driver(self):
        done = self.gst("gst-inspect-1.0", "ditsrc", LD_DEBUG="libs")
        self.assertIn("libgstdit.so", done.stderr)
        self.assertNotIn("libvulkan", done.stderr)

    def test_every_own_property_is_well_described(self):
        done = self.gst("gst-inspect-1.0", "ditsrc")
        self.assertEqual(done.returncode, 0, done.stderr)
        own = re.findall(r"^  ([a-z-]+) +: (.+)\n +flags: (.+)$", done.stdout, re.M)
        names = {name for name, _, _ in own}
        self.assertLessEqual({"prompt", "style", "seed", "steps", "guidance", "is-live", "late-policy", "stats"}, names)
        for name, blurb, flags in own:
            with self.subTest(name):
                self.assertGreater(len(blurb), 10)
                if "writable" in flags and name not in INHERITED:
                    self.assertRegex(flags, "changeable")
        for name in ("seed", "guidance", "prompt", "style"):
            self.assertIn("controllable", dict((n, f) for n, _, f in own)[name], name)
        self.assertIn("dit", re.search(r"URI handling capabilities:(.*?)\n\n", done.stdout, re.S).group(1))

    def test_every_property_of_the_filter_too(self):
        done = self.gst("gst-inspect-1.0", "ditfilter")
        own = re.findall(r"^  ([a-z-]+) +: (.+)\n +flags: (.+)$", done.stdout, re.M)
        flags = {name: flags for name, _, flags in own if name not in INHERITED}
        self.assertLessEqual({"prompt", "strength", "mask", "seed-mode", "stats"}, set(flags))
        self.assertFalse({"emit", "hold", "walk", "is-live", "late-policy"} & set(flags), "the source's own")
        for name, text in flags.items():
            if "writable" in text:
                self.assertRegex(text, "changeable", name)
        for name in ("strength", "prompt", "seed"):
            self.assertIn("controllable, changeable in NULL, READY, PAUSED or PLAYING", flags[name], name)

    def test_manual_has_every_property(self):
        for element in ("ditsrc", "ditfilter"):
            with self.subTest(element):
                self.check_manual(element)

    def check_manual(self, element):
        page = self.prefix / f"share/man/man7/{element}.7"
        text = page.read_text(encoding="utf-8").replace("\\-", "-")
        done = self.gst("gst-inspect-1.0", element)
        for name in set(re.findall(r"^  ([a-z-]+) +: ", done.stdout, re.M)) - INHERITED:
            self.assertIn(f".B {name}\n", text)
        rendered = run("man", "--warnings", "-E", "UTF-8", "-l", page) if run("which", "man").returncode == 0 else None
        if rendered is not None and rendered.returncode == 0:
            self.assertEqual(rendered.stderr, "")
            self.assertIn("PROPERTIES", rendered.stdout)

    def test_presets_are_found_and_hold(self):
        script = """
import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
source = Gst.ElementFactory.make("ditsrc")
names = source.get_preset_names()
assert {"Draft", "Fine", "Film of the steps", "Live"} <= set(names), names
for name in names:
    assert source.load_preset(name), name
    print(name, source.get_meta(name, "comment"))
painter = Gst.ElementFactory.make("ditfilter")
assert {"Retouch", "Redraw", "Fill", "Flicker"} == set(painter.get_preset_names()), painter.get_preset_names()
assert painter.load_preset("Fill") and (painter.props.mask, painter.props.strength) == (True, 1)
assert painter.load_preset("Flicker") and painter.props.seed_mode.value_nick == "advance"
assert source.load_preset("Film of the steps")
assert (source.props.steps, source.props.hold, source.props.emit.value_nick) == (16, 10, "steps")
"""
        done = self.gst("/usr/bin/python3", "-c", script, GST_PRESET_PATH=self.prefix / "share/gstreamer-1.0/presets",
                        HOME=self.prefix)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_messages_speak_the_users_language(self):
        # Not by gst-launch-1.0: an error in the instant before its main loop runs leaves it waiting for ever.
        script = f"""
import locale
import gi
locale.setlocale(locale.LC_ALL, "")
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
pipeline = Gst.parse_launch("{LAUNCH} ! video/x-raw,width=33 ! fakesink")
pipeline.set_state(Gst.State.PAUSED)
error = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.ERROR)
print(error.parse_error().gerror.message)
pipeline.set_state(Gst.State.NULL)
"""
        # glibc 2.41 translates nothing in C.UTF-8, so that locale is lent another name; no other one need be installed.
        locales = self.prefix.parent / "locales"
        locales.mkdir()
        (locales / "de_DE.UTF-8").symlink_to("/usr/lib/locale/C.utf8")
        for language, text in (("en", "no common format"), ("de", "kein gemeinsames Format")):
            done = self.gst("/usr/bin/python3", "-c", script, LOCPATH=locales, LC_ALL="de_DE.UTF-8", LANGUAGE=language)
            self.assertIn(text, done.stdout, done.stderr)

    def test_catalogues_have_every_string(self):
        used = set()
        for path in (SOURCE / "plugin").rglob("*.cpp"):
            used |= set(re.findall(r'\btr\("((?:[^"\\]|\\.)*)"\)', path.read_text(encoding="utf-8")))
        self.assertTrue(used)
        for catalogue in (SOURCE / "plugin/po").glob("*.po"):
            with self.subTest(catalogue.name):
                ids = set(re.findall(r'^msgid "(.+)"$', catalogue.read_text(encoding="utf-8"), re.M))
                self.assertEqual(ids, used)
                checked = run("msgfmt", "--check", "-o", os.devnull, catalogue, LC_ALL="C")
                self.assertEqual((checked.returncode, checked.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
