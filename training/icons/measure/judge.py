# SPDX-License-Identifier: MIT
"""An independent judge: a classifier of real icons (which thing, which style), trained without the held-out pairs.

With glyphs it also learns tiles, lines and solid glyphs as compose.py draws them, and knows things that only glyphs show.
"""
import collections
import json
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from icons.network import safetensors_io
from icons.data.augment import hue_turn, move
from icons.data.captions import name_words
from icons.data.compose import Composer

LEAST = 3       # training icons that a concept needs
LEAST_GLYPHS = 12       # the same for glyphs, where no icon has the name
COMPOSED_SHARE = 0.4
GREY_SHARE = 0.1        # of icons whose colours are taken away: a thing is a thing in every style
FEATURES = 192
WIDTH = 80
DROPPED = 0.2           # of the features, while it learns
HOLE_SHARE = 0.4        # of icons that lose a square of up to half their side: a thing is more than its one tell-tale part
AVERAGE = 0.998         # of the weights that are kept, a step


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(nn.BatchNorm2d(channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                                  nn.BatchNorm2d(channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False))

    def forward(self, x):
        return x + self.body(x)


class Judge(nn.Module):
    """x [R,4,64,64] premultiplied in [-1,1] -> (features [R,FEATURES], concept logits, style logits)."""

    def __init__(self, concepts, styles, width=WIDTH):
        super().__init__()
        layers, channels = [nn.Conv2d(4, width, 4, 2, 1)], width
        for factor in (1, 2, 4):
            if factor > 1:
                layers += [nn.Conv2d(channels, width * factor, 2, 2)]
                channels = width * factor
            layers += [Residual(channels), Residual(channels)]
        self.body = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                                  nn.Linear(channels, FEATURES))
        self.concept = nn.Linear(FEATURES, concepts)
        self.style = nn.Linear(FEATURES, styles)

    def forward(self, x):
        features = self.body(x)
        active = F.dropout(F.silu(features), DROPPED, self.training)
        return features, self.concept(active), self.style(active)


def concept_names(icons, with_glyphs):
    """Names that enough training icons have, or enough glyphs."""
    counts = collections.Counter(row["name"] for row, out in zip(icons.rows, icons.held_out) if not out)
    names = {name for name, count in counts.items() if count >= LEAST}
    if with_glyphs:
        plain = {" ".join(name_words(name)) for name in counts}
        drawn = collections.Counter(icons.glyphs.name)
        names |= {name for name, count in drawn.items() if count >= LEAST_GLYPHS and name not in plain}
    return sorted(names)


def concept_labels(icons, names):
    """Label of each icon, and of each glyph, or -1."""
    index = {name: i for i, name in enumerate(names)}
    plain = {" ".join(name_words(name)): i for i, name in enumerate(names)}
    return (np.array([index.get(row["name"], -1) for row in icons.rows], int),
            np.array([plain.get(name, -1) for name in icons.glyphs.name], int))


def augment(x, flip):
    """Stronger than for the generator: shifts of 4, scale 0.8 to 1.1, half mirrored, some hue, some grey."""
    count, device = len(x), x.device

    def uniform(low, high):
        return low + (high - low) * torch.rand(count, device=device)

    x = torch.where((flip & (uniform(0, 1) < 0.5))[:, None, None, None], x.flip(-1), x)
    turn = uniform(-0.06, 0.06) * (uniform(0, 1) < 0.5)
    rgb = hue_turn(x[:, :3], turn, torch.ones_like(turn))
    rgb = torch.where((uniform(0, 1) < GREY_SHARE)[:, None, None, None], rgb.mean(1, keepdim=True), rgb)
    x = torch.cat([rgb, x[:, 3:]], 1)
    return with_holes(move(x, uniform(-4, 4), uniform(-4, 4), uniform(0.8, 1.1)))


def with_holes(x):
    """Some icons without a square of 12 to 32 pixels anywhere."""
    count, size, device = len(x), x.shape[-1], x.device
    side = torch.randint(12, 33, (count,), device=device) * (torch.rand(count, device=device) < HOLE_SHARE)
    axis = torch.arange(size, device=device)
    inside = []
    for _ in range(2):
        first = torch.rand(count, device=device) * (size + side) - side
        inside.append((axis >= first[:, None]) & (axis < (first + side)[:, None]))
    return x * ~(inside[0][:, :, None] & inside[1][:, None])[:, None]


class Lessons:
    """Batches of icons, and with glyphs of composed ones, with what they show and how."""

    def __init__(self, icons, names, device, with_glyphs):
        labels, glyph_labels = concept_labels(icons, names)
        self.pool = torch.from_numpy(np.flatnonzero((labels >= 0) & ~icons.held_out)).to(device)
        self.pixels, self.flip = torch.from_numpy(icons.pixels).to(device), torch.from_numpy(icons.flip).to(device)
        self.label, self.style = torch.from_numpy(labels).to(device), torch.from_numpy(icons.style).to(device)
        self.composer = Composer(icons, device, glyph_labels >= 0) if with_glyphs else None
        self.glyph_label = torch.from_numpy(glyph_labels).to(device)

    def draw(self, batch):
        """(x [batch,4,64,64] in [-1,1], concept [batch], style [batch])."""
        composed = round(batch * COMPOSED_SHARE) if self.composer and self.composer.pools else 0
        pick = self.pool[torch.randint(len(self.pool), (batch - composed,), device=self.pool.device)]
        x, flip, label, style = self.pixels[pick].float() / 255, self.flip[pick], self.label[pick], self.style[pick]
        if composed:
            made, look, _, glyph = self.composer.draw(composed)
            x, flip = torch.cat([x, made]), torch.cat([flip, torch.zeros_like(glyph, dtype=torch.bool)])
            label, style = torch.cat([label, self.glyph_label[glyph]]), torch.cat([style, look])
        return 2 * augment(x, flip) - 1, label, style


def train(icons, device, seconds, batch=512, lr=2e-3, max_steps=1 << 30, with_glyphs=True):
    """A trained judge and the names of its concepts."""
    names = concept_names(icons, with_glyphs)
    judge = Judge(len(names), len(icons.styles)).to(device)
    lessons = Lessons(icons, names, device, with_glyphs)
    if "cuda" in str(device):
        judge = judge.to(memory_format=torch.channels_last)
    adam = torch.optim.AdamW(judge.parameters(), lr=lr, weight_decay=0.05)
    live = list(judge.state_dict().values())
    average = [value.clone() for value in live]
    start, step, done = time.time(), 0, 0.0
    while done < 1:
        done = min(1.0, max((time.time() - start) / seconds, step / max_steps))
        adam.param_groups[0]["lr"] = lr * min(1, step / 200 + 0.01) * (1 - done)
        x, label, style = lessons.draw(batch)
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=x.is_cuda):
            _, concept, look = judge(x)
        loss = F.cross_entropy(concept.float(), label, label_smoothing=0.1) + 0.3 * F.cross_entropy(look.float(), style)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        step += 1
        follow(average, live, min(AVERAGE, step / (step + 10)))
    judge.load_state_dict(dict(zip(judge.state_dict(), average)))
    print(f"judge: {step} steps, {step * batch / len(lessons.pool):.0f} times the {len(lessons.pool)} icons, {len(names)} concepts, "
          f"loss {loss.item():.3f}", flush=True)
    return judge.eval(), names


@torch.no_grad()
def follow(average, live, share):
    """Move the averaged weights and statistics towards the present ones; counters are taken over."""
    some = [i for i, value in enumerate(live) if value.is_floating_point()]
    torch._foreach_mul_([average[i] for i in some], share)
    torch._foreach_add_([average[i] for i in some], [live[i] for i in some], alpha=1 - share)
    for i, value in enumerate(live):
        if not value.is_floating_point():
            average[i].copy_(value)


@torch.no_grad()
def look(judge, x, batch=512):
    """(features, concept logits, style logits) of x [R,4,64,64] in [-1,1], on the judge's device, f32."""
    device = next(judge.parameters()).device
    parts = [judge(part.to(device).float().clamp(-1, 1)) for part in x.split(batch)]
    return tuple(torch.cat(column) for column in zip(*parts))


def accuracy(logits, labels):
    """(top-1, top-5) for logits [R,K] and labels [R]."""
    best = logits.topk(min(5, logits.shape[1]), 1).indices == labels[:, None].to(logits.device)
    return best[:, 0].float().mean().item(), best.any(1).float().mean().item()


def held_out_accuracy(judge, names, icons):
    """The judge on real icons of held-out pairs: (concept top-1, top-5, style top-1, count)."""
    labels, _ = concept_labels(icons, names)
    pick = np.flatnonzero(icons.held_out & (labels >= 0))
    _, concept, style = look(judge, torch.from_numpy(icons.pixels[pick]).float() / 127.5 - 1)
    top1, top5 = accuracy(concept, torch.from_numpy(labels[pick]))
    return top1, top5, accuracy(style, torch.from_numpy(icons.style[pick]))[0], len(pick)


def save(path, judge, names, styles):
    tensors = {name: value.cpu().numpy().astype(np.float16 if value.is_floating_point() else np.int64)
               for name, value in judge.state_dict().items()}
    safetensors_io.save(path, tensors, {"format": "ditsrc-judge/1", "concepts": json.dumps(names),
                                        "styles": json.dumps(styles)})


def load(path, device="cpu"):
    """(judge, names of concepts, styles)."""
    tensors, metadata = safetensors_io.load(path)
    names, styles = json.loads(metadata["concepts"]), json.loads(metadata["styles"])
    judge = Judge(len(names), len(styles), tensors["body.0.weight"].shape[0])
    judge.load_state_dict({name: torch.from_numpy(value.astype(np.float32 if value.dtype == np.float16 else value.dtype))
                           for name, value in tensors.items()})
    return judge.to(device).eval(), names, styles
