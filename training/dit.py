# SPDX-License-Identifier: MIT
"""The reference network: a diffusion transformer (DiT, arXiv 2212.09748) for small icons.

The engine matches this file. Module names are the tensor names of a weight file (format "ditsrc/1"), and the labels that
`forward(trace=...)` fills in are the checkpoints that the engine is held against.
Letters: R rows (icons in a batch), C channels, H W pixels, P patch, Wn window, G = pixels / P, T tokens, D model width,
N heads, Cc conditioning width, L words of a prompt.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

DEFAULTS = {
    "name": "unnamed", "channels": 4, "height": 64, "width": 64, "alpha": "premultiplied", "patch": 8,
    "window": 0, "dim": 384, "depth": 8, "heads": 6, "mlp_dim": 1536, "cond_dim": 256, "time_dim": 256, "time_scale": 1000.0,
    "norm": "layer", "norm_eps": 1e-5, "qk_norm": True, "qk_norm_eps": 1e-6, "activation": "silu", "bias": False,
    "prediction": "x", "schedule": {"type": "flow"}, "styles": [], "words": [], "aliases": {},
    "default_steps": 32, "default_sampler": "euler", "default_guidance": 2.5, "licence": "MIT", "description": "",
}


def make_config(**changes):
    """A full configuration: the defaults with `changes`; an unknown key is an error. A window of 0 means the patch."""
    unknown = set(changes) - set(DEFAULTS)
    if unknown:
        raise ValueError(f"unknown configuration keys: {sorted(unknown)}")
    config = {**DEFAULTS, **changes}
    config["window"] = config["window"] or config["patch"]
    if config["window"] < config["patch"] or (config["window"] - config["patch"]) % 2:
        raise ValueError(f"window: expected the patch {config['patch']} plus an even number, found {config['window']}")
    return config


def grid_positions(dim, rows, columns):
    """Fixed sine/cosine table [rows*columns, dim]: sin y, cos y, sin x, cos x, dim/4 each (1, 1/1e4 geometric)."""
    quarter = dim // 4
    freq = torch.exp(-math.log(1e4) * torch.arange(quarter) / quarter)

    def axis(count):
        angle = torch.arange(count).float()[:, None] * freq
        return torch.cat([angle.sin(), angle.cos()], -1)

    y = axis(rows)[:, None].expand(rows, columns, 2 * quarter)
    x = axis(columns)[None].expand(rows, columns, 2 * quarter)
    return torch.cat([y, x], -1).reshape(rows * columns, dim)


def patchify(x, patch, window):
    """[R,C,H,W] -> [R,T,C*Wn*Wn]: the window around each patch, zero outside the picture.

    token = gy*Gx + gx, feature = c*Wn*Wn + wy*Wn + wx, pixel y = gy*P - (Wn-P)/2 + wy.
    """
    return F.unfold(x, window, padding=(window - patch) // 2, stride=patch).transpose(1, 2)


def unpatchify(tokens, height, width, patch, window):
    """[R,T,C*Wn*Wn] -> [R,C,H,W]; where windows overlap, they are added up. With Wn = P the inverse of patchify."""
    return F.fold(tokens.transpose(1, 2), (height, width), window, padding=(window - patch) // 2, stride=patch)


def rms_norm(x, weight, eps):
    """x / sqrt(mean(x^2) + eps) * weight over the last axis; the mean in at least f32."""
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    scale = torch.rsqrt((wide * wide).mean(-1, keepdim=True) + eps)
    return x * scale.to(x.dtype) * weight.to(x.dtype)


def precise(linear, x):
    """A linear layer kept at its own precision under autocast: pixels need more than the 8 bits of bf16."""
    with torch.autocast(x.device.type, enabled=False):
        return linear(x.to(linear.weight.dtype))


def note(trace, label, value):
    """Keep a copy of an intermediate tensor; costs nothing when no trace is wanted."""
    if trace is not None:
        trace[label] = value.detach().clone()


class RmsWeight(nn.Module):
    """Holds the weight [D/N] of a q or k norm, so that its tensor is called `...q_norm.weight`."""

    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))


class Attention(nn.Module):
    """Multi-head self-attention without mask; q and k may be RMS-normalised per head (arXiv 2302.05442)."""

    def __init__(self, config):
        super().__init__()
        dim, self.heads = config["dim"], config["heads"]
        self.eps = config["qk_norm_eps"]
        self.qkv = nn.Linear(dim, 3 * dim, bias=config["bias"])
        self.out = nn.Linear(dim, dim, bias=config["bias"])
        self.q_norm = RmsWeight(dim // self.heads) if config["qk_norm"] else None
        self.k_norm = RmsWeight(dim // self.heads) if config["qk_norm"] else None

    def forward(self, x, trace=None, label=""):
        """x [R,T,D] -> [R,T,D]; qkv features are [3,N,D/N]."""
        r, t, d = x.shape
        qkv = self.qkv(x)
        note(trace, label + ".qkv", qkv)
        q, k, v = qkv.view(r, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        if self.q_norm is not None:
            q = rms_norm(q, self.q_norm.weight, self.eps)
            k = rms_norm(k, self.k_norm.weight, self.eps)
        y = self.attend(q, k, v).transpose(1, 2).reshape(r, t, d)
        note(trace, label + ".attention", y)
        return self.out(y)

    @staticmethod
    def attend(q, k, v):
        """softmax(q k^T / sqrt(D/N)) v on [R,N,T,D/N]; torch 1.13 has no public fused version."""
        if hasattr(F, "scaled_dot_product_attention"):
            return F.scaled_dot_product_attention(q, k, v)
        return (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1) @ v


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.fc1 = nn.Linear(config["dim"], config["mlp_dim"], bias=config["bias"])
        self.fc2 = nn.Linear(config["mlp_dim"], config["dim"], bias=config["bias"])

    def forward(self, x, trace=None, label=""):
        hidden = F.silu(self.fc1(x))
        note(trace, label + ".fc1", hidden)
        return self.fc2(hidden)


class Block(nn.Module):
    """x += gate * attention(norm(x) * (1+scale) + shift), then the same with the MLP (adaLN-zero)."""

    def __init__(self, config):
        super().__init__()
        self.eps = config["norm_eps"]
        self.modulation = nn.Linear(config["cond_dim"], 6 * config["dim"])
        self.attn = Attention(config)
        self.mlp = Mlp(config)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x, condition, trace=None, label=""):
        modulation = self.modulation(condition)
        note(trace, label + ".modulation", modulation)
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation[:, None].chunk(6, -1)
        x = x + gate1 * self.attn(modulate(x, scale1, shift1, self.eps), trace, label + ".attn")
        note(trace, label + ".attn.out", x)
        x = x + gate2 * self.mlp(modulate(x, scale2, shift2, self.eps), trace, label + ".mlp")
        note(trace, label + ".mlp.fc2", x)
        return x


class Final(nn.Module):
    """Modulated norm and the linear map to windows."""

    def __init__(self, config):
        super().__init__()
        self.eps = config["norm_eps"]
        self.modulation = nn.Linear(config["cond_dim"], 2 * config["dim"])
        self.linear = nn.Linear(config["dim"], config["channels"] * config["window"] ** 2)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x, condition, trace=None):
        modulation = self.modulation(condition)
        note(trace, "final.modulation", modulation)
        shift, scale = modulation[:, None].chunk(2, -1)
        return precise(self.linear, modulate(x, scale, shift, self.eps))


def modulate(x, scale, shift, eps):
    """Layer norm without its own weights, then * (1 + scale) + shift."""
    return F.layer_norm(x, x.shape[-1:], eps=eps) * (1 + scale) + shift


class DiT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config = make_config(**config)
        patch, dim, cond = config["patch"], config["dim"], config["cond_dim"]
        grid = config["height"] // patch, config["width"] // patch
        self.no_style = len(config["styles"])
        self.patch_embed = nn.Linear(config["channels"] * config["window"] ** 2, dim)
        self.register_buffer("pos_embed", grid_positions(dim, *grid))
        self.time_mlp = nn.Sequential(nn.Linear(config["time_dim"], cond), nn.SiLU(), nn.Linear(cond, cond))
        self.style_embed = nn.Embedding(self.no_style + 1, cond)
        self.word_embed = nn.Embedding(len(config["words"]) + 1, cond)
        self.word_proj = nn.Linear(cond, cond)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config["depth"]))
        self.final = Final(config)
        nn.init.normal_(self.style_embed.weight, std=0.02)
        nn.init.normal_(self.word_embed.weight, std=0.3)

    def time_features(self, t):
        """t [R] -> [R,time_dim]: sin then cos of time_scale * t * exp(-ln(1e4) k / (time_dim/2))."""
        half = self.config["time_dim"] // 2
        # angles reach 1000 radians, where bf16 and f16 mean nothing: always at least f32
        dtype = self.pos_embed.dtype if self.pos_embed.dtype == torch.float64 else torch.float32
        freq = torch.exp(-math.log(1e4) * torch.arange(half, device=t.device, dtype=dtype) / half)
        angle = self.config["time_scale"] * t.to(dtype)[:, None] * freq
        return torch.cat([angle.sin(), angle.cos()], -1)

    def condition(self, t, style, words):
        """t [R], style [R], words [R,L] (0 = padding) -> [R,Cc]."""
        present = (words > 0).to(self.word_embed.weight.dtype)[..., None]
        total = (self.word_embed(words) * present).sum(1)
        text = total / present.sum(1).clamp(min=1).sqrt()
        return F.silu(self.time_mlp(self.time_features(t)) + self.style_embed(style) + self.word_proj(text))

    def embed(self, x):
        """[R,C,H,W] -> tokens with their positions [R,T,D]."""
        return precise(self.patch_embed, patchify(x, self.config["patch"], self.config["window"])) + self.pos_embed

    def features(self, x, t, style, words, depth):
        """The tokens [R,T,D] after each of the first `depth` blocks: how the network sees a picture."""
        condition, h, seen = self.condition(t, style, words), self.embed(x), []
        for block in self.blocks[:depth]:
            h = block(h, condition)
            seen.append(h)
        return seen

    def forward(self, x, t, style, words, trace=None):
        """x [R,C,H,W], t [R], style [R] integer, words [R,L] integer -> prediction [R,C,H,W]."""
        config = self.config
        condition = self.condition(t, style, words)
        note(trace, "condition", condition)
        h = self.embed(x)
        note(trace, "patch_embed", h)
        for i, block in enumerate(self.blocks):
            h = block(h, condition, trace, f"blocks.{i}")
        h = self.final(h, condition, trace)
        y = unpatchify(h, config["height"], config["width"], config["patch"], config["window"])
        note(trace, "final", y)
        return y


def step_flops(config):
    """Floating-point operations of one forward pass of one icon (multiply + add = 2), matrix products only."""
    tokens = (config["height"] // config["patch"]) * (config["width"] // config["patch"])
    dim, mlp, features = config["dim"], config["mlp_dim"], config["channels"] * config["window"] ** 2
    linear = config["depth"] * (4 * dim * dim + 2 * dim * mlp) + 2 * features * dim
    return 2 * tokens * linear + 4 * config["depth"] * tokens * tokens * dim
