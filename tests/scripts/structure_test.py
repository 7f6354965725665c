# SPDX-License-Identifier: MIT
"""The floors of the house stay apart, and every file follows the rules of the tree."""
import collections
import concurrent.futures
import os
import re
import shlex
import subprocess
import tempfile
import unittest

from support.code import Source, identifiers, without_comments_and_strings, words
from support.places import BUILD, SOURCE, source_files

CXX = os.environ.get("DIT_CXX", "c++")
# Kernels that only serve another one, and which: they carry no op of their own.
HELPER_KERNELS = {"norm_stats": "modulated_linear", "overlap_add": "final", "dispatch": "modulated_linear",
                  "persistent": "combine"}
# Kernels that no program runs, and what tests them.
MEASURING_KERNELS = {"ceiling": "measure_ceilings"}
TEXT = {".cpp", ".h", ".in", ".comp", ".glsl", ".py", ".sh", ".bash", ".md", ".txt", ".cmake", ""}
WITHOUT_SPDX = {"LICENSE", ".gitignore", ".clang-format", ".gitattributes"}

CODE = {".cpp", ".h", ".in", ".comp", ".glsl", ".py", ".sh", ".bash", ".txt"}
MOST_LINES, MOST_FILES, MOST_LINES_OF_A_FUNCTION = 400, 20, 60
# Folders of data, where a number of files says nothing.
DATA_FOLDERS = r"tests/golden|tests/fuzz/corpus/\w+|pipelines/images"
# Headers whose functions are defined elsewhere, and why.
HEADERS_OF_OTHERS = {
    "engine/cli/commands/commands.h": "the list of commands, each in the file of its name",
    "shaders/spirv.h": "CMake fills in shaders/spirv.cpp.in",
}
# Identifiers with a word that engine/README.md's glossary keeps out, and whose they are.
WORDS_OF_OTHERS = {
    r"GST_RESOURCE_ERROR_NO_SPACE_LEFT|num_buffers_left": "GStreamer",
    r"GetLane|Lanes|MaxLanes|MaxOfLanes|SumOfLanes|ShiftLeft": "Highway",
    r"eGpuAssistedReserveBindingSlot": "Vulkan",
}


def relative(path):
    return str(path.relative_to(SOURCE))


def read(path):
    return path.read_text(encoding="utf-8")


def first_directive(path):
    """What a file includes, defines … first: `include "engine/error.h"`."""
    code = re.sub(r"//[^\n]*|/\*.*?\*/", "", read(path), flags=re.S)
    found = re.search(r"^\s*#\s*(.*)", code, re.M)
    return found.group(1) if found else ""


class TreeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = source_files()
        cls.names = {relative(p) for p in cls.files}

    def under(self, folder, *suffixes):
        found = [p for p in self.files if relative(p).startswith(folder + "/") and p.suffix in suffixes]
        self.assertTrue(found, f"no {suffixes} files under {folder}/")
        return found


class Structure(TreeTest):
    def test_plugin_knows_no_vulkan(self):
        for path in self.under("plugin", ".cpp", ".h"):
            code = read(path)
            self.assertNotRegex(code, r"#\s*include[^\n]*vulkan", relative(path))
            self.assertNotRegex(without_comments_and_strings(code), r"(?i)vulkan|\bvk[A-Z]\w+|\bVk[A-Z]\w+", relative(path))

    def test_plugin_includes_one_engine_header(self):
        for path in self.under("plugin", ".cpp", ".h"):
            headers = set(re.findall(r'#\s*include\s*"(engine/[^"]+)"', read(path)))
            self.assertLessEqual(headers, {"engine/session/session.h"}, relative(path))

    def test_engine_knows_no_gstreamer(self):
        for path in self.under("engine", ".cpp", ".h"):
            code = read(path)
            self.assertNotRegex(code, r"#\s*include\s*[<\"](gst|glib|gobject|gio)", relative(path))
            self.assertNotRegex(without_comments_and_strings(code), r"\bgst_\w+|\bGst[A-Z]\w+|\bg_[a-z]\w+\(", relative(path))

    def test_json_is_written_in_one_place(self):
        """nlohmann's dump() throws at bytes that are no UTF-8, and any name may have those."""
        found = [str(p.relative_to(SOURCE)) for p in sorted((SOURCE / "engine").rglob("*.cpp")) if ".dump(" in p.read_text()]
        self.assertEqual(found, ["engine/model/json_text.cpp"])

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
        keys = set(re.findall(r'reader\.(?:get|size|real|choice|has)(?:<[^()]*?>)?\(\s*"(\w+)"', code))
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
            return first_directive(unit) == f'include "{relative(header)}"'

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


class Limits(TreeTest):
    """How long and how full things may be, and that what a header declares is found in the file of its name."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sources = {relative(p): Source(read(p)) for p in cls.files if re.match(r"(engine|plugin|shaders)/.*\.(cpp|h)$",
                                                                                  relative(p))}

    def test_files_are_short(self):
        long = {relative(p): lines for p in self.files if p.suffix in CODE
                if (lines := read(p).count("\n")) > MOST_LINES}
        self.assertEqual(long, {}, f"files of more than {MOST_LINES} lines")

    def test_folders_are_small(self):
        count = collections.Counter(os.path.dirname(name) for name in self.names)
        full = {folder: files for folder, files in count.items()
                if files > MOST_FILES and not re.fullmatch(DATA_FOLDERS, folder)}
        self.assertEqual(full, {}, f"folders of more than {MOST_FILES} files")

    def test_functions_are_short(self):
        self.assertEqual([name for name, source in self.sources.items() if not source.balanced], [], "braces not understood")
        self.assertGreater(sum(len(source.functions) for source in self.sources.values()), 1000)
        long = {f"{name}:{f.line} {f.name}": f.lines for name, source in self.sources.items() for f in source.functions
                if f.lines > MOST_LINES_OF_A_FUNCTION}
        self.assertEqual(long, {}, f"functions of more than {MOST_LINES_OF_A_FUNCTION} lines")

    def test_a_source_begins_with_its_header(self):
        with_header = {name: name.removesuffix("cpp") + "h" for name in self.sources
                       if name.endswith(".cpp") and name.removesuffix("cpp") + "h" in self.sources}
        self.assertGreater(len(with_header), 100)
        for name, header in with_header.items():
            with self.subTest(name):
                self.assertEqual(first_directive(SOURCE / name), f'include "{header}"')

    def test_what_a_header_declares_is_in_the_file_of_its_name(self):
        """X.h's functions are defined in X.h or X.cpp, or in X_part.cpp beside it where one file would be too long."""
        homes = collections.defaultdict(set)
        for name, source in self.sources.items():
            for function in source.functions:
                if not function.is_private:
                    homes[function.name].add(name)
        checked = 0
        for header, source in self.sources.items():
            if not header.endswith(".h") or header in HEADERS_OF_OTHERS:
                continue
            checked += len(source.declared)
            of_its_name = re.compile(re.escape(header.removesuffix(".h")) + r"(_\w+)?\.(cpp|h)")
            astray = {declared: sorted(homes[declared]) for declared in source.declared
                      if not any(of_its_name.fullmatch(home) for home in homes[declared])}
            with self.subTest(header):
                self.assertEqual(astray, {}, "functions, and where they are defined")
        self.assertGreater(checked, 300)
        self.assertEqual(set(HEADERS_OF_OTHERS) - set(self.sources), set(), "headers that are not there")

    def test_the_reader_of_code_understands_it(self):
        found = Source("""
            namespace a { namespace {
            struct S : B<int> { int x{1}; void in_class(int a = 2) const noexcept { if (x) { } }
              explicit S(int i) : x{i}, y(i) { } };  // }
            #define LONG(x) do { \\
              } while (0)
            const int list[] = {1, 2, (3)};
            }
            FIRST_MACRO (Name, "{")
            template <class T>
            auto S::outer(std::function<void(T)> f) -> int {
              const auto lambda = [&](int i) { return R"x({{{)x"; };
              struct Local { void none() { } };
              return '{' + 1'000;
            }
            int declared(int); static void own(void) { }
            }""")
        self.assertTrue(found.balanced)
        self.assertEqual([(f.name, f.lines, f.is_private) for f in found.functions],
                         [("LONG", 2, True), ("a::S::in_class", 1, True), ("a::S::S", 1, True), ("a::S::outer", 6, False),
                          ("a::own", 1, True)])
        self.assertEqual(found.declared, ["a::declared"])


class Glossary(TreeTest):
    """engine/README.md says which word is used for what, and which are not: | say | for | not |, those in backticks."""

    def unwanted(self):
        table = read(SOURCE / "engine/README.md").split("\n| say | for | not |\n")[1].split("\n\n")[0]
        found = {word for row in table.splitlines()[1:] for word in re.findall(r"`([a-z]+)`", row.split("|")[3])}
        self.assertGreaterEqual(len(found), 8, "words in backticks in the column `not`")
        return found | {word + "s" for word in found}

    def test_words_that_are_not_used(self):
        unwanted, allowed = self.unwanted(), set()
        for path in [p for folder in ("engine", "shaders", "plugin") for p in self.under(folder, ".cpp", ".h", ".comp", ".glsl")]:
            code = read(path)
            of_vulkan = {"lane"} if re.search(r"\blane = gl_SubgroupInvocationID\b", code) else set()
            wrong = {}
            for name in {*identifiers(code), path.stem} - of_vulkan:
                found = unwanted.intersection(words(name))
                of_others = [pattern for pattern in WORDS_OF_OTHERS if re.fullmatch(pattern, name)]
                allowed.update(of_others)
                if found and not of_others:
                    wrong[name] = sorted(found)
            with self.subTest(relative(path)):
                self.assertEqual(wrong, {}, "engine/README.md has other words for these")
        self.assertEqual(set(WORDS_OF_OTHERS) - allowed, set(), "allowances that nothing needs")


if __name__ == "__main__":
    unittest.main(verbosity=2)
