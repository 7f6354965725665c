# SPDX-License-Identifier: MIT
"""Which extensions for matrices are built for: what configuring makes of a compiler that knows the KHR one, or not."""
import pathlib
import shutil
import stat
import subprocess
import tempfile
import unittest

from support.places import SOURCE

# The real compiler, but for what it says of GL_KHR_cooperative_matrix: it takes it, or not, whichever it would.
COMPILER = """#!/bin/sh
case "$*" in
  *khr*.comp*|*MATRIX_KHR*) exit {status} ;;
esac
exec {glslc} "$@"
"""
KERNELS = ("dispatch", "persistent", "ceiling")


class Matrices(unittest.TestCase):
    def built(self, status):
        """The matrix kernels that a build has, configured with a compiler that ends so for the KHR extension."""
        with tempfile.TemporaryDirectory() as folder:
            scratch = pathlib.Path(folder)
            glslc = scratch / "glslc"
            glslc.write_text(COMPILER.format(status=status, glslc=shutil.which("glslc")), encoding="utf-8")
            glslc.chmod(glslc.stat().st_mode | stat.S_IXUSR)
            (scratch / "CMakeLists.txt").write_text(
                "cmake_minimum_required(VERSION 3.25)\nproject(probe LANGUAGES CXX)\n"
                f"add_subdirectory({SOURCE}/shaders shaders)\n", encoding="utf-8")
            done = subprocess.run(["cmake", "-G", "Ninja", "-S", scratch, "-B", scratch / "build", f"-DGLSLC={glslc}"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            table = (scratch / "build/shaders/spirv.cpp").read_text(encoding="utf-8")
            names = {f"{kernel}_matrix_{way}" for kernel in KERNELS for way in ("nv", "khr")}
            return {name for name in names if f'"{name}"' in table}

    def test_a_compiler_that_does_not_know_khr_builds_nv_alone(self):
        self.assertEqual(self.built(status=1), {f"{kernel}_matrix_nv" for kernel in KERNELS})

    def test_a_compiler_that_knows_khr_builds_both(self):
        self.assertEqual(self.built(status=0), {f"{kernel}_matrix_{way}" for kernel in KERNELS for way in ("nv", "khr")})


if __name__ == "__main__":
    unittest.main(verbosity=2)
