# SPDX-License-Identifier: MIT
"""Small checkpoints: the averaged (EMA) weights in f16, or the blocks' matrices in int8, as a weight file in small parts.

`NAME.safetensors.00`, `.01`, ... joined in order are an ordinary "ditsrc/1" file whose metadata also says how far
training has come ("training": JSON). Training resumes from it with fresh optimiser moments.
"""
import glob
import json
import os

import numpy as np
import torch

from icons.network import safetensors_io
from icons.network.weights import FORMAT, QUANTISED, from_int8, to_int8

PART_BYTES = 15 << 20


def save_small(path, config, state, training, part_bytes=PART_BYTES, eight_bits=False):
    """Write the state dict as parts `path.00`, ...; returns their paths."""
    tensors = {name: value.detach().cpu().float().numpy().astype(np.float16) for name, value in state.items()}
    tensors, quantised = (to_int8(tensors), QUANTISED) if eight_bits else (tensors, {})
    safetensors_io.save(path, tensors, {"format": FORMAT, "config": json.dumps(config), "training": json.dumps(training)} | quantised)
    parts = []
    with open(path, "rb") as file:
        while chunk := file.read(part_bytes):
            parts.append(f"{path}.{len(parts):02d}")
            with open(parts[-1], "wb") as part:
                part.write(chunk)
    os.remove(path)
    return parts


def load_small(path):
    """(config, state dict in f32, training dict) from a file or from the prefix of its parts."""
    parts = [path] if os.path.exists(path) else sorted(glob.glob(glob.escape(path) + ".[0-9][0-9]"))
    if not parts:
        raise FileNotFoundError(f"{path}: neither a file nor the prefix of parts")
    tensors, metadata = safetensors_io.loads(b"".join(open(part, "rb").read() for part in parts))
    state = {name: torch.from_numpy(value.astype(np.float32)) for name, value in from_int8(tensors).items()}
    return json.loads(metadata["config"]), state, json.loads(metadata.get("training", "{}"))
