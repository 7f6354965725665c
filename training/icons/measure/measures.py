# SPDX-License-Identifier: MIT
"""What evaluate.py measures on pictures alone: z [R,4,H,W] premultiplied in [-1,1]; unclamped values are clamped first."""
import numpy as np
import torch
import torch.nn.functional as F

from icons.measure.pictures import over_white

SMALL_STEP = 12     # of 255: larger steps are edges of the drawing


def seams(z, period):
    """For each phase 0..period-1: mean and number of the small colour steps at columns and rows of that phase.

    Steps are |difference| of neighbouring pixels over white, in 1/255, horizontally and vertically; phase 0 is the step
    across a multiple of `period`. Only steps in (0, SMALL_STEP) count: exact zeros are flat background, which has no seam to show.
    """
    pixels = over_white(z).astype(np.int16)
    total, count = np.zeros(period), np.zeros(period)
    for axis in (1, 2):
        step = np.moveaxis(np.abs(np.diff(pixels, axis=axis)).mean(-1), axis, 0)
        small = (step > 0) & (step < SMALL_STEP)
        for k in range(len(step)):
            total[(k + 1) % period] += step[k][small[k]].sum()
            count[(k + 1) % period] += small[k].sum()
    return total, count


def seam(z, period):
    """How much larger small colour steps are across patch borders than on average, as a share, then in 1/255; and the
    share for the worst phase, wherever it lies (windows that overlap could move a seam instead of removing it)."""
    total, count = seams(z, period)
    mean = total.sum() / max(count.sum(), 1)
    excess = np.where(count > 0, total / np.maximum(count, 1) - mean, 0)
    share = excess / max(mean, 1e-9)
    return {"seam": float(share[0]), "seam_255": float(excess[0]), "seam_worst": float(share.max())}


def alpha_of(z):
    return (z[:, 3:].float().clamp(-1, 1) + 1) / 2


def alpha_faults(z):
    """Shares of pixels: `cloudy`, half transparent although nothing near (5x5) is clear; `dirt`, faintly visible (alpha
    0.02 to 0.2) although nothing near is solid; `haze`, alpha 1 to 8 of 255. Real icons have few."""
    alpha = alpha_of(z)
    interior = -F.max_pool2d(-alpha, 5, 1, 2) > 0.1
    empty = F.max_pool2d(alpha, 5, 1, 2) < 0.5
    byte = (alpha * 255).round()
    return {"cloudy": float((interior & (alpha < 0.9)).float().mean()),
            "dirt": float((empty & (alpha > 0.02) & (alpha < 0.2)).float().mean()),
            "haze": float(((byte >= 1) & (byte <= 8)).float().mean())}


def sharpness(z):
    """`edge`: the mean, over icons, of the largest twentieth of brightness steps (of 255, over white); `rim`: pixels of
    alpha 0.05 to 0.95 for each step of the outline (where alpha crosses one half): about 1 for clean antialiasing."""
    grey = torch.from_numpy(over_white(z)).float().mean(-1)
    steps = torch.cat([grey.diff(dim=axis).abs().flatten(1) for axis in (1, 2)], 1)
    edge = steps.topk(steps.shape[1] // 20, 1).values.mean()
    alpha = alpha_of(z)
    outline = sum(((alpha > 0.5).float().diff(dim=axis)).abs().sum() for axis in (2, 3))
    return {"edge": float(edge), "rim": float(((alpha > 0.05) & (alpha < 0.95)).sum() / outline.clamp(min=1))}


def thumbnails(z):
    """[R,4,64,64] in [-1,1] -> [R,1024] in [0,255]: 16x16 means of premultiplied RGBA, the space of the distances."""
    small = F.adaptive_avg_pool2d((z.float().clamp(-1, 1) + 1) * 127.5, 16)
    return small.flatten(1)


def nearest(z, training):
    """Root-mean-square distance (of 255) from each thumbnail to its nearest in `training`, and which."""
    distance, which = zip(*((row.min(1)) for row in (torch.cdist(part, training) for part in z.split(256))))
    return torch.cat(distance) / z.shape[1] ** 0.5, torch.cat(which)


def spread_within(thumbs, group):
    """Mean distance (of 255) between thumbnails of the same prompt, and between those of different prompts; thumbs hold
    `group` icons of each prompt, one prompt after the other."""
    distance = torch.cdist(thumbs, thumbs) / thumbs.shape[1] ** 0.5
    prompt = torch.arange(len(thumbs), device=thumbs.device) // group
    same = prompt[:, None] == prompt[None]
    inside = same & ~torch.eye(len(thumbs), dtype=torch.bool, device=thumbs.device)
    return float(distance[inside].mean()), float(distance[~same].mean())


def frechet(a, b):
    """Fréchet distance of two feature sets [n,d] seen as normal distributions."""
    a, b = a.double().cpu(), b.double().cpu()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + cov_a.trace() + cov_b.trace() - 2 * cross)
