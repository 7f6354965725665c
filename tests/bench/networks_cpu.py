#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times icons of several models on the CPU, all of them in turn in one run: what a network costs beside the first.

    networks_cpu.py [--build BUILD] [--seconds 60] [--threads 1,2] [--steps 4] [--batch 1] [--precision f32] FIRST.safetensors OTHER.safetensors ...

Builds nothing: cmake --build build --target icon_cpu. Each contender is a process that waits on its standard input, so
that one runs while the others sleep. Ratios are of processor time, which other work on the machine disturbs least;
conditioning is tabulated beforehand for all.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import time

from contender import Contender

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def times(options, threads):
    """[(model, floating-point operations, contender)] after all have painted in turn."""
    found = []
    for model in options.models:
        command = [options.build / "icon_cpu", "--model", model, "--threads", threads, "--steps", options.steps,
                   "--batch", options.batch, "--precision", options.precision]
        flops = int(subprocess.run([*map(str, command), "--cost"], check=True, text=True, stdout=subprocess.PIPE).stdout)
        found.append((model.stem, flops * options.steps, Contender(model.stem, command, SOURCE)))
    end, rounds = time.monotonic() + options.seconds, 0
    while rounds < 5 or time.monotonic() < end:
        for _, _, contender in found:
            contender.paint()
            time.sleep(0.02)  # until the threads of this one sleep
        rounds += 1
    for _, _, contender in found:
        contender.close()
    return found, rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=lambda path: pathlib.Path(path).resolve(), default=SOURCE / "build")
    parser.add_argument("--seconds", type=float, default=60, help="for each number of threads")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--precision", default="f32")
    parser.add_argument("models", nargs="+", type=lambda path: pathlib.Path(path).resolve())
    options = parser.parse_args()
    machine = json.loads(subprocess.run([options.build / "icon_cpu", "--engine", "peak"], check=True, text=True,
                                        stdout=subprocess.PIPE).stdout)
    print("| model | threads | ms an icon | processor ms | GFLOP | against the first | middle half |", "|---" * 7 + "|", sep="\n")
    for threads in map(int, options.threads.split(",")):
        found, rounds = times(options, threads)
        for name, flops, contender in found:
            ratios = [mine / first for mine, first in zip(contender.processor, found[0][2].processor)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            print(f"| {name} | {threads} | {statistics.median(contender.wall) * 1e3 / options.batch:.1f} | "
                  f"{statistics.median(contender.processor) * 1e3 / options.batch:.1f} | {flops * 1e-9 / options.batch:.2f} | "
                  f"{middle:.3f} | {high - low:.3f} |")
    print(f"\n{machine['processor']}, {options.steps} steps, batches of {options.batch}, {options.precision}, {rounds} rounds of all in turn; medians")


if __name__ == "__main__":
    main()
