# SPDX-License-Identifier: MIT
"""Paint with a model; contact sheets: prompts by styles, the same seeds over steps, and unprompted icons."""
import torch

from icons.network import flow
from icons.network.checkpoint import load_small
from icons.network.dit import DiT, make_config
from icons.measure.pictures import over_white, sheet
from icons.network.vocabulary import build_aliases
from icons.network.weights import word_rows

PROMPTS = ["fox", "rocket", "guitar", "pizza", "castle", "robot", "coffee", "green heart", "red car", "blue fish", "tree",
           "house", "crown", "cat face", "rainbow", "red dragon"]
STEPS = (1, 2, 4, 8, 32)


@torch.no_grad()
def paint(net, prompts, styles, steps, guidance, seed=0, words=None, batch=256):
    """Icons [R,C,H,W] for prompts and style numbers (both of length R); noise depends on the seed and R alone."""
    config, device = net.config, net.pos_embed.device
    noise = torch.randn(len(styles), config["channels"], config["height"], config["width"],
                        generator=torch.Generator().manual_seed(seed)).to(device)
    rows = (word_rows(config, prompts) if words is None else words).to(device)
    styles = torch.as_tensor(styles).to(device)
    parts = zip(noise.split(batch), styles.split(batch), rows.split(batch))
    return torch.cat([flow.sample(net, z, s, w, steps, guidance) for z, s, w in parts])


def prompt_sheet(net, path, steps=32, guidance=2.5, prompts=PROMPTS):
    """Rows: every style; columns: the prompts; one noise for the whole sheet would hide variety, so each cell has its own."""
    styles = [s for s in range(net.no_style) for _ in prompts]
    sheet(over_white(paint(net, prompts * net.no_style, styles, steps, guidance)), len(prompts), path)


def steps_sheet(net, path, guidance=2.5, prompts=PROMPTS, wanted=("fluent-emoji-flat", "noto", "fluent-emoji-3d")):
    """Three styles; each block has one row per number of steps, with the same seeds."""
    names = [style for style in wanted if style in net.config["styles"]] or net.config["styles"][:1]
    rows = []
    for name in names:
        styles = [net.config["styles"].index(name)] * len(prompts)
        rows += [over_white(paint(net, prompts, styles, steps, guidance)) for steps in STEPS]
    sheet(torch.cat([torch.from_numpy(row) for row in rows]).numpy(), len(prompts), path)


def unprompted_sheet(net, path, count=256, steps=32, guidance=1.5):
    """Random styles, no words."""
    styles = torch.randint(net.no_style, (count,), generator=torch.Generator().manual_seed(9))
    sheet(over_white(paint(net, [""] * count, styles, steps, guidance, seed=7)), 16, path)


def contact_sheets(net, prefix, guidance=2.5):
    """All three sheets, the first and the last with the model's own number of steps."""
    steps = net.config["default_steps"]
    prompt_sheet(net, prefix + "prompt.png", steps, guidance)
    steps_sheet(net, prefix + "steps.png", guidance)
    unprompted_sheet(net, prefix + "unprompted.png", steps=steps, guidance=min(guidance, 1.5))


def open_model(path, device="cpu"):
    """A network from a weight file with its aliases, or from a small checkpoint with plain ones, which is what it would get now."""
    config, state, training = load_small(path)
    if training or not config["aliases"]:
        config["aliases"] = build_aliases(config["words"])
    net = DiT(config)
    net.load_state_dict(state)
    return net.to(device).eval()
