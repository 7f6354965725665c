# SPDX-License-Identifier: MIT
"""Kernels with KHR matrices, which the build makes of NV's: what a newer compiler and validator say of them."""
import hashlib
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from support.places import BUILD, SOURCE

KERNELS = {"ceiling": ("measure/ceiling.comp", "-O"), "dispatch": ("fused/dispatch.comp", "-O0"),
           "persistent": ("fused/persistent.comp", "-O0")}
# extension.glsl for a compiler that knows the KHR extension.
NATIVE = """
#pragma use_vulkan_memory_model
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_cooperative_matrix : require
#define Lhs coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA>
#define Rhs coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB>
#define Accumulator coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>
#define LOAD_BY_ROW(m, memory, at, pitch) coopMatLoad(m, memory, at, pitch, gl_CooperativeMatrixLayoutRowMajor)
#define STORE_ACCUMULATOR(m, memory, at) coopMatStore(m, memory, at, 16u, gl_CooperativeMatrixLayoutRowMajor)
#define MULTIPLY_ADD coopMatMulAdd
"""
# What says nothing to a driver.
DEBUG = r"Op(Name|MemberName|Source|SourceExtension|String|Line|NoLine|ModuleProcessed)\b"
# Known by what they say, in whichever order: types and constants that nobody sets.
DECLARED = r"Op(Type\w+|Constant\w*|SpecConstantOp|SpecConstantComposite|Undef)$"
# Operand that is a layout: a whole number, signed or not.
LAYOUTS = {"OpCooperativeMatrixLoadKHR": 5, "OpCooperativeMatrixStoreKHR": 3}


def knows(tool, name, text):
    """Whether a program compiles it."""
    if not shutil.which(tool):
        return False
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / name
        source.write_text(text, encoding="utf-8")
        return subprocess.run([tool, source, "-o", "/dev/null"], capture_output=True).returncode == 0


class Meaning:
    """A module's instructions, with ids that do not depend on which were given out before."""

    def __init__(self, assembly):
        self.names, self.values, self.counted = {}, {}, 0
        decorations, self.instructions = [], []
        for line in assembly.splitlines():
            words = re.findall(r'"[^"]*"|\S+', line)
            if not words or re.match(DEBUG, words[0]):
                continue
            if words[0].startswith(("OpDecorate", "OpMemberDecorate", "OpEntryPoint", "OpExecutionMode")):
                decorations.append(words)  # what they name comes later
            elif len(words) > 2 and re.match(DECLARED, words[2]):
                said = " ".join(map(self.name, words[2:]))
                self.names[words[0]] = f"<{said}>" if len(said) < 200 else hashlib.sha256(said.encode()).hexdigest()
                self.values[words[0]] = words[-1]
            else:
                self.add(words)
        self.decorations = sorted(" ".join(map(self.name, words)) for words in decorations)

    def name(self, word):
        if not word.startswith("%"):
            return word
        if word not in self.names:
            self.counted += 1
            self.names[word] = f"%{self.counted}"
        return self.names[word]

    def add(self, words):
        named = [self.name(word) for word in words]
        for at, word in enumerate(words):
            if word in LAYOUTS:
                named[LAYOUTS[word]] = "layout " + self.values[words[LAYOUTS[word]]]
        self.instructions.append(" ".join(named))


class Matrices(unittest.TestCase):
    def compiled(self, name, level, root, scratch):
        binary = scratch / f"{name}.spv"
        subprocess.run(["glslc", level, "--target-env=vulkan1.3", "-DMATRIX_KHR", f"-I{root}", f"-I{BUILD}/shaders",
                        root / "shaders" / KERNELS[name][0], "-o", binary], check=True)
        return binary

    def meaning(self, binary):
        shown = subprocess.run(["spirv-dis", "--raw-id", "--no-header", binary], check=True, capture_output=True, text=True)
        return Meaning(shown.stdout)

    @unittest.skipUnless(knows("glslc", "a.comp", "#version 450\n#extension GL_KHR_cooperative_matrix : require\nvoid main() {}\n"),
                         "this glslc does not know GL_KHR_cooperative_matrix")
    def test_are_those_of_a_compiler_that_knows_khr(self):
        with tempfile.TemporaryDirectory() as folder:
            scratch = pathlib.Path(folder)
            shutil.copytree(SOURCE / "shaders", scratch / "native/shaders")
            (scratch / "native/shaders/fused/matrix/extension.glsl").write_text(NATIVE, encoding="utf-8")
            for name, (_, level) in KERNELS.items():
                with self.subTest(name):
                    rewritten = scratch / "rewritten.spv"
                    subprocess.run([BUILD / "shaders/khr_matrices", self.compiled(name, level, SOURCE, scratch), rewritten],
                                   check=True)
                    ours = self.meaning(rewritten)
                    native = self.meaning(self.compiled(name, level, scratch / "native", scratch))
                    self.assertEqual(ours.decorations, native.decorations)
                    self.assertEqual(len(ours.instructions), len(native.instructions))
                    for mine, theirs in zip(ours.instructions, native.instructions):
                        self.assertEqual(mine, theirs)

    @unittest.skipUnless(knows("spirv-as", "a.spvasm", "OpCapability CooperativeMatrixKHR\n"),
                         "this spirv-val does not know SPV_KHR_cooperative_matrix")
    def test_are_valid(self):
        for name in KERNELS:
            subprocess.run(["spirv-val", "--target-env", "vulkan1.3", BUILD / f"shaders/{name}_matrix_khr.spv"], check=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
