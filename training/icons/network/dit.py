# SPDX-License-Identifier: MIT
"""The reference network: a diffusion transformer (DiT, arXiv 2212.09748) for small icons.

The engine matches this file. Module names are the tensor names of a weight file (format "ditsrc/1"), and the labels that
`forward(trace=...)` fills in are the checkpoints that the engine is held against.
Letters: R rows (icons in a batch), C channels, H W pixels, P patch, Wn window, G = pixels / P, T tokens, D model width,
N heads, Cc conditioning width, L words of a prompt, K = `context`, F and E = `detail`'s channels and hidden.

Two keys of the configuration add parts; without them the network and its tensor names are those of older files.

`context` K > 0: every block's attention also sees the prompt, as K + 1 keys and values that depend on neither x nor t.
    context.word.weight [Cc,Cc], .bias [Cc]     row i < K:  word_embed(word i) W^T + b + position[i]; the first K known words in
    context.style.weight [Cc,Cc], .bias [Cc]                order. Rows past the last word, and all of a null prompt, take row 0
    context.position [K+1,Cc]                               of word_embed, which is learnt
                                                row K:      style_embed(style) S^T + s + position[K]
    blocks.i.attn.context.weight [2D,Cc], .bias [2D]        k,v = layer_norm(rows, no weights, norm_eps) W^T + b; features [2,N,D/N]
    k is normed by attn.k_norm as the picture's is (where there is qk_norm), then follows the picture's keys: T + K + 1 in all.
    The sum over words in `condition` stays as it is, over all words of the prompt.

`detail` {"channels": F, "hidden": E, "layers": n >= 2}: a convolutional head instead of the linear map to pixels; window = patch.
    final.linear.weight [F*P*P,D], .bias [F*P*P]            tokens to F channels a pixel, feature = f*P*P + y*P + x, no activation
    detail.convs.0.weight [E,F+C,3,3], .bias [E]            h = silu(conv0(z)), z = (those F channels, then the noisy picture x)
    detail.convs.1 .. n-2 .weight [E,E,3,3], .bias [E]      h = h + silu(conv(h))
    detail.convs.n-1.weight [C,E,3,3], .bias [C]            the prediction, no activation
    All 3x3, stride 1, one pixel of zeros around.
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
    "context": 0, "detail": None,
}
# keys that a file has only when it uses them: without them it is what it was before they existed
OPTIONAL = ("context", "detail")


def make_config(**changes):
    """A full configuration: the defaults with `changes`; an unknown key is an error. A window of 0 means the patch.

    An optional part that is not used leaves no key."""
    unknown = set(changes) - set(DEFAULTS)
    if unknown:
        raise ValueError(f"unknown configuration keys: {sorted(unknown)}")
    config = {**DEFAULTS, **changes}
    config["window"] = config["window"] or config["patch"]
    if config["window"] < config["patch"] or (config["window"] - config["patch"]) % 2:
        raise ValueError(f"window: expected the patch {config['patch']} plus an even number, found {config['window']}")
    if config["detail"]:
        check_detail(config)
    return {key: value for key, value in config.items() if key not in OPTIONAL or value}


def check_detail(config):
    """A head of at least two layers, and no windows that overlap: the head is what joins patches."""
    detail = config["detail"]
    if set(detail) != {"channels", "hidden", "layers"} or min(detail["channels"], detail["hidden"]) < 1 or detail["layers"] < 2:
        raise ValueError(f"detail: expected channels and hidden of at least 1 and layers of at least 2, found {detail}")
    if config["window"] != config["patch"]:
        raise ValueError(f"detail: expected a window of the patch, {config['patch']}, found {config['window']}")


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
    if window == patch:
        r, c, h, w = x.shape
        return x.view(r, c, h // patch, patch, w // patch, patch).permute(0, 2, 4, 1, 3, 5).reshape(r, -1, c * patch * patch)
    return F.unfold(x, window, padding=(window - patch) // 2, stride=patch).transpose(1, 2)


def unpatchify(tokens, height, width, patch, window):
    """[R,T,C*Wn*Wn] -> [R,C,H,W]; where windows overlap, they are added up. With Wn = P the inverse of patchify."""
    if window == patch:
        grid = tokens.view(len(tokens), height // patch, width // patch, -1, patch, patch)
        return grid.permute(0, 3, 1, 4, 2, 5).reshape(len(tokens), -1, height, width)
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
        self.context = nn.Linear(config["cond_dim"], 2 * dim) if config.get("context") else None

    def forward(self, x, prompt=None, trace=None, label=""):
        """x [R,T,D], with `context` also prompt [R,K+1,Cc] -> [R,T,D]; qkv features are [3,N,D/N]."""
        r, t, d = x.shape
        qkv = self.qkv(x)
        note(trace, label + ".qkv", qkv)
        q, k, v = self.split(qkv, 3)
        if self.context is not None:
            kv = self.context(prompt)
            note(trace, label + ".context", kv)
            k, v = (torch.cat(pair, 2) for pair in zip((k, v), self.split(kv, 2)))
        if self.q_norm is not None:
            q = rms_norm(q, self.q_norm.weight, self.eps)
            k = rms_norm(k, self.k_norm.weight, self.eps)
        y = self.attend(q, k, v).transpose(1, 2).reshape(r, t, d)
        note(trace, label + ".attention", y)
        return self.out(y)

    def split(self, features, count):
        """[R,T,count*D] -> [count,R,N,T,D/N]."""
        return features.unflatten(-1, (count, self.heads, -1)).permute(2, 0, 3, 1, 4)

    @staticmethod
    def attend(q, k, v):
        """softmax(q k^T / sqrt(D/N)) v, q [R,N,T,D/N], k and v [R,N,T or T+K+1,D/N]; torch 1.13 has no public fused version."""
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

    def forward(self, x, condition, prompt=None, trace=None, label=""):
        modulation = self.modulation(condition)
        note(trace, label + ".modulation", modulation)
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation[:, None].chunk(6, -1)
        x = x + gate1 * self.attn(modulate(x, scale1, shift1, self.eps), prompt, trace, label + ".attn")
        note(trace, label + ".attn.out", x)
        x = x + gate2 * self.mlp(modulate(x, scale2, shift2, self.eps), trace, label + ".mlp")
        note(trace, label + ".mlp.fc2", x)
        return x


class Context(nn.Module):
    """The prompt's words and style as rows [R,K+1,Cc] for every block's attention."""

    def __init__(self, config):
        super().__init__()
        self.count, self.eps, width = config["context"], config["norm_eps"], config["cond_dim"]
        self.word = nn.Linear(width, width)
        self.style = nn.Linear(width, width)
        self.position = nn.Parameter(0.02 * torch.randn(self.count + 1, width))

    def first(self, words):
        """The first K known words [R,K] of words [R,L], where 0 is a hole; zeros after the last."""
        words = F.pad(words, (0, max(0, self.count - words.shape[1])))
        # a known word's place among the known ones; holes and words past the K-th share one more column, which is dropped
        known = words > 0
        place = torch.where(known, known.cumsum(1) - 1, self.count).clamp(max=self.count)
        row = torch.zeros(len(words), self.count + 1, dtype=words.dtype, device=words.device)
        return row.scatter(1, place, words)[:, :self.count]

    def forward(self, words, style):
        """Embeddings of the first K words [R,K,Cc] and of the style [R,Cc] -> [R,K+1,Cc], normed."""
        rows = torch.cat([self.word(words), self.style(style)[:, None]], 1) + self.position
        return F.layer_norm(rows, rows.shape[-1:], eps=self.eps)


class Detail(nn.Module):
    """The convolutional head: the tokens' F channels a pixel and the noisy picture -> the prediction, all [R,*,H,W]."""

    def __init__(self, config):
        super().__init__()
        channels, hidden, layers = (config["detail"][key] for key in ("channels", "hidden", "layers"))
        widths = [channels + config["channels"]] + [hidden] * (layers - 1) + [config["channels"]]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip(widths, widths[1:]))
        nn.init.zeros_(self.convs[-1].weight)
        nn.init.zeros_(self.convs[-1].bias)

    def forward(self, features, x, trace=None):
        """Under autocast the hidden layers run in bf16, the last in f32: pixels need more than 8 bits."""
        z = torch.cat([features.to(x.dtype), x], 1)
        h = F.silu(self.convs[0](z.contiguous(memory_format=torch.channels_last) if z.is_cuda else z))
        note(trace, "detail.convs.0", h)
        for i, conv in enumerate(self.convs[1:-1], 1):
            h = h + F.silu(conv(h))
            note(trace, f"detail.convs.{i}", h)
        return precise(self.convs[-1], h)


class Final(nn.Module):
    """Modulated norm and the linear map to windows, or to the channels of `detail`."""

    def __init__(self, config):
        super().__init__()
        self.eps = config["norm_eps"]
        self.modulation = nn.Linear(config["cond_dim"], 2 * config["dim"])
        detail = config.get("detail")
        self.has_head, channels = bool(detail), detail["channels"] if detail else config["channels"]
        self.linear = nn.Linear(config["dim"], channels * config["window"] ** 2)
        # a head begins with zeros in its own last layer: it needs features here that differ
        for parameter in (self.modulation if detail else self).parameters():
            nn.init.zeros_(parameter)

    def forward(self, x, condition, trace=None):
        modulation = self.modulation(condition)
        note(trace, "final.modulation", modulation)
        shift, scale = modulation[:, None].chunk(2, -1)
        h = modulate(x, scale, shift, self.eps)
        # channels for the head are no pixels yet
        return self.linear(h) if self.has_head else precise(self.linear, h)


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
        self.context = Context(config) if config.get("context") else None
        self.detail = Detail(config) if config.get("detail") else None
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

    def prompt(self, style, words):
        """style [R], words [R,L] (0 = padding) -> [R,K+1,Cc], or None without `context`."""
        if self.context is None:
            return None
        return self.context(self.word_embed(self.context.first(words)), self.style_embed(style))

    def embed(self, x):
        """[R,C,H,W] -> tokens with their positions [R,T,D]."""
        return precise(self.patch_embed, patchify(x, self.config["patch"], self.config["window"])) + self.pos_embed

    def features(self, x, t, style, words, depth):
        """The tokens [R,T,D] after each of the first `depth` blocks: how the network sees a picture."""
        condition, prompt, h, seen = self.condition(t, style, words), self.prompt(style, words), self.embed(x), []
        for block in self.blocks[:depth]:
            h = block(h, condition, prompt)
            seen.append(h)
        return seen

    def forward(self, x, t, style, words, trace=None):
        """x [R,C,H,W], t [R], style [R] integer, words [R,L] integer -> prediction [R,C,H,W]."""
        config = self.config
        condition, prompt = self.condition(t, style, words), self.prompt(style, words)
        note(trace, "condition", condition)
        if prompt is not None:
            note(trace, "context", prompt)
        h = self.embed(x)
        note(trace, "patch_embed", h)
        for i, block in enumerate(self.blocks):
            h = block(h, condition, prompt, trace, f"blocks.{i}")
        h = self.final(h, condition, trace)
        y = unpatchify(h, config["height"], config["width"], config["patch"], config["window"])
        if self.detail is not None:
            note(trace, "final.linear", y)
            y = self.detail(y, x, trace)
        note(trace, "final", y)
        return y


def step_flops(config):
    """Floating-point operations of one forward pass of one icon (multiply + add = 2): matrix products and convolutions only.

    Keys and values of the prompt are made once an icon, so the products that make them are not of a step.
    """
    tokens = (config["height"] // config["patch"]) * (config["width"] // config["patch"])
    keys = tokens + (config["context"] + 1 if config.get("context") else 0)
    dim, mlp, area = config["dim"], config["mlp_dim"], config["window"] ** 2
    detail = config.get("detail")
    channels = config["channels"], detail["channels"] if detail else config["channels"]
    linear = config["depth"] * (4 * dim * dim + 2 * dim * mlp) + sum(channels) * area * dim
    return 2 * tokens * linear + 4 * config["depth"] * tokens * keys * dim + detail_flops(config)


def detail_flops(config):
    """Those of the convolutional head."""
    detail = config.get("detail")
    if not detail:
        return 0
    channels, hidden, layers = detail["channels"] + config["channels"], detail["hidden"], detail["layers"]
    weights = 9 * hidden * (channels + (layers - 2) * hidden + config["channels"])
    return 2 * config["height"] * config["width"] * weights
