# SPDX-License-Identifier: MIT
"""Have a trained model paint icons for a student to learn from: pairs of (noise, icon) with their captions.

    paint.py --data DIR --teacher FILE --pairs DIR [--seconds 45] [--rank 0] [--guidance 2.5] [--smoke]

One process a GPU, each with its --rank. Guidance acts while t < UNTIL; every step sees the picture a little shifted, and the
icons are cleaned: valid premultiplied colour, no haze in alpha. A file of pairs holds the seed of its noise, not the noise.
"""
import argparse
import os
import tempfile

import torch

from icons.data import synthetic
from icons.data.icon_set import IconSet
from icons.learn.pairs import ROLL, load_pairs, make_noise, paint, paint_batch
from icons.measure.sheets import open_model
from icons.network.dit import DiT, make_config


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data")
    add("--teacher")
    add("--pairs", help="folder for the files")
    add("--rank", type=int, default=0, help="number of this process: its noise, its captions, its file names")
    add("--seconds", type=float, default=45)
    add("--batch", type=int, default=1024)
    add("--guidance", type=float, default=2.5)
    add("--roll", type=int, default=ROLL)
    add("--composed", type=float, default=0.35, help="share of icons composed of glyphs")
    add("--seed", type=int, default=0)
    add("--smoke", action="store_true", help="one file by an untrained tiny network, on the CPU")
    return parser


def smoke(options):
    """A few pairs; their noise must come back from its seed."""
    options.pairs, options.batch, options.seconds = tempfile.mkdtemp(), 3, 0
    icons = IconSet(synthetic.write(tempfile.mkdtemp()))
    net = DiT(make_config(patch=16, window=24, dim=16, depth=1, heads=2, mlp_dim=16, cond_dim=8, time_dim=8,
                          styles=icons.styles, words=icons.words)).eval()
    count = paint(net, icons, options.pairs, options, "cpu")
    noise, painted, style, words = load_pairs(options.pairs, net.config, "cpu")
    assert len(noise) == len(painted) == len(style) == len(words) == count
    again = paint_batch(net, make_noise(0, 3, net.config, "cpu"), style[:3], words[:3], options.guidance, options.roll)
    assert torch.equal(again, painted[:3]), "the pairs of a seed differ from what its noise gives"
    print("smoke run passed:", count, "pairs")


def main():
    options = arguments().parse_args()
    if options.smoke:
        return smoke(options)
    os.makedirs(options.pairs, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = True
    net = open_model(options.teacher, device)
    paint(net, IconSet(options.data, net.config["words"], net.config["styles"]), options.pairs, options, device)


if __name__ == "__main__":
    main()
