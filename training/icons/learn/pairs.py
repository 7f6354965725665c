# SPDX-License-Identifier: MIT
"""Pairs of (noise, icon) with their captions, which a teacher paints and a student learns from.

Guidance acts while t < UNTIL; every step sees the picture a little shifted, and the icons are cleaned: valid premultiplied colour,
no haze in alpha. A file of pairs holds the seed of its noise, not the noise.
"""
import glob
import os
import time

import torch

from icons.network import flow
from icons.data.augment import Batches, spread

STEPS, UNTIL, ROLL = 24, 0.7, 2
CHUNK = 8           # batches a file


def clean(x):
    """Icons as they should be, in [0,1]: alpha without haze, colour not above alpha."""
    x = (x.clamp(-1, 1) + 1) / 2
    alpha = ((x[:, 3:] - 0.03) / 0.94).clamp(0, 1)
    return torch.cat([torch.minimum(x[:, :3], alpha), alpha], 1)


def make_noise(seed, count, config, device):
    """The same normals whenever asked on the same kind of device."""
    generator = torch.Generator(device).manual_seed(seed)
    return torch.randn(count, config["channels"], config["height"], config["width"], generator=generator, device=device)


@torch.no_grad()
def paint_batch(net, noise, style, words, guidance, roll=ROLL):
    """Cleaned icons as uint8 [R,C,H,W]."""
    with torch.autocast(noise.device.type, dtype=torch.bfloat16, enabled=noise.is_cuda):
        x = flow.sample(net, noise, style, words, STEPS, guidance, until=UNTIL, roll=roll)
    return (clean(x.float()) * 255).round().byte()


def paint(net, icons, folder, options, device):
    """Files of pairs in `folder` until the time is over; returns how many icons."""
    batches, count, start = Batches(icons, device, options.composed), 0, None
    painter = torch.compile(net, dynamic=False) if device == "cuda" else net
    torch.manual_seed(options.seed + options.rank)
    chunk = 0
    while start is None or time.time() - start < options.seconds:
        rows = []
        for part in range(CHUNK):
            seed = ((options.seed * 64 + options.rank) * 4096 + chunk) * CHUNK + part
            _, style, words = batches.draw(options.batch)
            noise = make_noise(seed, options.batch, net.config, device)
            rows.append((seed, paint_batch(painter, noise, style, words, options.guidance, options.roll).cpu(),
                         style.byte().cpu(), words.short().cpu()))
            # the clock starts after the first, compiling batch
            start = start or time.time()
        torch.save(rows, os.path.join(folder, f"pairs-{options.rank}-{chunk:04d}.pt"))
        count, chunk = count + options.batch * CHUNK, chunk + 1
    print(f"[paint {options.rank}] {count} pairs in {time.time() - start:.0f} s", flush=True)
    return count


def load_pairs(folder, config, device, share=(0, 1)):
    """(noise f16, icons uint8, style, words) of every file, or of each `share[1]`-th from `share[0]`."""
    paths = sorted(glob.glob(os.path.join(glob.escape(folder), "pairs-*.pt")))[share[0]::share[1]]
    if not paths:
        raise FileNotFoundError(f"{folder}: expected files pairs-*.pt for share {share}, found none")
    columns = []
    for path in paths:
        for seed, icons, style, words in torch.load(path, weights_only=True):
            columns.append((make_noise(seed, len(icons), config, device).half(), icons.to(device),
                            style.long().to(device), words.long().to(device)))
    return tuple(torch.cat(column) for column in zip(*columns))


def as_target(icons):
    """uint8 icons as a network's target, extremes moved out."""
    return spread(icons.float() / 127.5 - 1)
