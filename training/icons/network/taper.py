# SPDX-License-Identifier: MIT
"""Overlapping windows without a seam: every token paints twice its patch, and fades out towards the rim of its window.

Overlap alone does not help a trained network: it leaves the errors of neighbouring tokens side by side, because at 1 of 255
they cost nothing. With a fixed taper, 1 at a token's centre and falling straight to 0 half a window away, a pixel is a blend of
the tokens around it whose shares change evenly from pixel to pixel. lab/rounds-1-to-4.md says how far that helps.
The taper is a factor of the last layer's weights while training; weight files hold the product. The first layer may fade
likewise (--fade): what a token sees of a pixel then changes evenly across the border of its patch, too.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from icons.network.dit import modulate

LEAST = 1e-5        # of the ridge, in units of the mean square of a feature


def ramp(config):
    """[Wn]: the share of each line of a window, from 1 to 0 over the pixels that two windows share."""
    patch, window = config["patch"], config["window"]
    if window == patch:
        return torch.ones(window)
    distance = (torch.arange(window) + 0.5 - window / 2).abs()
    return ((window / 2 - distance) / (window - patch)).clamp(max=1)


def taper(config):
    """[C*Wn*Wn]: the share of each entry of a window; where all tokens exist, shares of a pixel add up to 1."""
    return (ramp(config)[:, None] * ramp(config)).flatten().repeat(config["channels"])


class TaperedLinear(nn.Linear):
    """A linear layer whose outputs, or inputs, have fixed shares."""

    def __init__(self, linear, shares, of_inputs=False):
        super().__init__(linear.in_features, linear.out_features)
        self.register_buffer("weight_shares", shares[None] if of_inputs else shares[:, None], persistent=False)
        self.register_buffer("bias_shares", torch.ones(1) if of_inputs else shares, persistent=False)

    def forward(self, x):
        return F.linear(x, self.weight * self.weight_shares, self.bias * self.bias_shares)


def tapers(config):
    """Whether there is anything to taper: windows that overlap, and no convolutional head."""
    return config["window"] > config["patch"] and not config.get("detail")


def scaled(state, config, power, fade=False):
    """The state dict with the last layer's weights, and with `fade` the first's, times (power 1) or divided by (power -1)
    their shares: what a weight file holds, or what is trained."""
    if not tapers(config):
        return state
    factor = taper(config).to(state["final.linear.weight"].device) ** power
    first = {"patch_embed.weight": state["patch_embed.weight"] * factor} if fade else {}
    return {**state, **first, "final.linear.weight": state["final.linear.weight"] * factor[:, None],
            "final.linear.bias": state["final.linear.bias"] * factor}


def use_taper(net, fade=False):
    """Give the network's last layer its taper, and with `fade` the first one too, keeping what the network computes."""
    if not tapers(net.config):
        return
    shares = taper(net.config).to(net.pos_embed.device)
    state = scaled(net.state_dict(), net.config, -1, fade)
    net.final.linear = TaperedLinear(net.final.linear, shares).to(shares.device)
    if fade:
        net.patch_embed = TaperedLinear(net.patch_embed, shares, of_inputs=True).to(shares.device)
    net.load_state_dict(state)


def coverage(config):
    """[H,W]: the sum of shares at each pixel, less than 1 at the picture's rim, where windows are missing."""
    patch, window = config["patch"], config["window"]
    sums = []
    for size in (config["height"], config["width"]):
        total = torch.zeros(size + window - patch)
        for begin in range(0, size, patch):
            total[begin:begin + window] += ramp(config)
        sums.append(total[(window - patch) // 2:][:size])
    return sums[0][:, None] * sums[1]


@torch.no_grad()
def fit(net, draw, rounds):
    """Set the tapered last layer by weighted least squares on what the network's tokens know.

    draw() -> (x, z, t, style, words, weight [R]). Each token is asked for all the pixels of its window, at the picture's rim
    for more than their value, since there it stands in for windows that do not exist.
    """
    config, linear = net.config, net.final.linear
    cover, rim = coverage(config).to(net.pos_embed.device), [(config["window"] - config["patch"]) // 2] * 4
    square = product = 0.0
    for _ in range(rounds):
        x, z, t, style, words, weight = draw()
        tokens = net.features(z, t, style, words, config["depth"])[-1]
        shift, scale = net.final.modulation(net.condition(t, style, words))[:, None].chunk(2, -1)
        h = modulate(tokens, scale, shift, config["norm_eps"])
        h = torch.cat([h, torch.ones_like(h[..., :1])], -1)
        wanted = F.unfold(F.pad(x / cover, rim, mode="replicate"), config["window"], stride=config["patch"]).transpose(1, 2)
        weighted = (h * weight[:, None, None]).flatten(0, 1).T.double()
        square = square + weighted @ h.flatten(0, 1).double()
        product = product + weighted @ wanted.flatten(0, 1).double()
    ridge = LEAST * square.diagonal().mean() * torch.eye(len(square), device=square.device, dtype=square.dtype)
    solved = torch.linalg.solve(square + ridge, product).T.to(linear.weight.dtype)
    linear.weight.copy_(solved[:, :-1])
    linear.bias.copy_(solved[:, -1])
