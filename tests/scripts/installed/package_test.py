# SPDX-License-Identifier: MIT
"""`cpack -G DEB` makes three packages that hold what they should, need what they use, and work from /usr."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.places import BUILD, DIT  # noqa: E402

MISSING = [tool for tool in ("cpack", "dpkg-deb", "dpkg-shlibdeps") if shutil.which(tool) is None]


def run(*command, timeout=120, umask=-1, **environment):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout, umask=umask,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **{k: str(v) for k, v in environment.items()}})


@unittest.skipIf(MISSING, f"cannot make packages without {' and '.join(MISSING)} (Debian packages cmake, dpkg-dev)")
class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="ditsrc-packages-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        # Of whoever lets nobody see what he makes.
        done = run("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", cls.folder / "made", timeout=300,
                   umask=0o077)
        assert done.returncode == 0, done.stdout + done.stderr
        cls.packages = {file.name.split("_")[0]: file for file in (cls.folder / "made").glob("*.deb")}
        cls.version = run(DIT, "--version").stdout.split()[1]
        cls.root = cls.folder / "root"
        for package in cls.packages.values():
            assert run("dpkg-deb", "-x", package, cls.root).returncode == 0
        # As in a Debian of today, where GStreamer finds its plugins by this link.
        (cls.root / "lib").symlink_to("usr/lib")

    def field(self, package, name):
        return run("dpkg-deb", "-f", self.packages[package], name).stdout.strip()

    def names(self, package):
        listed = run("dpkg-deb", "-c", self.packages[package]).stdout
        return {line.split(maxsplit=5)[5].removeprefix("./") for line in listed.splitlines() if not line.endswith("/")}

    def test_there_are_three(self):
        self.assertEqual(set(self.packages), {"gstreamer1.0-dit", "dit", "dit-models"})
        for package in self.packages:
            self.assertEqual(self.field(package, "Version"), self.version)
        architecture = run("dpkg", "--print-architecture").stdout.strip()
        self.assertEqual([self.field(p, "Architecture") for p in ("dit", "gstreamer1.0-dit", "dit-models")],
                         [architecture, architecture, "all"])

    def test_everybody_may_read_it(self):
        for package, file in self.packages.items():
            modes = {line.split()[0] for line in run("dpkg-deb", "-c", file).stdout.splitlines()}
            self.assertLessEqual(modes, {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"}, package)

    def test_what_is_in_them(self):
        tool, plugin, models = (self.names(p) for p in ("dit", "gstreamer1.0-dit", "dit-models"))
        self.assertLessEqual({"usr/bin/dit", "usr/share/man/man1/dit.1.gz", "usr/share/zsh/vendor-completions/_dit",
                              "usr/share/bash-completion/completions/dit", "usr/share/fish/vendor_completions.d/dit.fish",
                              "usr/share/metainfo/io.github.ditsrc.dit.metainfo.xml"}, tool)
        self.assertLessEqual({"usr/share/gstreamer-1.0/presets/GstDitSrc.prs", "usr/share/man/man7/ditsrc.7.gz",
                              "usr/share/locale/de/LC_MESSAGES/ditsrc.mo"}, plugin)
        self.assertTrue(any(name.endswith("/gstreamer-1.0/libgstdit.so") for name in plugin), plugin)
        self.assertLessEqual({"usr/share/ditsrc/icons.safetensors", "usr/share/ditsrc/icons-small.safetensors",
                              "usr/share/doc/dit-models/icons.md"}, models)
        for package, names in (("dit", tool), ("gstreamer1.0-dit", plugin), ("dit-models", models)):
            self.assertLessEqual({f"usr/share/doc/{package}/copyright", f"usr/share/doc/{package}/changelog.gz"}, names)
        self.assertEqual(tool & plugin | tool & models | plugin & models, set())
        # All that a prefix install has is in some package, under the name that Debian has for it.
        prefix = self.folder / "prefix"
        self.assertEqual(run("cmake", "--install", BUILD, "--prefix", prefix).returncode, 0)
        installed = {str(p.relative_to(prefix)) for p in prefix.rglob("*") if p.is_file()}
        packed = {re.sub(r"(/man/.*)\.gz$", r"\1", name.removeprefix("usr/")).replace("vendor-completions", "site-functions")
                  for name in tool | plugin | models}
        self.assertEqual(installed - packed, set())

    def test_what_they_need(self):
        for package, libraries in (("dit", ("libc6", "libpng16-16", "libstdc++6")),
                                   ("gstreamer1.0-dit", ("libc6", "libgstreamer1.0-0", "libwebp7", "libgif7"))):
            needed = {part.split()[0]: part for part in self.field(package, "Depends").split(", ")}
            self.assertEqual(needed["dit-models"], f"dit-models (= {self.version})")
            for library in libraries:
                self.assertTrue(any(name in (library, library + "t64") for name in needed), f"{library}: {needed}")
        self.assertEqual(self.field("dit-models", "Depends"), "")
        # Opened at run time, so that all works without it.
        self.assertNotIn("vulkan", self.field("dit", "Depends") + self.field("gstreamer1.0-dit", "Depends"))

    def test_paint_from_where_they_are_unpacked(self):
        plugins = self.root / next(p for p in self.root.rglob("libgstdit.so")).parent.relative_to(self.root / "usr")
        home = {"HOME": "/nonexistent", "GST_REGISTRY": self.folder / "registry.bin", "GST_PLUGIN_PATH": plugins,
                "DIT_CACHE": ""}
        done = run("gst-launch-1.0", "-q", "ditsrc", "device=cpu", "prompt=rocket", "num-buffers=1", "!", "filesink",
                   f"location={self.folder / 'rocket'}", **home)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual((self.folder / "rocket").stat().st_size, 64 * 64 * 4)
        done = run(self.root / "usr/bin/dit", "generate", "--device", "cpu", "-p", "rocket", "-o", self.folder / "r.png",
                   **home)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_lintian_finds_nothing(self):
        if shutil.which("lintian") is None:
            self.skipTest("no lintian on this machine")
        done = run("lintian", "--allow-root", "--fail-on", "error,warning", *self.packages.values(), timeout=200)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
