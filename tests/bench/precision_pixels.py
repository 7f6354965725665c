#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How far the pictures of one precision are from those of another: many prompts, several styles, colours premultiplied.

    precision_pixels.py [--dit FILE] [--device cpu] [--precision int8] [--against f32] [--count 5] [--json FILE] [--model FILE]

Paints each icon twice by `dit generate` and compares them byte by byte. A precision passes the rule of precision=auto where
at most 0.1 % of the pixels have a value that is off by more than 1 of 255, and no value is off by more than 16. Exit status:
0 it passes, 1 it does not. Without --json nothing is left behind.
"""
import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

SOURCE = pathlib.Path(__file__).resolve().parents[2]
STYLES = ("fluent-emoji", "noto", "twemoji", "streamline-ultimate-color")
MOST_VALUE, MOST_SHARE = 16, 0.001


def prompts_of(path, count):
    """`count` prompts, evenly from a list that says what each prompt is to be painted as: those words."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "\t" in line and not line.startswith("#")]
    words = list(dict.fromkeys(line.split("\t")[1].split("|")[0].strip() for line in lines))
    if len(words) < count:
        raise SystemExit(f"precision_pixels: '{path}': expected at least {count} prompts, found {len(words)}")
    return [words[i * len(words) // count] for i in range(count)]


def paint(options, precision, prompts, style, folder):
    """Icons of every prompt, [N,H,W,4] premultiplied, 0 to 255, in whole steps of alpha's bytes."""
    command = [options.dit, "generate", "--quiet", "--device", options.device, "--precision", precision, "--style", style,
               "--seed", options.seed, "--count", options.count, "-o", os.path.join(folder, "%d.png")]
    command += ["--model", options.model] if options.model else []
    command += ["--steps", options.steps] if options.steps else []
    command += [part for prompt in prompts for part in ("--prompt", prompt)]
    subprocess.run([str(part) for part in command], check=True)
    pictures = []
    for i in range(len(prompts) * options.count):
        with Image.open(os.path.join(folder, f"{i}.png")) as image:
            pictures.append(np.asarray(image.convert("RGBA"), dtype=np.float64))
    pictures = np.stack(pictures)
    pictures[..., :3] *= pictures[..., 3:] / 255
    return np.rint(pictures)


def compare(found, truth):
    """A row of figures for each icon."""
    difference = np.abs(found - truth)
    worst = difference.max(axis=(1, 2, 3))
    pixels = difference.max(axis=3)
    error = (difference ** 2).mean(axis=(1, 2, 3))
    return [{"largest": float(worst[i]), "share": float((pixels[i] > 1).mean()), "mean": float(difference[i].mean()),
             "psnr": float(10 * np.log10(255 ** 2 / error[i])) if error[i] else float("inf")} for i in range(len(found))]


def summary(icons):
    psnr = sorted(icon["psnr"] for icon in icons)
    row = {"icons": len(icons), "largest": max(icon["largest"] for icon in icons),
           "over": sum(icon["largest"] > MOST_VALUE for icon in icons), "share": float(np.mean([icon["share"] for icon in icons])),
           "mean": float(np.mean([icon["mean"] for icon in icons])), "psnr": psnr[len(psnr) // 2], "worst_psnr": psnr[0]}
    row["passes"] = row["largest"] <= MOST_VALUE and row["share"] <= MOST_SHARE
    return row


def table(rows):
    lines = [f"| style | icons | largest | icons with a value off by more than {MOST_VALUE} | pixels off by more than 1 | mean | "
             "PSNR: median, worst |", "|---" * 7 + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | {row['icons']} | {row['largest']:.0f} | {row['over']} | {100 * row['share']:.3f} % | {row['mean']:.3f} | "
                     f"{row['psnr']:.1f} dB, {row['worst_psnr']:.1f} dB |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dit", type=pathlib.Path, default=SOURCE / "build/dit")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model")
    parser.add_argument("--precision", default="int8")
    parser.add_argument("--against", default="f32")
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--list", type=pathlib.Path, default=SOURCE / "tests/data/prompts.txt", help="of prompts, see its head")
    parser.add_argument("--style", nargs="+", default=STYLES)
    parser.add_argument("--count", type=int, default=5, help="icons of each prompt and style")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, help="default: the model's")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    prompts, of_style = prompts_of(options.list, options.prompts), {}
    with tempfile.TemporaryDirectory() as folder:
        for style in options.style:
            truth = paint(options, options.against, prompts, style, folder)
            of_style[style] = compare(paint(options, options.precision, prompts, style, folder), truth)
    rows = {style: summary(icons) for style, icons in of_style.items()}
    rows["all"] = summary([icon for icons in of_style.values() for icon in icons])
    print(f"{table(rows)}\n\n{options.precision} beside {options.against}, {len(prompts)} prompts, seed {options.seed}, differences of 255: "
          f"{options.precision} {'passes' if rows['all']['passes'] else 'does not pass'} the rule of precision=auto")
    if options.json:
        options.json.write_text(json.dumps({"date": datetime.datetime.now().isoformat(timespec="seconds"), "prompts": prompts,
                                            "rows": rows}, indent=1) + "\n")
    return 0 if rows["all"]["passes"] else 1


if __name__ == "__main__":
    sys.exit(main())
