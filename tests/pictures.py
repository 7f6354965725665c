#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Paints the same icons with two programs or devices and prints how far their pixels are apart; fails above a limit.

tests/pictures.py [--most VISIBLE] [--steps N] [--icons N] 'COMMAND' 'COMMAND'...

COMMAND is `dit` with what stands before and after it, as a shell has it: 'build/dit --device cpu' or
'qemu-aarch64 -L build/arm64-root build/arm64/dit'. All others are compared with the first. A difference is that of
premultiplied colours and of transparency, in 255ths, as in AcrossExecutors.TheSameIconWithinOneOf255.
"""
import argparse
import pathlib
import shlex
import subprocess
import sys
import tempfile

import numpy
from PIL import Image

# The model's own steps, guidance and solver; then others. Words, two words, and all styles that are asked for most.
ICONS = [
    ("rocket", "fluent-emoji"), ("cat face", "noto"), ("red apple", "twemoji"), ("castle", "fluent-emoji"),
    ("green heart", "noto"), ("crown", "twemoji"), ("robot", "noto"), ("house", "fluent-emoji"),
]


def pixels(path):
    values = numpy.asarray(Image.open(path).convert("RGBA"), dtype=numpy.float64)
    return numpy.concatenate([values[..., :3] * values[..., 3:] / 255, values[..., 3:]], axis=2)


def paint(command, folder, icons, steps):
    words = shlex.split(command)
    place = next(i for i, word in enumerate(words) if pathlib.Path(word).name == "dit") + 1
    for number, (prompt, style) in enumerate(icons):
        options = ["generate", "--quiet", "--prompt", prompt, "--style", style, "--seed", str(number),
                   "-o", str(folder / f"{number}.png")]
        if steps:
            options += ["--steps", str(steps)]
        subprocess.run(["env", *words[:place], *options, *words[place:]], check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=0, help="0: the model's own")
    parser.add_argument("--icons", type=int, default=len(ICONS), choices=range(1, len(ICONS) + 1))
    parser.add_argument("commands", nargs="+")
    arguments = parser.parse_args()
    if len(arguments.commands) < 2:
        parser.error("expected two commands or more, found one")
    icons = ICONS[:arguments.icons]
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        for number, command in enumerate(arguments.commands):
            folder = pathlib.Path(name, str(number))
            folder.mkdir()
            paint(command, folder, icons, arguments.steps)
            if number == 0:
                continue
            apart = [numpy.abs(pixels(folder / f"{i}.png") - pixels(pathlib.Path(name, "0", f"{i}.png")))
                     for i in range(len(icons))]
            same = sum((folder / f"{i}.png").read_bytes() == pathlib.Path(name, "0", f"{i}.png").read_bytes()
                       for i in range(len(icons)))
            largest = max(a.max() for a in apart)
            differing = sum((a.max(axis=2) > 0).sum() for a in apart)
            worst = max(worst, largest)
            print(f"{command}: largest difference {largest:.3f} of 255, {differing} of {sum(a[..., 0].size for a in apart)} "
                  f"pixels differ, {same} of {len(icons)} files are the same")
    if not worst <= arguments.most + 1e-9:
        sys.exit(f"tests/pictures.py: pictures are {worst:.3f} of 255 apart, expected at most {arguments.most}")


if __name__ == "__main__":
    main()
