# SPDX-License-Identifier: MIT
"""Golden activations: every labelled intermediate of a pass, in full or thinned, as golden.py and port.py store them.

For a large model a tensor keeps elements 0, s, 2s, ... of its flat order; metadata has "stride" {label: s}, "max" {label: largest
magnitude of the whole tensor} and "shape" {label: full shape}.
"""
import json
import math

import numpy as np
import torch

KEEP = 2048
STEPS, GUIDANCE = 8, 2.5


def stride_for(count):
    """The smallest stride that keeps at most KEEP values and shares no factor with any of our sizes (2, 3, 5, 7)."""
    stride = max(1, -(-count // KEEP))
    while stride > 1 and math.gcd(stride, 2 * 3 * 5 * 7) > 1:
        stride += 1
    return stride


def pack(values, thin):
    """(tensors, metadata) for labelled f64 tensors; `thin` stores strided subsets of everything but the inputs."""
    tensors, stride, largest, shape = {}, {}, {}, {}
    for label, value in values.items():
        array = value.numpy()
        shape[label], largest[label] = list(array.shape), float(np.abs(array).max())
        # Row numbers too: the engine's reader knows f32 and f16 only, and f32 holds them exactly.
        array = array.astype(np.float32)
        stride[label] = stride_for(array.size) if thin and not label.startswith("in.") else 1
        tensors[label] = array.reshape(-1)[::stride[label]].copy() if thin and not label.startswith("in.") else array
    metadata = {"format": "ditsrc-golden/1", "stride": json.dumps(stride), "max": json.dumps(largest),
                "shape": json.dumps(shape), "steps": str(STEPS), "guidance": str(GUIDANCE)}
    return tensors, metadata


def inputs(config, seed, times, styles, words):
    """Random x (rounded to f32, as it is stored) with the given conditions."""
    generator = torch.Generator().manual_seed(seed)
    shape = len(times), config["channels"], config["height"], config["width"]
    return {"in.x": torch.randn(shape, generator=generator, dtype=torch.float32).double(),
            "in.t": torch.tensor(times, dtype=torch.float32).double(), "in.style": torch.tensor(styles),
            "in.words": torch.as_tensor(words)}


@torch.no_grad()
def activations(net, given):
    """Inputs and every labelled intermediate of one forward pass."""
    trace = dict(given)
    net(given["in.x"], given["in.t"], given["in.style"], given["in.words"], trace=trace)
    return trace
