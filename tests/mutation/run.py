#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the mistakes of mutants.py one at a time, in copies of the tree, and prints which test notices each.

  tests/mutation/run.py [--jobs N] [--only REGEX] [--readme]

Succeeds if every mutant is caught. Needs a Vulkan device (Mesa's llvmpipe will do) and, for the products of integers, AVX-512 VNNI. The copies, with a build tree each, are in build/mutation/ and make the next run quicker.
"""
import argparse
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import threading
import time

from mutants import table

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SCRATCH = SOURCE / "build/mutation"
TEST_LIMIT_S = 600
# Where the quick tests of a mutant see nothing.
WIDE = ("Executors/*:Quantised.*:Noise.*:Sampler.*:Cpu*:Int8.*:Wts1*:RecorderTest.*:AcrossExecutors.*:Diffusor.*"
        ":-*ReadmeSize*:*Faults*:*LostDevice*:*ThirtyTwoDdpmSteps*/vulkan")


class Broken(Exception):
    """The check itself is at fault, not a mutant."""


def place(text, mutant):
    """Number of the line that a mutant changes."""
    lines = [line.strip() for line in text.splitlines()]
    found = [i for i, line in enumerate(lines) if line == mutant.line
             and (not mutant.previous or (i > 0 and lines[i - 1] == mutant.previous))
             and (not mutant.next or (i + 1 < len(lines) and lines[i + 1] == mutant.next))]
    if len(found) != 1:
        raise Broken(f"{mutant.file}: expected the line once, found it {len(found)} times: {mutant.line}"
                     + (f"  (below: {mutant.previous})" if mutant.previous else "")
                     + (f"  (above: {mutant.next})" if mutant.next else ""))
    return found[0]


def around(mutant):
    """What tells the line from others of its kind."""
    if mutant.previous:
        return f"    (below {mutant.previous})"
    return f"    (above {mutant.next})" if mutant.next else ""


def mutated(text, mutant):
    lines = text.splitlines(keepends=True)
    lines[place(text, mutant)] = mutant.to + "\n"
    return "".join(lines)


def tracked():
    done = subprocess.run(["git", "-C", SOURCE, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True,
                          check=True)
    return done.stdout.splitlines()


class Copy:
    """A copy of the tree with a build tree of its own."""

    def __init__(self, number):
        self.root = SCRATCH / str(number)
        self.source, self.build = self.root / "source", self.root / "build"
        self.log = self.root / "log"

    def update(self):
        """Takes the tree over as it is now."""
        self.root.mkdir(parents=True, exist_ok=True)
        names = set(tracked())
        if self.source.exists():
            for old in self.source.rglob("*"):
                if old.is_file() and str(old.relative_to(self.source)) not in names:
                    old.unlink()
        for name in names:
            wanted, there = SOURCE / name, self.source / name
            if not wanted.is_file():
                continue
            content = wanted.read_bytes()
            if name == "shaders/CMakeLists.txt":  # fused kernels in f32 and emulated: no test of a mutant runs the others
                content = b"".join(line for line in content.splitlines(keepends=True) if not re.search(rb" (HALF|MATRIX_\w+)\)", line))
                content = content.replace(b"foreach(kind emulated nv khr)", b"foreach(kind emulated)")
            if there.is_file() and there.read_bytes() == content:
                continue  # an old file keeps its age, and what was built from it
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(content)
            shutil.copymode(wanted, there)

    def prepare(self, jobs):
        self.call(["cmake", "-S", self.source, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                   "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG", "-DDIT_BUILD_PLUGIN=OFF", "-DDIT_BUILD_TESTS=ON"])
        if not self.make(jobs):
            raise Broken(f"the tree does not build unchanged, see {self.log}")

    def environment(self):
        # Copies share what a compiler cache holds; fused kernels are tested on software devices too.
        return dict(os.environ, CCACHE_BASEDIR=str(self.root), CCACHE_NOHASHDIR="1", DIT_TEST_ALL_FUSIONS="1")

    def call(self, command, limit_s=None):
        with open(self.log, "w", encoding="utf-8") as log:
            return subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=self.environment(), timeout=limit_s,
                                  stdin=subprocess.DEVNULL).returncode

    def make(self, jobs):
        return self.call(["cmake", "--build", self.build, "--target", "dit_tests", "-j", str(jobs)]) == 0

    def test(self, tests):
        """(name of the first test that failed or None, names of those that passed, names of those skipped)."""
        try:
            status = self.call([self.build / "dit_tests", f"--gtest_filter={tests}", "--gtest_fail_fast"], TEST_LIMIT_S)
        except subprocess.TimeoutExpired:
            status = None
        output = self.log.read_text(encoding="utf-8", errors="replace")

        def named(tag):
            return re.findall(rf"^\[ *{tag} *\] ([\w./]+)(?: \(|,|$)", output, re.M)
        passed, skipped, failed = named("OK"), named("SKIPPED"), named("FAILED")
        if status == 0:
            return None, passed, skipped
        running = re.findall(r"^\[ RUN +\] ([\w./]+)$", output, re.M)
        if failed:
            return failed[0], passed, skipped
        how = "hangs in" if status is None else "ends the process in"
        return f"{how} {running[-1] if running else tests}", passed, skipped


def check_unchanged(copy, mutants):
    """Every test that a mutant names runs and passes on the tree as it is."""
    for tests in sorted({name for mutant in mutants for name in mutant.tests.split(":")}):
        failed, passed, skipped = copy.test(tests)
        if failed or skipped or not passed:
            what = f"fails: {failed}" if failed else f"is skipped: {', '.join(skipped)}" if skipped else "fits no test"
            raise Broken(f"on the unchanged tree {tests} {what}; see {copy.log}")


def try_one(copy, mutant):
    """Name of the test that catches it, or None."""
    path = copy.source / mutant.file
    original = path.read_text(encoding="utf-8")
    path.write_text(mutated(original, mutant), encoding="utf-8")
    try:
        if not copy.make(1):
            raise Broken(f"{mutant.file}: does not build with: {mutant.to}; see {copy.log}")
        caught = copy.test(mutant.tests)[0]
        if not caught:
            caught = copy.test(WIDE)[0]
            if caught and caught.startswith("hangs"):  # perhaps only slow, as they are many
                raise Broken(f"{mutant.file}: survives its tests, and the others take over {TEST_LIMIT_S} s; see {copy.log}")
        return caught
    finally:
        path.write_text(original, encoding="utf-8")


def work(copy, files, results, report):
    while True:
        try:
            mutants = files.get_nowait()
        except queue.Empty:
            return
        for mutant in mutants:
            start = time.monotonic()
            try:
                results[mutant] = try_one(copy, mutant)
                report(mutant, results[mutant] or "SURVIVED", time.monotonic() - start)
            except Broken as problem:
                results[mutant] = problem
                report(mutant, problem, time.monotonic() - start)


def as_text(results):
    """The list, file by file: the line, what stood there instead, who noticed."""
    text, file = [], None
    for number, (mutant, caught) in enumerate(results.items(), 1):
        if mutant.file != file:
            file = mutant.file
            text.append(f"{file}")
        text += [f"  {number:3} {mutant.line}{around(mutant)}", f"   -> {mutant.to or '(nothing)'}",
                 f"      {'caught by ' + caught if isinstance(caught, str) else caught or 'SURVIVED'}"]
    return "\n".join(text) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="copies of the tree at work; default 2")
    parser.add_argument("--as-copied", action="store_true", help="take the copies as the last run left them, and trust them")
    parser.add_argument("--only", default="", metavar="REGEX", help="only mutants with this in `file: line`")
    parser.add_argument("--readme", action="store_true", help="also put the list into the README beside this")
    options = parser.parse_args()
    mutants = [m for m in table() if re.search(options.only, f"{m.file}: {m.line}")]
    for mutant in mutants:
        place((SOURCE / mutant.file).read_text(encoding="utf-8"), mutant)
    start = time.monotonic()
    copies = [Copy(number) for number in range(options.jobs)]
    for copy in copies:
        if not options.as_copied:
            copy.update()
    for copy in copies:
        copy.prepare(os.cpu_count())
    if not options.as_copied:
        check_unchanged(copies[0], mutants)
    print(f"{options.jobs} copies of the tree built and tested as they are: {time.monotonic() - start:.0f} s", flush=True)

    start = time.monotonic()
    by_file = {}
    for mutant in mutants:
        by_file.setdefault(mutant.file, []).append(mutant)
    files = queue.Queue()
    for group in sorted(by_file.values(), key=len, reverse=True):
        files.put(group)
    results, lock = dict.fromkeys(mutants), threading.Lock()

    def report(mutant, what, seconds):
        with lock:
            print(f"{seconds:5.0f} s  {mutant.file}: {mutant.line}\n         -> {mutant.to or '(nothing)'}\n         {what}", flush=True)
    threads = [threading.Thread(target=work, args=(copy, files, results, report)) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = as_text(results)
    if options.readme:
        readme = pathlib.Path(__file__).with_name("README.md")
        before, rest = readme.read_text(encoding="utf-8").split("```text\n")
        readme.write_text(f"{before}```text\n{text}```{rest.split('```', 1)[1]}", encoding="utf-8")
    caught = sum(isinstance(result, str) for result in results.values())
    print(f"\n{text}\n{caught} of {len(results)} caught, {time.monotonic() - start:.0f} s")
    return 0 if caught == len(results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Broken as problem:
        sys.exit(f"mutation: {problem}")
