# SPDX-License-Identifier: MIT
"""How long a stranger waits: `dit generate` from its start to its end, first with empty caches of ours and of the driver,
then again, and what guidance, a batch or a thousand files add. Each case in turn in every round; medians and spread.

    first_icons.py DIT MODEL [--device vulkan:0] [--rounds 5] [--count 1000] [--json FILE]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

# In the order of a round, which begins with empty caches: what a case builds is there for those after it.
CASES = {
    "cold": [],
    "again": [],
    "guidance, cold": ["--guidance", "2.5"],
    "guidance, again": ["--guidance", "2.5"],
    "batch of 8, cold": ["--count", "8", "--batch-size", "8"],
    "batch of 8, again": ["--count", "8", "--batch-size", "8"],
}
# Each with caches of its own, as one who asks for it by name would have.
ALONE = {
    "cold, f32": ["--precision", "f32"],
    "cold, f32, op": ["--precision", "f32", "--fusion", "op"],
}


class Bench:
    def __init__(self, options, scratch):
        self.options, self.scratch = options, scratch

    def environment(self, caches):
        return {**os.environ, "DIT_CACHE": str(caches / "dit"), "__GL_SHADER_DISK_CACHE_PATH": str(caches / "driver"),
                "MESA_SHADER_CACHE_DIR": str(caches / "driver"), "CUDA_CACHE_PATH": str(caches / "driver")}

    def seconds(self, caches, *arguments):
        (caches / "driver").mkdir(parents=True, exist_ok=True)
        pictures = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        command = [self.options.dit, "generate", "--model", self.options.model, "--device", self.options.device, "--seed", "1",
                   *arguments, "--output", str(pictures / "icon.png")]
        begin = time.monotonic()
        done = subprocess.run(command, env=self.environment(caches), capture_output=True, text=True, check=False)
        end = time.monotonic()
        if done.returncode:
            raise SystemExit(f"first_icons: {' '.join(command)}: {done.stderr}")
        self.note = (done.stderr + done.stdout).splitlines()[0]
        return end - begin

    def round(self, number, times):
        caches = self.scratch / f"caches-{number}"
        for name, arguments in CASES.items():
            times.setdefault(name, []).append(self.seconds(caches, *arguments))
        for name, arguments in ALONE.items():
            times.setdefault(name, []).append(self.seconds(self.scratch / f"caches-{number}-{name}", *arguments))

    def files_a_second(self):
        """Two lengths, so that the start drops out of the difference."""
        caches, count = self.scratch / "caches-0", self.options.count
        self.seconds(caches, "--count", str(count // 10))
        rates = []
        for _ in range(3):
            short, long = self.seconds(caches, "--count", str(count // 10)), self.seconds(caches, "--count", str(count))
            rates.append((count - count // 10) / (long - short))
        return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dit")
    parser.add_argument("model")
    parser.add_argument("--device", default="vulkan:0")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--json")
    options = parser.parse_args()
    times = {}
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(options, pathlib.Path(scratch))
        for number in range(options.rounds):
            bench.round(number, times)
        note = bench.note
        files = bench.files_a_second()
    print(f"{note}\n{'case':20} {'median':>9} {'least':>9} {'most':>9}")
    for name, values in [*times.items(), ("files a second", files)]:
        print(f"{name:20} {statistics.median(values):9.2f} {min(values):9.2f} {max(values):9.2f}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"device": note, "seconds": times, "files_a_second": files}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
