# SPDX-License-Identifier: MIT
"""The floors of the house stay apart, and every file follows the rules of the tree."""
import concurrent.futures
import os
import re
import shlex
import subprocess
import tempfile
import unittest

from support.places import BUILD, SOURCE, source_files

CXX = os.environ.get("DIT_CXX", "c++")
# Kernels that only serve another one, and which: they carry no op of their own.
HELPER_KERNELS = {"norm_stats": "modulated_linear", "overlap_add": "final", "dispatch": "modulated_linear",
                  "persistent": "combine"}
# Kernels that no program runs, and what tests them.
MEASURING_KERNELS = {"ceiling": "measure_ceilings"}
TEXT = {".cpp", ".h", ".in", ".comp", ".glsl", ".py", ".sh", ".md", ".txt", ".cmake", ""}
WITHOUT_SPDX = {"LICENSE", ".gitignore", ".clang-format", ".gitattributes"}


def relative(path):
    return str(path.relative_to(SOURCE))


def read(path):
    return path.read_text(encoding="utf-8")


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def without_strings_and_comments(text):
    return without_comments(re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text))


class Structure(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = source_files()
        cls.names = {relative(p) for p in cls.files}

    def under(self, folder, *suffixes):
        found = [p for p in self.files if relative(p).startswith(folder + "/") and p.suffix in suffixes]
        self.assertTrue(found, f"no {suffixes} files under {folder}/")
        return found

    def test_plugin_knows_no_vulkan(self):
        for path in self.under("plugin", ".cpp", ".h"):
            code = read(path)
            self.assertNotRegex(code, r"#\s*include[^\n]*vulkan", relative(path))
            self.assertNotRegex(without_strings_and_comments(code), r"(?i)vulkan|\bvk[A-Z]\w+|\bVk[A-Z]\w+", relative(path))

    def test_plugin_includes_one_engine_header(self):
        for path in self.under("plugin", ".cpp", ".h"):
            headers = set(re.findall(r'#\s*include\s*"(engine/[^"]+)"', read(path)))
            self.assertLessEqual(headers, {"engine/session/session.h"}, relative(path))

    def test_engine_knows_no_gstreamer(self):
        for path in self.under("engine", ".cpp", ".h"):
            code = read(path)
            self.assertNotRegex(code, r"#\s*include\s*[<\"](gst|glib|gobject|gio)", relative(path))
            self.assertNotRegex(without_strings_and_comments(code), r"\bgst_\w+|\bGst[A-Z]\w+|\bg_[a-z]\w+\(", relative(path))

    def test_every_kernel_has_op_test_and_build_line(self):
        recorder = read(SOURCE / "engine/network/recorder.cpp")
        build = read(SOURCE / "shaders/CMakeLists.txt")
        tests = "\n".join(read(p) for p in self.under("tests", ".cpp"))
        ops = set(re.findall(r'"([a-z]+(?:_[a-z]+)*)"', re.search(r"kernel_name\(.*?\n}", recorder, re.S).group()))
        self.assertGreaterEqual(len(ops), 9, "kernel_name() in engine/network/recorder.cpp")
        kernels = {p.stem for p in self.under("shaders", ".comp")}
        self.assertEqual(ops, kernels - set(HELPER_KERNELS) - set(MEASURING_KERNELS), "ops of the recorder, and shaders/*.comp")
        for kernel in sorted(kernels):
            self.assertRegex(build, rf"\b{kernel}\b", f"{kernel} in shaders/CMakeLists.txt")
            if kernel in MEASURING_KERNELS:
                self.assertIn(MEASURING_KERNELS[kernel], tests, f"{MEASURING_KERNELS[kernel]} in tests/")
                continue
            op = HELPER_KERNELS.get(kernel, kernel)
            camel = "".join(part.capitalize() for part in op.split("_"))
            self.assertRegex(tests, rf"\bop::{camel}\b", f"op::{camel} in tests/")

    def test_every_configuration_key_is_described(self):
        code = read(SOURCE / "engine/model/model.cpp")
        keys = set(re.findall(r'reader\.(?:get|size|choice|has)(?:<[^()]*?>)?\(\s*"(\w+)"', code))
        self.assertGreater(len(keys), 40)
        table = read(SOURCE / "models/README.md").split("## Configuration")[1].split("## Tensors")[0]
        self.assertEqual(keys - set(re.findall(r"`(\w+)`", table)), set(), "keys that models/README.md does not describe")

    def test_every_test_in_the_table_of_mistakes_exists(self):
        named = set(re.findall(r"`([A-Z]\w+)\.([A-Z]\w+)`", read(SOURCE / "tests/README.md")))
        self.assertGreater(len(named), 30)
        there = set()
        for path in self.under("tests", ".cpp"):
            there |= set(re.findall(r"\bTEST(?:_[FP])?\((\w+), (\w+)\)", read(path)))
        self.assertEqual(named - there, set(), "tests that tests/README.md names")

    def test_each_header_compiles_alone(self):
        packages = subprocess.run(["pkg-config", "--cflags", "gstreamer-1.0", "gstreamer-base-1.0", "gstreamer-video-1.0"],
                                  capture_output=True, text=True, check=True).stdout
        flags = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-DFMT_HEADER_ONLY=1", f"-I{SOURCE}", *shlex.split(packages)]
        built = read(BUILD / "build.ninja")
        # Highway's "-inl.h" files are compiled once for each instruction set, from within their .cpp only.
        headers = [p for folder in ("engine", "plugin", "shaders") for p in self.under(folder, ".h")
                   if not p.name.endswith("-inl.h")]

        def proven_by_the_build(header):
            """Whether a .cpp of the build begins with this header: it compiled with nothing before it. Twice is as once."""
            unit = header.with_suffix(".cpp")
            if not unit.exists() or relative(unit) not in built or not re.search(r"^#pragma once$", read(header), re.M):
                return False
            first = re.search(r"^\s*#\s*(.*)", without_comments(read(unit)), re.M)
            return first is not None and first.group(1).split()[-1] == f'"{relative(header)}"'

        def compile_alone(header):
            with tempfile.NamedTemporaryFile("w", suffix=".cpp") as unit:
                unit.write(f'#include "{relative(header)}"\n#include "{relative(header)}"\n')
                unit.flush()
                done = subprocess.run([CXX, *flags, unit.name], capture_output=True, text=True)
            return relative(header), done.returncode, done.stderr

        left = [header for header in headers if not proven_by_the_build(header)]
        self.assertLess(len(left), len(headers) / 2, "headers begin their own .cpp; compiling each apart takes long")
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for name, status, errors in pool.map(compile_alone, left):
                with self.subTest(name):
                    self.assertEqual(status, 0, errors)

    def test_licence_line_comes_first(self):
        for path in self.files:
            if path.suffix not in TEXT or path.name in WITHOUT_SPDX:
                continue
            lines = read(path).splitlines()[:2]
            first = lines[1] if lines and lines[0].startswith("#!") and len(lines) > 1 else (lines or [""])[0]
            with self.subTest(relative(path)):
                self.assertIn("SPDX-License-Identifier: MIT", first)

    def test_no_machine_paths(self):
        for path in self.files:
            if path.suffix not in TEXT | {".json"}:
                continue
            for number, line in enumerate(read(path).splitlines(), 1):
                self.assertNotRegex(line, r"/(?:tmp|work|root|home)/", f"{relative(path)}:{number}")

    def test_nothing_built_is_tracked(self):
        built = [name for name in self.names if re.search(r"\.(spv|o|a|so|pyc)$", name)]
        self.assertEqual(built, [])

    def test_scripts_can_be_run(self):
        for path in self.files:
            if path.suffix == ".sh" or relative(path) == ".ci/run":
                with self.subTest(relative(path)):
                    self.assertTrue(os.access(path, os.X_OK), "not executable")
                    self.assertEqual(subprocess.run(["bash", "-n", path]).returncode, 0)

    def test_every_pipeline_is_described_and_tested(self):
        tests = read(SOURCE / "tests/scripts/pipelines_test.py")
        for path in self.under("pipelines", ".sh"):
            self.assertIn(f"[{path.name}]({path.name})", read(path.parent / "README.md"))
            self.assertIn(f'"{relative(path).removeprefix("pipelines/")}"', tests)


if __name__ == "__main__":
    unittest.main(verbosity=2)
