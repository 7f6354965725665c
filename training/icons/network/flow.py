# SPDX-License-Identifier: MIT
"""Flow matching with x-prediction: z_t = t x + (1 - t) noise, t from 0 (noise) to 1 (icon).

The network predicts the clean icon x; the velocity is (x - z) / (1 - t), so an Euler step from a to b is
z <- (1-b)/(1-a) z + (b-a)/(1-a) x, which needs no division by zero guard because a < b <= 1.
"""
import torch


def guided(net, z, t, style, words, guidance):
    """Classifier-free guidance (arXiv 2207.12598): null + guidance * (conditioned - null); 1 needs one pass only."""
    rows = len(z)
    times = torch.full((rows,), float(t), device=z.device, dtype=z.dtype)
    if guidance == 1:
        return net(z, times, style, words)
    null_style = torch.full_like(style, net.no_style)
    both = net(torch.cat([z, z]), torch.cat([times, times]), torch.cat([style, null_style]),
               torch.cat([words, torch.zeros_like(words)]))
    conditioned, null = both.chunk(2)
    return null + guidance * (conditioned - null)


def euler_step(z, x, a, b):
    """One step of the probability-flow ODE from time a to time b with the predicted icon x."""
    return (1 - b) / (1 - a) * z + (b - a) / (1 - a) * x


@torch.no_grad()
def sample(net, noise, style, words, steps=32, guidance=2.5, on_step=None, until=1.0, roll=0):
    """noise [R,C,H,W] -> icons in [-1,1] (premultiplied, not clamped); `on_step(k, z)` sees z after step k = 1..steps.

    Guidance acts while t < `until` (arXiv 2404.07724: late guidance only adds artefacts). With `roll` every step sees the
    picture shifted by up to that many pixels, so that no step's patch borders lie where another's do.
    """
    z = noise
    for k in range(steps):
        a, b = k / steps, (k + 1) / steps
        # a walk of shifts that visits every offset, the same for each call
        shift = tuple((k * step) % (2 * roll + 1) - roll for step in (1, 2)) if roll else (0, 0)
        seen = torch.roll(z, shift, (2, 3)) if roll else z
        x = guided(net, seen, a, style, words, guidance if a < until else 1)
        x = torch.roll(x, tuple(-offset for offset in shift), (2, 3)) if roll else x
        z = euler_step(z, x, a, b)
        if on_step:
            on_step(k + 1, z)
    return z
