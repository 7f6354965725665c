# SPDX-License-Identifier: MIT
"""An independent judge: a classifier of real icons (which thing, which style), trained without the held-out pairs.

    judge.py --data DIR --out judge.safetensors [--seconds 60] [--smoke]
"""
import argparse
import os
import tempfile

import torch

from icons.data import synthetic
from icons.data.icon_set import IconSet
from icons.measure import judge as judges


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--out", default="", help="default judge.safetensors; a smoke run's goes to a temporary folder")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--icons-only", action="store_true", help="no glyphs, as the first judge: for figures that go on")
    parser.add_argument("--smoke", action="store_true", help="a few steps on made-up icons, on the CPU")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() and not options.smoke else "cpu"
    folder = synthetic.write(tempfile.mkdtemp()) if options.smoke else options.data
    out = options.out or (os.path.join(folder, "judge.safetensors") if options.smoke else "judge.safetensors")
    icons = IconSet(folder)
    tiny = (32, 2e-3, 3) if options.smoke else ()
    judge, names = judges.train(icons, device, options.seconds, *tiny, with_glyphs=not options.icons_only)
    print("held-out real icons: concept top-1 %.3f, top-5 %.3f, style %.3f, of %d" % judges.held_out_accuracy(judge, names, icons))
    judges.save(out, judge, names, icons.styles)


if __name__ == "__main__":
    main()
