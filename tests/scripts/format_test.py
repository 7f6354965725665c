# SPDX-License-Identifier: MIT
"""Every C++ file is formatted as .clang-format says."""
import subprocess
import sys

from support.places import SOURCE, source_files

files = [str(p) for p in source_files() if p.suffix in (".cpp", ".h")]
assert len(files) > 20, f"expected the project's C++ files, found {len(files)}"
done = subprocess.run(["clang-format", "--style=file", "--dry-run", "-Werror", *files], cwd=SOURCE)
print(f"{len(files)} files checked" if done.returncode == 0 else "run: clang-format -i on the files above")
sys.exit(done.returncode)
