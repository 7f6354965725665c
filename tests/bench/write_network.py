#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random weights (f16) of a model's configuration with some keys changed: for what only the time matters of.

    write_network.py OUT.safetensors [--like models/icons.safetensors] [KEY=JSON ...]
    write_network.py new.safetensors window=8 context=8 'detail={"channels": 16, "hidden": 32, "layers": 3}' cond_dim=512
"""
import argparse
import json
import pathlib
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "training"))
from golden import random_model  # noqa: E402
from icons.network import safetensors_io  # noqa: E402
from icons.network.weights import save_model  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("changes", nargs="*", metavar="KEY=JSON")
    parser.add_argument("--like", default=SOURCE / "models/icons.safetensors", help="model whose configuration it is")
    options = parser.parse_args()
    config = json.loads(safetensors_io.load(options.like)[1]["config"])
    for change in options.changes:
        key, _, value = change.partition("=")
        config[key] = json.loads(value)
    net = random_model(config, 1)
    save_model(options.out, net.config, net.state_dict())


if __name__ == "__main__":
    main()
