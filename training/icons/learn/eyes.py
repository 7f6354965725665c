# SPDX-License-Identifier: MIT
"""A perceptual loss: how far two icons are apart as a classifier of icons sees them (LPIPS, arXiv 1801.03924, without its own weights).

The classifier is a judge (measure/judge.py), never the one that measures what was trained with it.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from icons.measure import judge as judges

EXTREME = 1.06      # where targets have what is quite clear, black or white (augment.MARGIN); the classifier saw it at 1
FROM = 0.35         # before this time a prediction is an average of many icons, and looks like none whatever is done


class Eyes(nn.Module):
    """x [R,4,64,64] in [-EXTREME,EXTREME] -> [R,h,w,c] of length 1 at the end of each resolution."""

    def __init__(self, path, device):
        super().__init__()
        judge = judges.load(path, device)[0].requires_grad_(False).eval()
        # the convolutions alone: what follows them has forgotten where things are
        self.layers = nn.ModuleList(layer for layer in judge.body if isinstance(layer, (nn.Conv2d, judges.Residual)))

    def forward(self, x):
        x, seen = x / EXTREME, []
        for layer, following in zip(self.layers, [*self.layers[1:], None]):
            x = layer(x)
            if isinstance(layer, judges.Residual) and not isinstance(following, judges.Residual):
                seen.append(F.normalize(x.float().permute(0, 2, 3, 1), dim=-1, eps=1e-6))
        return seen

    def distance(self, x, other, t):
        """Mean distance of icons at times t [R] that are late enough; other is a target, which is not changed."""
        with torch.no_grad():
            wanted = self(other)
        late = (t > FROM).float()
        each = sum(((a - b) ** 2).sum(-1).mean((1, 2)) for a, b in zip(self(x), wanted)) / len(wanted)
        return (each * late).sum() / late.sum().clamp(min=1)


def sized(loss, x, size):
    """The gradient of a loss with respect to x, of the given norm."""
    gradient, = torch.autograd.grad(loss, x)
    return gradient * (size / gradient.norm().clamp(min=1e-12))
