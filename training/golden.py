# SPDX-License-Identifier: MIT
"""Golden activations: what the reference network computes, for the engine to be held against.

    golden.py            write tests/golden (and read the two files of models/)
    golden.py --check    compute again and compare with the committed files

Everything is computed in f64 from the stored weights (f32 or f16) and inputs (f32), then rounded to f32.
Tiny models are stored in full. For a large model a tensor keeps elements 0, s, 2s, ... of its flat order; metadata has
"stride" {label: s}, "max" {label: largest magnitude of the whole tensor} and "shape" {label: full shape}.
"""
import argparse
import json
import math
import os
import sys

import numpy as np
import torch

from icons.network import flow
from icons.network import safetensors_io
from icons.network.dit import DiT, make_config
from icons.network.goldens import GUIDANCE, STEPS, activations, inputs, pack
from icons.network.weights import load_model, save_model, word_rows

SHIPPED = "icons", "icons-small"
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GOLDEN = os.path.join(ROOT, "tests", "golden")

TINY = dict(
    name="tiny", height=12, width=8, patch=4, dim=24, depth=2, heads=3, mlp_dim=40, cond_dim=20, time_dim=16,
    bias=True, styles=["round", "flat", "line"], words=["red", "green", "blue", "fox", "car", "c:red", "tree"],
    aliases={"crimson": ["red", "c:red"]}, default_steps=8, description="random weights for tests")
# prompt keys and a convolutional head, of sizes that no tile divides; more words than the context takes
TINY_DETAIL = {**TINY, "name": "tiny-detail", "context": 3, "detail": {"channels": 5, "hidden": 7, "layers": 4}}
TINY_EPS = dict(
    name="tiny-eps", channels=3, alpha="none", height=8, width=8, patch=4, dim=16, depth=1, heads=1, mlp_dim=32,
    cond_dim=12, time_dim=8, time_scale=1.0, qk_norm=False, prediction="epsilon",
    schedule={"type": "vp-cosine", "timesteps": 1000}, styles=["a", "b"], words=["x", "y", "z"],
    default_sampler="ddim", default_guidance=1.0, description="random weights for tests: epsilon-prediction, one head")


def random_model(config, seed):
    """A network with random weights of size 1/sqrt(fan in) that keep activations near 1; modulation is not zero."""
    net = DiT(make_config(**config))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm.weight" in name:
                parameter.copy_(1 + 0.2 * noise)
            elif "embed.weight" in name and "patch" not in name:
                parameter.copy_(noise)
            elif parameter.dim() in (2, 4):
                parameter.copy_(noise / math.sqrt(parameter[0].numel()))
            else:
                parameter.copy_(0.2 * noise)
    return net


def trajectory(net, given):
    """{"sample.k": x after Euler step k} from row 0 of the inputs, guided."""
    steps = {}
    flow.sample(net, given["in.x"][:1], given["in.style"][:1], given["in.words"][:1], STEPS, GUIDANCE,
                lambda k, z: steps.update({f"sample.{k}": z.clone()}))
    return steps


def tiny_goldens(folder, write):
    """Yield (path, tensors, metadata) for the tiny models; their weights are written first."""
    first = random_model(TINY, 1), inputs(make_config(**TINY), 2, [0.3, 0.85], [1, 2], [[4, 1, 6, 0], [7, 0, 0, 0]])
    second = random_model(TINY_EPS, 3), inputs(make_config(**TINY_EPS), 4, [17, 803], [0, 2], [[1, 3], [0, 0]])
    third = (random_model(TINY_DETAIL, 6), inputs(make_config(**TINY_DETAIL), 7, [0.3, 0.85, 0.6], [1, 2, 3],
                                                  [[4, 0, 6, 1, 2], [7, 0, 0, 0, 0], [0, 0, 0, 0, 0]]))
    for net, given in (first, second, third):
        path = os.path.join(folder, net.config["name"] + ".safetensors")
        if write:
            save_model(path, net.config, net.state_dict(), np.float32)
        net = load_model(path, torch.float64)
        values = activations(net, given)
        if net.config["prediction"] == "x":
            values |= trajectory(net, given)
        yield (path.replace(".safetensors", ".activations.safetensors"), *pack(values, thin=False))


def model_goldens(model, folder, prompt, style):
    """(path, tensors, metadata) for a shipped model: row 0 a prompt, row 1 the null condition, one time."""
    net = load_model(model, torch.float64)
    config = net.config
    words = word_rows(config, [prompt, ""], 10)
    given = inputs(config, 5, [0.3, 0.3], [config["styles"].index(style), net.no_style], words)
    values = activations(net, given) | trajectory(net, given)
    name = os.path.basename(model).replace(".safetensors", ".activations.safetensors")
    tensors, metadata = pack(values, thin=True)
    return os.path.join(folder, name), tensors, metadata | {"prompt": prompt, "style": style}


def difference(path, tensors):
    """The largest |a - b| / max|b| over all tensors of a committed file, and where it is."""
    stored, metadata = safetensors_io.load(path)
    largest = json.loads(metadata["max"])
    if set(stored) != set(tensors):
        return float("inf"), "labels"
    worst = (0.0, "")
    for label, value in tensors.items():
        error = np.abs(value.astype(np.float64) - stored[label].astype(np.float64)).max()
        worst = max(worst, (error / max(largest[label], 1e-30), label))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files; write nothing")
    parser.add_argument("--out", default=GOLDEN, help="folder of the golden files")
    parser.add_argument("--model", nargs="+", default=[os.path.join(ROOT, "models", name + ".safetensors") for name in SHIPPED])
    parser.add_argument("--prompt", default="red fox")
    parser.add_argument("--style", default="fluent-emoji-flat")
    parser.add_argument("--skip-tiny", action="store_true", help="only the golden files of --model")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    files = [] if options.skip_tiny else list(tiny_goldens(options.out, write=not options.check))
    files += [model_goldens(model, options.out, options.prompt, options.style) for model in options.model]
    failed = False
    for path, tensors, metadata in files:
        if options.check:
            error, label = difference(path, tensors)
            failed |= error > 1e-5
            print(f"{path}: {error:.2e} of the maximum {label}")
        else:
            safetensors_io.save(path, tensors, metadata)
            print(f"{path}: {len(tensors)} tensors, {os.path.getsize(path)} bytes")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
