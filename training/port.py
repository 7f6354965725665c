# SPDX-License-Identifier: MIT
"""Bring someone else's DiT: a PyTorch state dict or safetensors file -> a weight file of ours, and its goldens.

    port.py WEIGHTS --map MAP.json --golden THEIRS.safetensors --out model.safetensors [--goldens-out FILE]
    port.py WEIGHTS --map MAP.json --reference THEIRS.py       --out model.safetensors [--goldens-out FILE]
    port.py --smoke

MAP.json is {"config": {...}, "tensors": {OUR-NAME: THEIR-NAME or [THEIR-NAMES to stack], ...}}; "{i}" in a name stands for
each block. "config" holds what differs from dit.py's defaults.
Whether a matrix is [out,in] or [in,out] is never guessed from a convention: shapes decide where they can, and a square
matrix is tried both ways against a checkpoint of the source's own activations. So those are always needed:
  --golden     their activations under our labels (in.x, in.t, in.style, in.words, patch_embed, blocks.0.attn.qkv, ...)
  --reference  a Python file with activations(state, inputs) -> {our label: tensor}, which runs the source module
At the end every checkpoint that they have must match, or nothing is written.
"""
import argparse
import importlib.util
import itertools
import json
import os
import pickle
import subprocess
import sys
import tempfile

import numpy as np
import torch

from icons.network import safetensors_io
from icons.network.dit import DiT, make_config
from icons.network.goldens import activations, inputs, pack
from icons.network.weights import load_model, save_model

GOLDEN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "golden")
TOLERANCE = 1e-4  # of a checkpoint's largest magnitude; f32 against f32 is some 1e-6
INPUTS = ("in.x", "in.t", "in.style", "in.words")


def read_state(path):
    """Name -> f64 tensor of a safetensors file or a PyTorch state dict."""
    if path.endswith(".safetensors"):
        state = {name: torch.from_numpy(value.copy()) for name, value in safetensors_io.load(path)[0].items()}
    else:
        try:
            # A pickle may be a program, which is run where it is read as one.
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError) as error:
            refuse(path, str(error))
        state = state.get("state_dict", state) if isinstance(state, dict) else {"": state}
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            refuse(path, f"{name!r}: {type(value).__name__}")
    return {name: value.double() for name, value in state.items()}


def refuse(path, found):
    raise SystemExit(f"{path}: expected tensors alone, as torch.save(net.state_dict(), FILE) writes them; found "
                     f"{ascii(found[:200])}")


def expand(tensors, depth):
    """The map with "{i}" replaced by each block, names always as a list."""
    expanded = {}
    for ours, theirs in tensors.items():
        theirs = [theirs] if isinstance(theirs, str) else theirs
        for i in range(depth if "{i}" in ours else 1):
            expanded[ours.replace("{i}", str(i))] = [name.replace("{i}", str(i)) for name in theirs]
    return expanded


def candidates(ours, parts, shape):
    """The one or two ways to make a tensor of `shape`: as it is, and with every part transposed."""
    ways = [torch.cat(parts) if len(parts) > 1 else parts[0]]
    if all(part.dim() == 2 for part in parts):
        ways.append(torch.cat([part.T for part in parts]))
    ways = [way for way in ways if way.shape == shape]
    if not ways:
        raise SystemExit(f"tensor '{ours}': expected {list(shape)} or its transpose, the source has "
                         f"{[list(part.shape) for part in parts]}")
    return ways


def checkpoint_of(name):
    """The label of the first checkpoint that a tensor changes."""
    if name.startswith(("time_mlp.", "word_", "style_")):
        return "condition"
    return {"pos_embed": "patch_embed", "final.linear.weight": "final"}.get(name, name.rsplit(".", 1)[0])


def difference(value, reference, label):
    """Largest error over the largest magnitude."""
    if value.numel() != reference.numel():
        raise SystemExit(f"checkpoint '{label}': ours is {list(value.shape)}, theirs {list(reference.shape)}")
    error = (value.double().reshape(-1) - reference.double().reshape(-1)).abs().max()
    return float(error / max(float(reference.abs().max()), 1e-30))


def assemble(config, mapping, state):
    """(network with everything that shapes decide, {checkpoint: [(name, ways)]} that they do not)."""
    net = DiT(config).double().eval()
    wanted = net.state_dict()
    table = expand(mapping, config["depth"])
    for what, names in (("lacks", set(wanted) - set(table)), ("has the unknown", set(table) - set(wanted))):
        if names:
            raise SystemExit(f"the map {what} {', '.join(sorted(names))}")
    missing = {name for names in table.values() for name in names} - set(state)
    if missing:
        raise SystemExit(f"the source lacks {', '.join(sorted(missing))}; it has {', '.join(sorted(state))}")
    chosen, open_questions = {}, {}
    for ours, theirs in table.items():
        ways = candidates(ours, [state[name] for name in theirs], wanted[ours].shape)
        chosen[ours] = ways[0]
        if len(ways) > 1 and not torch.equal(*ways):
            open_questions.setdefault(checkpoint_of(ours), []).append((ours, ways))
    net.load_state_dict(chosen)
    return net, open_questions


def settle(net, questions, given, reference):
    """Choose each square matrix by the checkpoint that it makes, in the order of the network."""
    order = [label for label in activations(net, given) if label in questions]
    if set(order) != set(questions):
        raise SystemExit(f"no checkpoint shows {sorted(set(questions) - set(order))}")
    parameters = dict(net.named_parameters()) | dict(net.named_buffers())
    for label in order:
        if label not in reference:
            names = ", ".join(name for name, _ in questions[label])
            raise SystemExit(f"{names}: square, so only activations tell its layout; the golden lacks '{label}'")
        fits = []
        for ways in itertools.product(*(ways for _, ways in questions[label])):
            with torch.no_grad():
                for (name, _), way in zip(questions[label], ways):
                    parameters[name].copy_(way)
            error = difference(activations(net, given)[label], reference[label], label)
            if error <= TOLERANCE:
                fits.append(ways)
        names = ", ".join(name for name, _ in questions[label])
        if len(fits) != 1:
            raise SystemExit(f"{names}: expected one layout to give checkpoint '{label}', found {len(fits)}")
        with torch.no_grad():
            for (name, ways), way in zip(questions[label], fits[0]):
                parameters[name].copy_(way)
                print(f"{name}: {'as stored' if way is ways[0] else 'transposed'}, by '{label}'")


def verify(net, given, reference):
    """Every checkpoint that both have; the first that differs ends it."""
    compared = 0
    for label, value in activations(net, given).items():
        if label in INPUTS or label not in reference:
            continue
        error = difference(value, reference[label], label)
        print(f"{label:28} {error:.2e}")
        if not error <= TOLERANCE:
            raise SystemExit(f"checkpoint '{label}' differs by {error:.2e} of its maximum; expected {TOLERANCE:.0e}")
        compared += 1
    if compared == 0:
        raise SystemExit("no checkpoint in common with the source's activations")
    if "final" not in reference:
        raise SystemExit("the source's activations lack 'final', so the last layers were not checked")


def given_and_reference(options, config, state):
    """(inputs, the source's activations)."""
    if options.golden:
        tensors, metadata = safetensors_io.load(options.golden)
        if any(stride != 1 for stride in json.loads(metadata.get("stride", "{}")).values()):
            raise SystemExit(f"{options.golden}: expected whole tensors, found thinned ones")
        reference = {name: torch.from_numpy(value.astype(np.float64)) for name, value in tensors.items()}
        given = {name: reference[name] for name in INPUTS}
        return {**given, "in.style": given["in.style"].long(), "in.words": given["in.words"].long()}, reference
    styles, words = len(config["styles"]), len(config["words"])
    given = inputs(config, 7, [0.3, 0.85], [0, styles], [[min(1, words), 0], [words, min(2, words)]])
    spec = importlib.util.spec_from_file_location("reference", options.reference)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return given, module.activations(state, given)


def port(options):
    with open(options.map, encoding="utf-8") as file:
        mapping = json.load(file)
    config = make_config(**mapping["config"])
    state = read_state(options.weights)
    given, reference = given_and_reference(options, config, state)
    net, questions = assemble(config, mapping["tensors"], state)
    settle(net, questions, given, reference)
    verify(net, given, reference)
    save_model(options.out, config, net.state_dict(), np.float16 if options.dtype == "f16" else np.float32)
    tensors, metadata = pack(activations(load_model(options.out, torch.float64), given), thin=False)
    goldens = options.goldens_out or options.out.replace(".safetensors", ".activations.safetensors")
    safetensors_io.save(goldens, tensors, metadata)
    print(f"{options.out}: {len(net.state_dict())} tensors\n{goldens}: {len(tensors)} tensors")


def smoke():
    """The tiny golden model under other names, split and transposed, must come back; wrong activations must not."""
    tensors, metadata = safetensors_io.load(os.path.join(GOLDEN, "tiny.safetensors"))
    golden = os.path.join(GOLDEN, "tiny.activations.safetensors")
    depth = json.loads(metadata["config"])["depth"]
    with tempfile.TemporaryDirectory() as folder:
        theirs, names = {}, {}
        for name, value in tensors.items():
            other = name.replace("blocks.", "layers.").replace("fc", "dense")
            flipped = value.T if value.ndim == 2 and name != "pos_embed" and "embed.weight" not in name else value
            parts = np.split(flipped, 3, axis=1) if name.endswith("qkv.weight") else [flipped]
            keys = [f"{other}.{k}" for k in "qkv"] if len(parts) > 1 else [other]
            theirs.update(zip(keys, map(np.ascontiguousarray, parts)))
            if name.startswith("blocks.") and not name.startswith("blocks.0."):
                continue
            general = [key.replace("layers.0.", "layers.{i}.") for key in keys]
            names[name.replace("blocks.0.", "blocks.{i}.")] = general if len(general) > 1 else general[0]
        weights, table, out = (os.path.join(folder, name) for name in ("theirs.pt", "map.json", "ours.safetensors"))
        torch.save({key: torch.from_numpy(value.copy()) for key, value in theirs.items()}, weights)
        with open(table, "w", encoding="utf-8") as file:
            json.dump({"config": json.loads(metadata["config"]), "tensors": names}, file)

        def run(reference):
            return subprocess.run([sys.executable, "-B", __file__, weights, "--map", table, "--golden", reference, "--out",
                                   out, "--dtype", "f32"], capture_output=True, text=True)
        done = run(golden)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"blocks.{depth - 1}.attn.out.weight: transposed" in done.stdout, done.stdout
        back, _ = safetensors_io.load(out)
        assert set(back) == set(tensors) and all((back[name] == tensors[name]).all() for name in tensors)
        os.remove(out)
        values, about = safetensors_io.load(golden)
        for label, change in (("blocks.1.mlp.fc2", None), ("blocks.0.attn.out", "gone"), ("blocks.0.attn.out", "wrong")):
            broken = dict(values)
            if change == "gone":
                del broken[label]
            else:
                broken[label] = values[label][::-1].copy()
            safetensors_io.save(os.path.join(folder, "broken.safetensors"), broken, about)
            done = run(os.path.join(folder, "broken.safetensors"))
            assert done.returncode != 0 and label in done.stderr, done.stdout + done.stderr
            assert not os.path.exists(out)
    print("smoke: ok")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?")
    parser.add_argument("--map")
    parser.add_argument("--golden")
    parser.add_argument("--reference")
    parser.add_argument("--out")
    parser.add_argument("--goldens-out")
    parser.add_argument("--dtype", choices=("f32", "f16"), default="f32")
    parser.add_argument("--smoke", action="store_true", help="port the tiny golden model and back; write nothing")
    options = parser.parse_args()
    if options.smoke:
        return smoke()
    if not (options.weights and options.map and options.out and bool(options.golden) != bool(options.reference)):
        parser.error("needed: WEIGHTS, --map, --out, and one of --golden and --reference: layouts are not guessed")
    port(options)


if __name__ == "__main__":
    main()
