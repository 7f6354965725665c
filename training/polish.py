# SPDX-License-Identifier: MIT
"""Take the weave at patch borders out of a student by its last layer alone; seconds on a GPU, minutes on a CPU.

    polish.py --data DIR --model FILE --out DIR --name NAME [--icons 768] [--rounds 200] [--smoke]

The student paints icons; what its last layer saw at every time where a sampler of 1, 2, 4 or 8 steps stands is kept. The layer is
then trained to give the pictures that it gave, but with small colour steps no larger at any line of the patch than at others
(losses.seam_loss). Some icons are kept aside to show what that did: the seam before and after, and how far pictures moved.
"""
import argparse
import os
import tempfile
import time

import numpy as np
import torch

from icons.network import flow
from icons.data import synthetic
from icons.data.augment import Batches
from icons.network.checkpoint import load_small, save_small
from icons.data.icon_set import IconSet
from icons.network.dit import DiT, make_config, unpatchify
from icons.learn.losses import noisy, seam_loss
from icons.measure.measures import seam, seams
from icons.network.taper import scaled, use_taper

TIMES = (0.0, 0.25, 0.5, 0.75, 0.5, 0.875)      # of the columns of `Views`: four steps, the second of two, the last of eight
SHARES = (0.2, 0.05, 0.1, 0.35, 0.15, 0.15)     # how much the columns count: a last pass is what is seen
SEAM = 0.008        # weight of the seam beside the mean square of what changes, in [-1,1]
LR = 4e-4
ASIDE = 96
CHUNK = 48


class Views:
    """What the last layer sees while icons are painted: tokens f16 [N,times,T,D], and the pictures that it makes of them."""

    def __init__(self, net, noise, style, words):
        seen = {}
        hook = net.final.linear.register_forward_pre_hook(lambda _, given: seen.update(tokens=given[0].detach()))
        parts = []
        for z, s, w in zip(noise.split(CHUNK), style.split(CHUNK), words.split(CHUNK)):
            parts.append(self.paint(lambda z, t: (net(z, torch.full((len(z),), t, device=z.device), s, w), seen["tokens"]), z))
        hook.remove()
        self.pictures, self.tokens = (torch.cat(column) for column in zip(*parts))

    @staticmethod
    @torch.no_grad()
    def paint(look, noise):
        """(pictures [n,times,C,H,W], tokens [n,times,T,D]) of one chunk; look(z, t) -> (prediction, tokens)."""
        z, kept = noise, []
        for step in range(4):
            kept.append(look(z, TIMES[step]))
            z = flow.euler_step(z, kept[-1][0], step / 4, (step + 1) / 4)
        for picture, time_ in ((kept[0][0], TIMES[4]), (z, TIMES[5])):
            kept.append(look(noisy(picture, noise, torch.full((len(z),), time_, device=z.device)), time_))
        return tuple(torch.stack(column, 1).half() for column in zip(*kept))


def picture_of(net, tokens):
    config = net.config
    return unpatchify(net.final.linear(tokens.float()), config["height"], config["width"], config["patch"], config["window"])


def polish(net, views, rounds, aside, batch):
    """Train the last layer on the icons from `aside` on."""
    count = len(views.tokens) - aside
    adam = torch.optim.Adam(net.final.linear.parameters(), LR)
    for step in range(rounds):
        adam.param_groups[0]["lr"] = LR * min(1, (step + 1) / 10) * min(1, 2 * (1 - step / rounds))
        adam.zero_grad()
        for column, share in enumerate(SHARES):
            pick = aside + torch.randint(count, (max(4, round(batch * share)),), device=views.tokens.device)
            picture, wanted = picture_of(net, views.tokens[pick, column]), views.pictures[pick, column].float()
            loss = ((picture - wanted) ** 2).mean() + SEAM * seam_loss(picture, net.config["patch"])
            (share * loss).backward()
        adam.step()


@torch.no_grad()
def show(net, views, aside):
    """The seam of the icons kept aside, before and after, at each time."""
    period = net.config["patch"]
    for column, time_ in enumerate(TIMES):
        old = views.pictures[:aside, column].float()
        new = torch.cat([picture_of(net, part) for part in views.tokens[:aside, column].split(16)])
        moved = 127.5 * (new.clamp(-1, 1) - old.clamp(-1, 1)).pow(2).mean().sqrt()
        texts = []
        for picture in (old, new):
            total, number = seams(picture, period)
            phases = total / np.maximum(number, 1) / (total.sum() / max(number.sum(), 1)) - 1
            texts.append(f"{100 * seam(picture, period)['seam']:5.1f} % (lines {' '.join(f'{100 * p:.0f}' for p in phases)})")
        print(f"t {time_:5.3f}: seam {texts[0]} -> {texts[1]}, moved by {moved:.2f} of 255", flush=True)


def run(options, icons_of, aside=ASIDE):
    config, state, training = load_small(options.model)
    path = os.path.join(options.out, options.name + ".safetensors")
    if config.get("detail"):
        print("a convolutional head: nothing to polish, the weights are copied", flush=True)
        return save_small(path, {**config, "name": options.name}, state, training)
    device = torch.device("cuda" if torch.cuda.is_available() and not options.smoke else "cpu")
    net = DiT(config)
    net.load_state_dict(state)
    net.to(device).eval().requires_grad_(False)
    torch.manual_seed(options.seed)
    _, style, words = Batches(icons_of(config), device).draw(aside + options.icons)
    start = time.time()
    views = Views(net, torch.randn(len(style), config["channels"], config["height"], config["width"], device=device), style, words)
    print(f"{len(style)} icons painted in {time.time() - start:.0f} s", flush=True)
    use_taper(net)
    net.final.linear.requires_grad_(True)
    polish(net, views, options.rounds, aside, options.batch)
    show(net, views, aside)
    arguments = {"icons": options.icons, "rounds": options.rounds, "batch": options.batch, "seed": options.seed}
    return save_small(path, {**config, "name": options.name}, scaled(net.state_dict(), config, 1), {**training, "polished": arguments})


def smoke(options):
    """A tiny untrained network; only its last layer may change."""
    folder = tempfile.mkdtemp()
    icons = IconSet(synthetic.write(folder))
    net = DiT(make_config(patch=16, window=24, dim=16, depth=1, heads=2, mlp_dim=16, cond_dim=8, time_dim=8, styles=icons.styles,
                          words=icons.words))
    torch.nn.init.normal_(net.final.linear.weight, std=0.1)
    save_small(os.path.join(folder, "student.safetensors"), net.config, net.state_dict(), {"step": 1})
    options.model, options.out, options.icons, options.rounds = os.path.join(folder, "student.safetensors"), folder, 8, 3
    run(options, lambda config: icons, aside=4)
    _, before, _ = load_small(options.model)
    _, after, training = load_small(os.path.join(folder, options.name + ".safetensors"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"final.linear.weight", "final.linear.bias"}, changed
    assert training == {"step": 1, "polished": {"icons": 8, "rounds": 3, "batch": 128, "seed": 0}}, training
    print("smoke run passed in", folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data")
    add("--model")
    add("--out", default=".")
    add("--name", default="polished")
    add("--icons", type=int, default=768)
    add("--rounds", type=int, default=200)
    add("--batch", type=int, default=128, help="icons a round")
    add("--seed", type=int, default=0)
    add("--smoke", action="store_true", help="a tiny untrained network and made-up icons")
    options = parser.parse_args()
    if options.smoke:
        return smoke(options)
    os.makedirs(options.out, exist_ok=True)
    print("\n".join(run(options, lambda config: IconSet(options.data, config["words"], config["styles"]))))


if __name__ == "__main__":
    main()
