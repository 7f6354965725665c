# SPDX-License-Identifier: MIT
"""write_seed.py FILE: random weights of the favicon diffusor's shape: 64 tokens, one head of 128, no gates."""
import json
import math
import struct
import sys

import numpy as np


def write_seed(path):
    """10.9 M parameters like the favicon diffusor's: patch 8, dim 512, depth 4, one head of 128, MLP of 2048."""
    config = {"name": "seed-shape", "channels": 3, "height": 64, "width": 64, "alpha": "none", "patch": 8, "dim": 512,
              "depth": 4, "heads": 1, "head_dim": 128, "mlp_dim": 2048, "cond_dim": 128, "time_dim": 128,
              "time_scale": 1000.0, "norm": "layer", "norm_eps": 1e-5, "qk_norm": False, "activation": "gelu_tanh",
              "bias": False, "gated": False, "prediction": "x", "schedule": {"type": "flow"}, "default_steps": 32,
              "default_sampler": "euler", "default_guidance": 1.0}
    random, tensors = np.random.default_rng(1), {}

    def matrix(name, out, inside, bias=False, scale=1.0):
        tensors[name + ".weight"] = (scale * random.standard_normal((out, inside)) / math.sqrt(inside)).astype(np.float16)
        if bias:
            tensors[name + ".bias"] = (0.1 * random.standard_normal(out)).astype(np.float16)

    matrix("patch_embed", 512, 192, True)
    tensors["pos_embed"] = (0.5 * random.standard_normal((64, 512))).astype(np.float16)
    matrix("time_mlp.0", 128, 128, True)
    matrix("time_mlp.2", 128, 128, True)
    for i in range(4):
        block = f"blocks.{i}."
        matrix(block + "modulation", 2048, 128, True, 0.3)
        matrix(block + "attn.qkv", 384, 512)
        matrix(block + "attn.out", 512, 128, scale=0.5)
        matrix(block + "mlp.fc1", 2048, 512)
        matrix(block + "mlp.fc2", 512, 2048, scale=0.5)
    matrix("final.modulation", 1024, 128, True, 0.3)
    matrix("final.linear", 192, 512, True, 0.3)
    header, chunks, offset = {"__metadata__": {"format": "ditsrc/1", "config": json.dumps(config)}}, [], 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F16", "shape": list(values.shape), "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
        chunks.append(values.tobytes())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))


if __name__ == "__main__":
    write_seed(sys.argv[1])
