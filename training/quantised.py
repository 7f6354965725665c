# SPDX-License-Identifier: MIT
"""What each number type of the weights costs: the judge's opinion of icons that the engine itself paints, type by type.

    quantised.py --judge FILE [--model FILE] [--dit build/dit] [--icons 512] [--json FILE] [--smoke]

The same (name, style) pairs, seeds and steps for every type: names that the judge and the model both know, all styles in turn.
  top-1, style   share of icons that the judge names right
  Fréchet        distance, on the judge's features, to the icons of the file as it is; "other seeds" is what two sets of good
                 icons are apart for no other reason than their noise
  difference     mean, and worst icon's, of 255, over white
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import torch
from PIL import Image

from icons.measure import judge as judges
from icons.measure import measures
from icons.network import safetensors_io
from icons.measure.pictures import over_white

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Type and what `dit generate` is told besides. int8 and q8_0 keep the same integers and scales.
F32 = ("--precision", "f32")
WAYS = {"as it is": ("", F32), "other seeds": ("", (*F32, "--seed", "1")), "bf16": ("bf16", F32), "q8_0, int8": ("q8_0", F32),
        "q4_0": ("q4_0", F32), "int4": ("int4", F32), "as it is, integer products": ("", ("--precision", "int8"))}


def pairs_of(model, names, styles, count):
    """`count` (name, style) pairs; every word of a name is one of the model's own, and styles take turns."""
    config = json.loads(safetensors_io.load(model)[1]["config"])
    known = set(config["words"])
    names = [name for name in names if all(word in known for word in name.replace("-", " ").split())]
    styles = [style for style in config["styles"] if style in styles]
    order = np.random.default_rng(3).permutation(len(names))
    return [(names[order[i % len(order)]], styles[i % len(styles)]) for i in range(count)]


def paint(dit, model, pairs, folder, more):
    """Icons [R,4,64,64] premultiplied in [-1,1], on the CPU."""
    by_style = {}
    for name, style in pairs:
        by_style.setdefault(style, []).append(name)
    pictures = {}
    for style, names in by_style.items():
        prompts = [part for name in names for part in ("--prompt", name.replace("-", " "))]
        subprocess.run([dit, "generate", "--quiet", "--device", "cpu", "--model", model, *prompts, "--style", style, *more, "-o",
                        os.path.join(folder, "icon-%d.png")], check=True, stderr=subprocess.DEVNULL)
        for i, name in enumerate(names):
            with Image.open(os.path.join(folder, f"icon-{i if len(names) > 1 else 0}.png")) as image:
                pictures[name, style] = np.asarray(image.convert("RGBA"))
    rgba = torch.from_numpy(np.stack([pictures[pair] for pair in pairs])).permute(0, 3, 1, 2).float() / 255
    return torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], 1) * 2 - 1


def figures(judge, labels, styles, z, reference):
    """One row of the table, and the features."""
    features, concept, style = judges.look(judge, z)
    row = {"top1": judges.accuracy(concept, labels)[0], "style": judges.accuracy(style, styles)[0]}
    if reference is not None:
        difference = np.abs(over_white(z).astype(float) - over_white(reference[0]).astype(float)).mean((1, 2, 3))
        row |= {"frechet": measures.frechet(features, reference[1]), "mean": difference.mean(), "worst": difference.max()}
    return row, features


def measure(options, judge, names, styles):
    pairs = pairs_of(options.model, names, styles, options.icons)
    labels = torch.tensor([names.index(name) for name, _ in pairs])
    looks = torch.tensor([styles.index(style) for _, style in pairs])
    rows, reference = {}, None
    with tempfile.TemporaryDirectory() as folder:
        for way, (kind, more) in WAYS.items():
            model = options.model
            if kind:
                model = os.path.join(folder, kind + (".gguf" if kind in ("q8_0", "q4_0") else ".safetensors"))
                if not os.path.exists(model):
                    subprocess.run([options.dit, "convert", options.model, model, "--dtype", kind], check=True,
                                   stdout=subprocess.DEVNULL)
            try:
                z = paint(options.dit, model, pairs, folder, more)
            except subprocess.CalledProcessError:
                if "int8" not in more:
                    raise
                continue  # no AVX-512 VNNI here
            rows[way], features = figures(judge, labels, looks, z, reference)
            reference = reference or (z, features)
            print(way, rows[way], flush=True)
    return rows


def table(rows):
    lines = ["| weights | top-1 | style | Fréchet to the file's own | difference, mean | worst icon |", "|---|---|---|---|---|---|"]
    for way, row in rows.items():
        rest = [f"{row['frechet']:.1f}", f"{row['mean']:.2f}", f"{row['worst']:.1f}"] if "frechet" in row else ["0", "0", "0"]
        lines.append(f"| {way} | {100 * row['top1']:.1f} % | {100 * row['style']:.1f} % | " + " | ".join(rest) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge")
    parser.add_argument("--dit", default=str(ROOT / "build/dit"))
    parser.add_argument("--model", default=str(ROOT / "models/icons.safetensors"))
    parser.add_argument("--icons", type=int, default=512)
    parser.add_argument("--json")
    parser.add_argument("--smoke", action="store_true", help="an untrained judge, three icons a type")
    options = parser.parse_args()
    if options.smoke:
        options.icons = 3
        config = json.loads(safetensors_io.load(options.model)[1]["config"])
        names, styles = ["fox", "tree", "red heart"], config["styles"]
        judge = judges.Judge(len(names), len(styles), 4).eval()
    else:
        judge, names, styles = judges.load(options.judge)
    rows = measure(options, judge, names, styles)
    print(f"\n{table(rows)}\n\n{options.icons} icons of each")
    assert len(rows) >= 6 and all(np.isfinite(list(row.values())).all() for row in rows.values())
    # a file that is in int8 already loses nothing by it
    assert rows["int4"]["mean"] > rows["q8_0, int8"]["mean"] >= 0 and rows["int4"]["mean"] > rows["bf16"]["mean"] > 0
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
