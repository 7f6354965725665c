# SPDX-License-Identifier: MIT
"""Golden activations of the favicon diffusor (neelr/favicon-diffusion) with formula weights, in f64, from its maths alone.

    golden_diffusor.py                   write tests/golden/diffusor.activations.safetensors
    golden_diffusor.py --check           compute again and compare with the committed file
    golden_diffusor.py --against FOLDER  compare every stage and all 32 steps with reference files made elsewhere

This file knows nothing of the engine or of dit.py: it computes what the page's shaders compute, image HWC, so that a
mistake shared by the engine's parts shows. Weights and noise come from splitmix64, so that nothing large is stored:
weight(j,i) = f32((2u−1)·f32(1/√fan_in)), u = the top 24 bits of splitmix64(20250218 + j·2⁴⁰ + i) / 2²⁴, tensor j in the
order of WEIGHTS, element i in [out,in] order; noise is f32(√3·(2u−1)) of tensor NOISE, row 0 x_T, row k the z added
after step t = 32 − k. Only some elements are stored, as in golden.py ("stride", "max" and "shape" of each label).
"""
import argparse
import json
import math
import os
import sys

import numpy as np

from icons.network import safetensors_io

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GOLDEN = os.path.join(ROOT, "tests", "golden", "diffusor.activations.safetensors")
SIZE, PATCH, DIM, DEPTH, HEAD, MLP, TIME, STEPS = 64, 8, 512, 4, 128, 2048, 128, 32
GRID = SIZE // PATCH
SEED, NOISE = 20250218, 100
KEEP_STAGE, KEEP_STEP = 384, 192


def weight_shapes():
    """(key, [out, in]) in export order, which numbers the tensors."""
    shapes = [("patch_embed", [DIM, 3 * PATCH ** 2]), ("time_mlp.1", [TIME, DIM // 2]), ("time_mlp.3", [TIME, TIME])]
    for i in range(DEPTH):
        shapes += [(f"block_{i}.attn.to_{name}", [HEAD, DIM]) for name in "qkv"]
        shapes += [(f"block_{i}.attn.to_out", [DIM, HEAD]), (f"block_{i}.ff.net.0", [MLP, DIM]),
                   (f"block_{i}.ff.net.2", [DIM, MLP])]
        shapes += [(f"block_{i}.norm{n}.{part}", [DIM, TIME]) for n in (1, 2) for part in ("scale", "shift")]
    return shapes + [("final_norm.scale", [DIM, TIME]), ("final_norm.shift", [DIM, TIME]),
                     ("to_pixels", [3 * PATCH ** 2, DIM])]


def uniform(tensor, count):
    """[count] values of 2u−1."""
    z = np.uint64(SEED) + (np.uint64(tensor) << np.uint64(40)) + np.arange(count, dtype=np.uint64)
    z += np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2.0 ** 23 - 1


def formula_weights():
    weights = {}
    for j, (key, shape) in enumerate(weight_shapes()):
        scale = np.float64(np.float32(1 / math.sqrt(shape[1])))
        weights[key] = (uniform(j, shape[0] * shape[1]) * scale).astype(np.float32).astype(np.float64).reshape(shape)
    return weights


def formula_noise():
    """[32, 64·64·3] of variance 1."""
    return (math.sqrt(3) * uniform(NOISE, STEPS * 3 * SIZE * SIZE)).astype(np.float32).astype(np.float64).reshape(STEPS, -1)


def silu(x):
    return x / (1 + np.exp(-x))


def frequencies(half):
    return np.exp(-math.log(10000) / (half - 1) * np.arange(half))


def positions():
    angle = np.arange(GRID)[:, None] * frequencies(DIM // 4)
    axis = np.concatenate([np.sin(angle), np.cos(angle)], -1)
    y, x = np.repeat(axis, GRID, 0), np.tile(axis, (GRID, 1))
    return np.concatenate([y, x], -1)


def patchify(image):
    """[64,64,3] -> [T, 3·P²], feature c·P² + py·P + px."""
    return image.reshape(GRID, PATCH, GRID, PATCH, 3).transpose(0, 2, 4, 1, 3).reshape(GRID * GRID, -1)


def unpatchify(tokens):
    return tokens.reshape(GRID, GRID, 3, PATCH, PATCH).transpose(0, 3, 1, 4, 2).reshape(SIZE, SIZE, 3)


def norm(x, kind):
    """"wgsl": what the page runs. "torch": what it was trained with."""
    centred = x - x.mean(-1, keepdims=True)
    if kind == "torch":
        return centred / (centred.std(-1, ddof=1, keepdims=True) + 1e-5)
    return centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + 1e-8)


def forward(weights, image, t, kind="wgsl", stages=None):
    """Prediction of the noise [64,64,3]; `stages` collects every intermediate by its name."""
    stages = {} if stages is None else stages

    def keep(name, value):
        stages[name] = value
        return value

    def adaptive(name, x, emb):
        return norm(x, kind) * (1 + weights[name + ".scale"] @ emb) + weights[name + ".shift"] @ emb

    keep("input_hwc", image)
    x = keep("patch_embed", keep("patchify", patchify(image)) @ weights["patch_embed"].T)
    x = keep("pos_add", x + keep("pos_emb", positions()))
    angle = t * frequencies(DIM // 4)
    hidden = weights["time_mlp.1"] @ keep("time_sin", np.concatenate([np.sin(angle), np.cos(angle)]))
    emb = keep("time_emb", weights["time_mlp.3"] @ keep("time_silu", silu(keep("time_mlp1", hidden))))
    for i in range(DEPTH):
        at = f"block_{i}"
        h = keep(at + ".norm1", adaptive(at + ".norm1", x, emb))
        q, k, v = (keep(f"{at}.{name}", h @ weights[f"{at}.attn.to_{name}"].T) for name in "qkv")
        scores = q @ k.T / math.sqrt(HEAD)
        probs = np.exp(scores - scores.max(-1, keepdims=True))
        probs = keep(at + ".probs", probs / probs.sum(-1, keepdims=True))
        attn = keep(at + ".attn", (probs @ v) @ weights[at + ".attn.to_out"].T)
        x = keep(at + ".res1", x + attn)
        h = keep(at + ".norm2", adaptive(at + ".norm2", x, emb))
        ff = keep(at + ".ff", silu(h @ weights[at + ".ff.net.0"].T) @ weights[at + ".ff.net.2"].T)
        x = keep(at + ".out", x + ff)
    h = keep("final_norm", adaptive("final_norm", x, emb))
    return keep("eps_hwc", unpatchify(keep("to_pixels", h @ weights["to_pixels"].T)))


def betas():
    level = [math.cos((t / STEPS + 1e-4) / (1 + 1e-4) * math.pi / 2) ** 2 for t in range(STEPS + 1)]
    return [min(max(1 - level[t + 1] / level[t], 0), 0.999) for t in range(STEPS)]


def root(v):
    return math.sqrt(max(v, 1e-8))


def sample(weights, noise):
    """Yield (x after the step, the predicted noise) of the page's 32 DDPM steps."""
    beta = betas()
    bar = np.cumprod([1 - b for b in beta])
    x = noise[0]
    for t in reversed(range(STEPS)):
        eps = forward(weights, x.reshape(SIZE, SIZE, 3), t).reshape(-1)
        x = (x - beta[t] / root(1 - bar[t]) * eps) / root(1 - beta[t])
        if t > 0:
            x = x + root(beta[t]) * noise[STEPS - t]
        yield x, eps


def few_steps(weights, noise, steps, multistep):
    """x after each of a few deterministic steps: DDIM, or DPM-Solver++(2M) in terms of x_0 (Lu et al. 2022, alg. 2)."""
    bar = np.cumprod([1 - b for b in betas()])
    times = [round(STEPS * (1 - i / steps)) - 1 for i in range(steps)]
    alpha = [math.sqrt(bar[t]) for t in times] + [1.0]
    sigma = [math.sqrt(1 - bar[t]) for t in times] + [0.0]
    x, before = noise[0], None
    for i, t in enumerate(times):
        eps = forward(weights, x.reshape(SIZE, SIZE, 3), t).reshape(-1)
        data = (x - sigma[i] * eps) / alpha[i]
        aimed = data
        if multistep and before is not None and sigma[i + 1] > 0:
            lam = [math.log(alpha[j] / sigma[j]) for j in (i - 1, i, i + 1)]
            r = (lam[1] - lam[0]) / (lam[2] - lam[1])
            aimed = (1 + 1 / (2 * r)) * data - 1 / (2 * r) * before
        x = sigma[i + 1] / sigma[i] * x + (alpha[i + 1] - alpha[i] * sigma[i + 1] / sigma[i]) * aimed
        before = data
        yield x


def goldens():
    """label -> f64 array."""
    weights, noise = formula_weights(), formula_noise()
    values = {}
    forward(weights, noise[0].reshape(SIZE, SIZE, 3), 31, "wgsl", values)
    values = {"t31." + name: value for name, value in values.items()}
    values["torch.eps_hwc"] = forward(weights, noise[0].reshape(SIZE, SIZE, 3), 31, "torch")
    for k, (x, eps) in enumerate(sample(weights, noise), 1):
        values[f"x.{k}"], values[f"eps.{k}"] = x, eps
    for name, multistep in (("ddim", False), ("dpmpp", True)):
        for k, x in enumerate(few_steps(weights, noise, 8, multistep), 1):
            values[f"{name}.{k}"] = x
    return values


def stride_for(count, keep):
    """A stride that keeps about `keep` values and shares no factor with our sizes, so that it visits every column."""
    stride = max(1, -(-count // keep))
    while math.gcd(stride, 6) > 1:
        stride += 1
    return stride


def pack(values):
    tensors, metadata = {}, {"stride": {}, "max": {}, "shape": {}}
    for label, value in values.items():
        stride = stride_for(value.size, KEEP_STAGE if label.startswith("t31.") else KEEP_STEP)
        tensors[label] = value.reshape(-1)[::stride].astype(np.float32)
        metadata["stride"][label], metadata["shape"][label] = stride, list(value.shape)
        metadata["max"][label] = float(np.abs(value).max())
    return tensors, {"format": "ditsrc-golden/1"} | {key: json.dumps(entry) for key, entry in metadata.items()}


def against(folder):
    """Largest error over the maximum of each reference tensor: its own noise, our arithmetic."""
    weights = formula_weights()
    noise = np.fromfile(os.path.join(folder, "noise.f32"), "<f4").astype(np.float64).reshape(STEPS, -1)
    stages, worst = {}, {}
    expected, _ = safetensors_io.load(os.path.join(folder, "fwd_t31_wgsl_f64.safetensors"))
    forward(weights, expected["input_hwc"], 31, "wgsl", stages)
    for name, value in expected.items():
        worst[name] = np.abs(stages[name] - value).max() / np.abs(value).max()
    expected, _ = safetensors_io.load(os.path.join(folder, "sample32_wgsl.safetensors"))
    for k, (x, eps) in enumerate(sample(weights, noise)):
        for name, value in (("x", x), ("eps", eps)):
            worst[f"{name}.{k + 1}"] = np.abs(value - expected[name][k]).max() / np.abs(expected[name][k]).max()
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--against", metavar="FOLDER")
    options = parser.parse_args()
    if options.against:
        worst = against(options.against)
        name = max(worst, key=worst.get)
        print(f"{len(worst)} tensors, worst {worst[name]:.2e} of the maximum at {name}")
        sys.exit(worst[name] > 1e-5)
    tensors, metadata = pack(goldens())
    if not options.check:
        safetensors_io.save(GOLDEN, tensors, metadata)
        print(f"{GOLDEN}: {len(tensors)} tensors, {os.path.getsize(GOLDEN)} bytes")
        return
    stored, known = safetensors_io.load(GOLDEN)
    largest = json.loads(known["max"])
    errors = {label: np.abs(value - stored[label]).max() / largest[label] for label, value in tensors.items()}
    name = max(errors, key=errors.get)
    print(f"{GOLDEN}: {errors[name]:.2e} of the maximum {name}")
    sys.exit(errors[name] > 1e-6 or set(stored) != set(tensors))


if __name__ == "__main__":
    main()
