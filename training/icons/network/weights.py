# SPDX-License-Identifier: MIT
"""Weight files: format "ditsrc/1" = safetensors whose metadata carries the configuration as JSON."""
import base64
import json
import re

import numpy as np
import torch
import torch.nn.functional as F

from icons.network import safetensors_io
from icons.network.dit import DiT, make_config

FORMAT = "ditsrc/1"
QUANTISED = {"quantised": "g32"}    # metadata of a file whose matrices have scales
GROUP = 32      # neighbours of a row that share a scale


def to_int8(tensors):
    """Matrices of the blocks [n,K] as I8 with f16 `NAME.scales` [n,K/32], as `dit convert --dtype int8` keeps them; the rest as it is."""
    out = {}
    for name, value in tensors.items():
        if not name.startswith("blocks.") or value.ndim != 2 or value.shape[1] % GROUP:
            out[name] = value
            continue
        groups = value.astype(np.float32).reshape(len(value), -1, GROUP)
        scales = (np.abs(groups).max(-1) / 127).astype(np.float16)
        steps = groups / np.maximum(scales.astype(np.float32), 1e-12)[..., None]
        out[name] = np.clip(np.rint(steps), -127, 127).astype(np.int8).reshape(value.shape)
        out[name + ".scales"] = scales
    return out


def from_int8(tensors):
    """The same tensors without scales, multiplied out in f32."""
    out = {}
    for name, value in tensors.items():
        scales = tensors.get(name + ".scales")
        if scales is not None:
            value = (value.astype(np.float32).reshape(*scales.shape, GROUP) * scales.astype(np.float32)[..., None]).reshape(value.shape)
        if not name.endswith(".scales"):
            out[name] = value
    return out


UNJUDGED = 0.5  # accuracy of a word of which the judge has no opinion


def good_text(config, accuracies):
    """Metadata "good": base64 of a byte (of 255) for each word and style, in the order of the configuration, the word's rows together.

    accuracies  {word: share of its icons that the judge names, or {style: share}}
    """
    def share(word, style):
        found = accuracies.get(word, UNJUDGED)
        return found.get(style, UNJUDGED) if isinstance(found, dict) else found
    unknown = sorted(set(accuracies) - set(config["words"]))
    if unknown:
        raise ValueError(f"accuracies: {unknown[0]!r} and {len(unknown) - 1} more are no words of the model")
    table = np.array([[share(word, style) for style in config["styles"] or [""]] for word in config["words"]], np.float64)
    if not ((table >= 0) & (table <= 1)).all():
        raise ValueError(f"accuracies: expected 0 to 1, found {table.min()} to {table.max()}")
    return base64.b64encode(np.rint(table * 255).astype(np.uint8).tobytes()).decode()


def save_model(path, config, state, dtype=np.float16, accuracies=None, eight_bits=False):
    """Write a state dict as one weight file, the blocks' matrices as to_int8 has them if asked; accuracies: see good_text."""
    tensors = {name: value.detach().cpu().float().numpy().astype(dtype) for name, value in state.items()}
    metadata = {"format": FORMAT, "config": json.dumps(config, ensure_ascii=True)}
    if eight_bits:
        tensors = to_int8(tensors)
        metadata |= QUANTISED
    if accuracies:
        metadata["good"] = good_text(config, accuracies)
    safetensors_io.save(path, tensors, metadata)


def load_model(path, dtype=torch.float32, device="cpu"):
    """Read a weight file into the reference network, in evaluation mode."""
    tensors, metadata = safetensors_io.load(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path}: expected format {FORMAT}, file has {metadata.get('format')!r}")
    net = DiT(json.loads(metadata["config"]))
    net.load_state_dict({name: torch.from_numpy(value.astype(np.float32)) for name, value in from_int8(tensors).items()})
    return net.to(device=device, dtype=dtype).eval()


def typed_words(text):
    """The words of a prompt as the engine splits it: at anything but letters, digits and the ':' inside tokens like c:red."""
    words = (word.strip(":") for word in re.findall("[a-z0-9:\u0080-\U0010ffff]+", text.lower()))
    return [word for word in words if word]


def word_ids(config, text, limit=10):
    """Words of a prompt -> list of rows of word_embed; aliases are expanded and unknown words dropped.

    An alias names every word that it stands for, itself included where that is wanted.
    """
    index = {word: i + 1 for i, word in enumerate(config["words"])}
    ids = []
    for token in typed_words(text):
        for word in config["aliases"].get(token, [token]):
            if word in index and index[word] not in ids:
                ids.append(index[word])
    return ids[:limit]


def word_rows(config, prompts, limit=10):
    """Prompts -> int64 tensor [R,limit], padded with 0."""
    rows = torch.zeros(len(prompts), limit, dtype=torch.long)
    for row, prompt in zip(rows, prompts):
        ids = word_ids(config, prompt, limit)
        row[:len(ids)] = torch.tensor(ids, dtype=torch.long)
    return rows


def widen(config, state, window):
    """(config, state dict) with a larger window: the old weights in its middle, zeros around, so the same function.

    A network with a convolutional head has no windows that overlap; it stays as it is."""
    config = make_config(**config)
    if config.get("detail"):
        return config, state
    old, channels, dim = config["window"], config["channels"], config["dim"]
    border = (window - old) // 2
    if border < 0:
        raise ValueError(f"window: expected at least the {old} of the weights, found {window}")
    ring = [border] * 4
    embed = F.pad(state["patch_embed.weight"].view(dim, channels, old, old), ring)
    final = F.pad(state["final.linear.weight"].view(channels, old, old, dim), [0, 0] + ring)
    bias = F.pad(state["final.linear.bias"].view(channels, old, old), ring)
    return make_config(**{**config, "window": window}), {
        **state, "patch_embed.weight": embed.reshape(dim, -1), "final.linear.weight": final.reshape(-1, dim),
        "final.linear.bias": bias.reshape(-1)}
