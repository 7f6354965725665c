#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times icons of one model with its weights in every type on the CPU, all of them in turn in one run.

    quantised_cpu.py [--build BUILD] [--model FILE] [--seconds 120] [--threads 1] [--json FILE]

Builds nothing: cmake --build build --target dit icon_cpu. Each contender is a process that waits on its standard input, so
that one runs while the others sleep. Ratios are of processor time, which other work on the machine disturbs least.
"""
import argparse
import datetime
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

from contender import Contender

SOURCE = pathlib.Path(__file__).resolve().parents[2]

# As `dit convert --dtype` calls them, and the way that each can be kept: packed (unpacked in each product), expanded to
# f32 when it is loaded, or as integers that are multiplied.
TYPES = ("f32", "f16", "bf16", "q8_0", "int8", "q4_0", "int4")
QUANTISED = ("q8_0", "int8", "q4_0", "int4")
WAYS = {"": [], ", expanded": ["--expand-weights"], ", integer products": ["--precision", "int8"]}


def quartiles(values):
    low, middle, high = statistics.quantiles(values, n=4)
    return middle, high - low


def contenders(options, folder, int8):
    """(name, bytes of the file, process) for every type and way."""
    found = []
    for kind in TYPES:
        path = folder / f"{kind}.{'gguf' if kind in ('q8_0', 'q4_0') else 'safetensors'}"
        subprocess.run([options.build / "dit", "convert", options.model, path, "--dtype", kind], check=True,
                       stdout=subprocess.DEVNULL)
        for way, more in WAYS.items():
            if (way == ", expanded" and kind not in QUANTISED) or (way == ", integer products" and not int8):
                continue
            command = [options.build / "icon_cpu", "--model", path, "--threads", options.threads, "--steps", options.steps, *more]
            found.append((kind + way, path.stat().st_size, Contender(kind + way, command, folder)))
    return found


def table(rows):
    lines = ["| weights | file, MB | ms an icon | processor ms | middle half | against f32 | middle half |", "|---" * 7 + "|"]
    for row in rows:
        lines.append(f"| {row['name']} | {row['file_bytes'] / 1e6:.1f} | {row['wall_s'] * 1e3:.1f} | {row['processor_s'] * 1e3:.1f} | "
                     f"{row['spread_s'] * 1e3:.1f} | {row['ratio']:.3f} | {row['ratio_spread']:.3f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=lambda path: pathlib.Path(path).resolve(), default=SOURCE / "build")
    parser.add_argument("--model", type=lambda path: pathlib.Path(path).resolve(), default=SOURCE / "models/icons.safetensors")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--json", help="write all figures there")
    options = parser.parse_args()
    machine = json.loads(subprocess.run([options.build / "icon_cpu", "--engine", "peak"], check=True, text=True,
                                        stdout=subprocess.PIPE).stdout)
    with tempfile.TemporaryDirectory() as folder:
        all = contenders(options, pathlib.Path(folder), "int8" in machine["precisions"])
        end, rounds = time.monotonic() + options.seconds, 0
        while rounds < 5 or time.monotonic() < end:
            for _, _, contender in all:
                contender.paint()
                time.sleep(0.02)  # until the threads of this one sleep
            rounds += 1
        rows = []
        for name, size, contender in all:
            contender.close()
            processor, spread = quartiles(contender.processor)
            ratio, ratio_spread = quartiles([mine / f32 for mine, f32 in zip(contender.processor, all[0][2].processor)])
            rows.append({"name": name, "file_bytes": size, "wall_s": statistics.median(contender.wall), "least_s": min(contender.wall),
                         "processor_s": processor, "spread_s": spread, "ratio": ratio, "ratio_spread": ratio_spread})
    print(f"{table(rows)}\n\n{machine['processor']}, {options.threads} thread{'s' * (options.threads > 1)}, {options.steps} steps, "
          f"{rounds} rounds of all in turn; medians, and how far apart the quartiles are")
    if options.json:
        result = {"date": datetime.datetime.now().isoformat(timespec="seconds"), **machine, "rounds": rounds, "rows": rows}
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
