# SPDX-License-Identifier: MIT
"""Contact sheets of a model: prompts by styles, the same seeds over steps, and unprompted icons.

    sample.py --model FILE --out DIR [--guidance 2.5] [--smoke]
"""
import argparse
import os
import tempfile

import torch

from icons.measure.sheets import contact_sheets, open_model
from icons.network.dit import DiT, make_config


def smoke(out):
    """The smallest network through every sheet."""
    torch.manual_seed(0)
    net = DiT(make_config(height=16, width=16, patch=4, dim=16, depth=1, heads=2, mlp_dim=16, cond_dim=8, time_dim=8,
                          styles=["noto"], words=["fox", "c:red"])).eval()
    contact_sheets(net, os.path.join(out, "smoke_"))
    print("sheets in", out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--out", default=".")
    parser.add_argument("--guidance", type=float, default=2.5)
    parser.add_argument("--smoke", action="store_true", help="sheets of an untrained tiny network, on the CPU")
    options = parser.parse_args()
    if options.smoke:
        return smoke(tempfile.mkdtemp())
    os.makedirs(options.out, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = os.path.basename(options.model).split(".")[0]
    contact_sheets(open_model(options.model, device), os.path.join(options.out, name + "_"), options.guidance)


if __name__ == "__main__":
    main()
