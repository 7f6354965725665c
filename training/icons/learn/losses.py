# SPDX-License-Identifier: MIT
"""What training minimises on pictures: errors, errors of gradients, weaves at patch borders. x [R,4,H,W] in [-1,1], t [R]."""
import torch
import torch.nn.functional as F

FLAT_STEP = 16 / 127.5      # an icon's smaller steps are no edges
SMALL_STEP, LEAST_STEP = 12 / 127.5, 0.25 / 127.5      # steps that measures.seam looks at; a byte rounds less to 0
TOLERATED, REAL_SEAM = 0.04, -0.01     # inside the patch by chance; at its border in real icons
BORDER_SHARES = (3.0, 2.0, 1.0)     # across a patch border, beside it, elsewhere


def noisy(x, noise, t):
    """The point at time t on the straight line from the noise to the icon."""
    t = t[:, None, None, None]
    return t * x + (1 - t) * noise


def over_white(z):
    """Colour over white and alpha [R,4,H,W], up to a constant that differences do not see."""
    return torch.cat([z[:, :3] - z[:, 3:], z[:, 3:]], 1)


def away_from_border(size, patch, device):
    """[size - 1]: how far the step from each pixel to its next lies from the nearest patch border; 0 across one."""
    return ((torch.arange(size - 1, device=device) + 1 + patch // 2) % patch - patch // 2).abs()


def along(axis, values):
    """values [n] to be multiplied with [R,C,H,W] along an axis."""
    return values.view([-1 if k == axis else 1 for k in range(4)])


def edge_loss(error, weight, patch, border=4.0):
    """Weighted mean square of differences of neighbouring errors; pairs across a patch border count `border` times.

    Any positive quadratic form of the error has the same minimiser, the mean of x given z, so this moves only what an
    imperfect network gets wrong: away from steps between patches, which the eye sees, towards errors that are smooth.
    """
    total = 0.0
    for axis in (2, 3):
        at_border = away_from_border(error.shape[axis], patch, error.device) == 0
        total = total + (error.diff(dim=axis) ** 2 * along(axis, torch.where(at_border, border, 1.0)) * weight).mean()
    return total


def pixel_loss(predicted, x, t, patch, edge, power=2.0):
    """Squared error of the icon, and of its gradients, times (1 - t)^-power, limited near t = 1.

    Power 2 makes it the error of the velocity (x' - x) / (1 - t).
    """
    error = predicted.float() - x
    weight = (1 - t[:, None, None, None]).clamp(min=0.05) ** -power
    return (error ** 2 * weight).mean() + (edge * edge_loss(error, weight, patch) if edge else 0.0)


def flat_loss(predicted, x, patch):
    """Mean size of wrong colour steps (over white, and of alpha) where the icon has none that the eye takes for an edge.

    By their size and not by its square, which is blind to steps of 1 of 255. Steps near patch borders count more: this is
    where a network leaves a weave.
    """
    wanted, error, total = over_white(x), over_white(predicted - x), 0.0
    shares = torch.tensor(BORDER_SHARES, device=x.device)
    for axis in (2, 3):
        flat = wanted.diff(dim=axis).abs().amax(1, keepdim=True) < FLAT_STEP
        scale = shares[away_from_border(x.shape[axis], patch, x.device).clamp(max=len(shares) - 1)]
        total = total + (error.diff(dim=axis).abs() * flat * along(axis, scale)).mean()
    return total


def seam_loss(predicted, patch):
    """How much larger small colour steps are at some lines of the patch than on average, as measures.seams has it.

    The sum over the lines, so that a seam cannot only move. At the border they shall be as small as in real icons; inside the
    patch an excess of up to TOLERATED does not count: a batch has as much by chance, and pulling at that costs sharpness.
    """
    white, total, count = over_white(predicted.clamp(-1, 1))[:, :3], 0.0, 0.0
    for axis in (2, 3):
        step = white.diff(dim=axis).abs().mean(1)
        small = ((step > LEAST_STEP) & (step < SMALL_STEP)).to(step.dtype)
        phase = (torch.arange(white.shape[axis] - 1, device=step.device) + 1) % patch
        phase = (phase[:, None] == torch.arange(patch, device=step.device)).to(step.dtype)
        other = 5 - axis - 1
        total = total + (step * small).sum((0, other)) @ phase
        count = count + small.sum((0, other)) @ phase
    mean = (total.sum() / count.sum().clamp(min=1)).detach().clamp(min=LEAST_STEP)
    tolerated = torch.full_like(total, TOLERATED)
    tolerated[0] = REAL_SEAM
    return F.relu(total / count.clamp(min=1) / mean - 1 - tolerated).sum()
