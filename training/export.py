# SPDX-License-Identifier: MIT
"""Export weights for the engine: a training checkpoint, or the first trial's file with its older tensor names.

    export.py --trial icons-trial.safetensors --data DIR --out models/icons.safetensors
    export.py --checkpoint FILE-OR-PARTS-PREFIX --data DIR --out models/icons.safetensors --name icons
"""
import argparse
import hashlib
import json
import os
import re

import numpy as np
import torch

from icons.network.checkpoint import load_small
from icons.data.captions import word_groups
from icons.data.packs import read_lines
from icons.network.dit import make_config, step_flops
from icons.network.safetensors_io import load
from icons.network.vocabulary import build_aliases
from icons.network.weights import save_model

# older name -> name in dit.py
TRIAL_NAMES = {
    "emb": "patch_embed", "t1": "time_mlp.0", "t2": "time_mlp.2", "style": "style_embed", "word": "word_embed",
    "wp": "word_proj", "fa": "final.modulation", "out": "final.linear",
}
TRIAL_BLOCK_NAMES = {
    "ada": "modulation", "qkv": "attn.qkv", "proj": "attn.out", "f1": "mlp.fc1", "f2": "mlp.fc2",
    "qn": "attn.q_norm.weight", "kn": "attn.k_norm.weight",
}


def trial_name(name):
    """The name in dit.py of a tensor of the trial's file; an unknown one is an error."""
    if name == "pos":
        return "pos_embed"
    block = re.fullmatch(r"blocks\.(\d+)\.(\w+)(\.\w+)?", name)
    if block:
        return f"blocks.{block[1]}.{TRIAL_BLOCK_NAMES[block[2]]}{block[3] or ''}"
    head, _, tail = name.partition(".")
    return f"{TRIAL_NAMES[head]}.{tail}"


def trial_config(metadata):
    """The configuration of the trial's model, from what its file says and what its shapes imply."""
    old = json.loads(metadata["config"])
    words = sorted(old["vocab"], key=old["vocab"].get)
    if [old["vocab"][word] for word in words] != list(range(1, len(words) + 1)):
        raise ValueError("trial vocabulary: expected ids 1..n without holes")
    return make_config(
        name="icons", patch=old["patch"], dim=old["dim"], depth=old["depth"], heads=old["heads"],
        mlp_dim=4 * old["dim"], cond_dim=old["cond"], styles=old["styles"], words=words,
        description="64x64 icons by style and words; a six-minute trial that stands in until better weights exist")


def read_trial(path):
    """(config, state dict in f32) of the trial's file."""
    tensors, metadata = load(path)
    state = {trial_name(name): torch.from_numpy(value.astype(np.float32)) for name, value in tensors.items()}
    return trial_config(metadata), state


def read_checkpoint(path, name, description):
    """(config, state dict in f32) of a small training checkpoint."""
    config, state, _ = load_small(path)
    config = make_config(**{**config, "name": name})
    if description:
        config["description"] = description
    return config, state


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--trial", help="weights of the first trial")
    source.add_argument("--checkpoint", help="small checkpoint of train.py: a file, or the prefix of its parts")
    parser.add_argument("--data", help="data folder; its labels tell which group a word belongs to")
    parser.add_argument("--eight-bits", action="store_true", help="the blocks' matrices in int8 with scales, as `dit convert --dtype int8`")
    parser.add_argument("--good", help="JSON of the judge's accuracies: {word: share of its icons named, or {style: share}}")
    parser.add_argument("--out", required=True)
    parser.add_argument("--name", default="icons")
    parser.add_argument("--description", default="")
    options = parser.parse_args()
    if options.trial:
        config, state = read_trial(options.trial)
    else:
        config, state = read_checkpoint(options.checkpoint, options.name, options.description)
    rows = read_lines(os.path.join(options.data, "icons.jsonl.xz")) if options.data else []
    config["aliases"] = build_aliases(config["words"], word_groups(rows, config["words"]))
    accuracies = None
    if options.good:
        with open(options.good, encoding="utf-8") as file:
            accuracies = json.load(file)
    save_model(options.out, config, state, accuracies=accuracies, eight_bits=options.eight_bits)
    with open(options.out, "rb") as file:
        data = file.read()
    count = sum(value.numel() for value in state.values())
    print(f"{options.out}: {len(data)} bytes, {count} numbers, {step_flops(config) / 1e9:.3f} GFLOP a step, "
          f"{len(config['styles'])} styles, {len(config['words'])} words, {len(config['aliases'])} aliases")
    print("sha256", hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    main()
