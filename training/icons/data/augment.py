# SPDX-License-Identifier: MIT
"""Training batches, made on the device: icons drawn by weight, changed safely, with captions that stay true.

- mirror (not where meaning has a direction), shift by whole pixels, now and then a smaller scale;
- duotone icons, all blue, get one of eight hues and the colour word of that hue;
- some coloured icons are turned by a multiple of 30 degrees of hue and always say their new colours, so that a colour
  word means a colour whatever the thing ("red dragon") while prompts without one keep natural colours;
- a small hue change elsewhere, then without colour words;
- icons composed of glyph masks (compose.py).
Captions lose words, style or everything at random, so that short prompts and the null condition are learnt too.
"""
import numpy as np
import torch
import torch.nn.functional as F

from icons.data.captions import ATTRIBUTES, KEYWORDS, NAME_WORDS
from icons.data.compose import Composer

WORDS = NAME_WORDS + KEYWORDS + ATTRIBUTES
# hue in degrees and brightness gain that turn the duotone sets' blue (about 217 degrees) into a colour of that name
HUES = [("blue", 217, 1.0), ("red", 2, 1.05), ("orange", 28, 1.15), ("yellow", 47, 1.25), ("green", 135, 1.0),
        ("cyan", 187, 1.05), ("purple", 268, 1.0), ("pink", 328, 1.1)]
# where colour names lie on the hue circle, in degrees; a turned colour further than NEAR from all of them has no name
CENTRES = {"red": 0, "orange": 30, "yellow": 52, "green": 130, "cyan": 187, "blue": 217, "purple": 270, "pink": 328}
NEAR = 24
SPINS = 12
SPIN_SHARE = 0.12
# a green face or a turned flag would be wrong whatever its caption says
NO_SPIN = {"people", "body", "smileys", "flags"}
# pixels that are quite clear, quite solid, quite black or white lie this far outside [-1, 1]: a network is never exact, and
# what it misses by less is gone when the picture is clamped (no haze of alpha 1 to 8 of 255 around shapes)
MARGIN = 0.06
COMPOSED_SHARE = 0.35
AHEAD = 4
LAST_FIRST = 0.35        # captions that begin with colours and group, as prompts do


def hue_turn(rgb, turn, gain):
    """Turn the hue of rgb [n,3,h,w] in [0,1] by `turn` [n] (1 = full circle), keep saturation, scale value by `gain` [n].

    Works on premultiplied colour too: hue and saturation do not depend on a common factor.
    """
    value, _ = rgb.max(1)
    low, _ = rgb.min(1)
    chroma = value - low
    safe = chroma.clamp(min=1e-6)
    r, g, b = rgb.unbind(1)
    hue = torch.where(value == r, ((g - b) / safe) % 6, torch.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4))
    hue = hue + 6 * turn[:, None, None]
    planes = []
    for n in (5, 3, 1):
        k = (n + hue) % 6
        planes.append(value - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(planes, 1) * gain[:, None, None, None]


def spread(x):
    """x in [-1,1] with its extremes moved out by MARGIN."""
    return x + MARGIN * ((x > 1 - 1 / 255).to(x.dtype) - (x < 1 / 255 - 1).to(x.dtype))


def move(x, dx, dy, scale):
    """Shift x [n,c,h,w] by (dx, dy) pixels [n] and scale [n] about the centre; zero outside."""
    zero = torch.zeros_like(scale)
    half = x.shape[-1] / 2
    theta = torch.stack([torch.stack([1 / scale, zero, -dx / half / scale], -1),
                         torch.stack([zero, 1 / scale, -dy / half / scale], -1)], 1)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


class Batches:
    """Draws training batches on a device from an IconSet."""

    def __init__(self, icons, device, composed=COMPOSED_SHARE):
        def put(array):
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        self.device, self.icons, self.waiting = device, icons, []
        self.no_style = len(icons.styles)
        self.pixels, self.style = put(icons.pixels), put(icons.style)
        self.names, self.keywords, self.attributes = put(icons.names), put(icons.keywords), put(icons.attributes)
        self.flip, self.duotone = put(icons.flip), put(icons.duotone)
        self.cumulative = put(np.cumsum(icons.weight))
        self.recolour, self.spin = put(self.recolour_table(icons)), put(self.spin_table(icons))
        self.may_spin = put(np.array([row.get("group") not in NO_SPIN for row in icons.rows]) & ~icons.duotone)
        self.is_colour = put(np.array([False] + [word.startswith("c:") for word in icons.words]))
        self.is_hue = put(np.array([False] + [word[:2] == "c:" and word[2:] in CENTRES for word in icons.words]))
        self.turns = torch.tensor([(hue - 217) / 360 for _, hue, _ in HUES], device=device)
        self.gains = torch.tensor([gain for _, _, gain in HUES], device=device)
        self.composer = Composer(icons, device) if composed and len(icons.glyphs) else None
        self.composed = composed if self.composer and self.composer.pools else 0.0

    @staticmethod
    def recolour_table(icons):
        """int64 [hues, words+1]: what a token becomes when the duotone blue becomes that hue."""
        table = np.tile(np.arange(len(icons.words) + 1), (len(HUES), 1))
        for row, (name, _, _) in zip(table, HUES):
            for old in ("c:blue", "c:cyan", "c:purple"):
                if old in icons.index:
                    row[icons.index[old]] = icons.index["c:" + name]
        table[0] = np.arange(len(icons.words) + 1)
        return table

    @staticmethod
    def spin_table(icons):
        """int64 [SPINS, words+1]: colour tokens after a turn by 360/SPINS degrees times the row; 0 where no name fits."""
        table = np.tile(np.arange(len(icons.words) + 1), (SPINS, 1))
        for spin in range(1, SPINS):
            for name, centre in CENTRES.items():
                hue = centre + spin * 360 / SPINS
                gap, new = min((abs((hue - other + 180) % 360 - 180), word) for word, other in CENTRES.items())
                table[spin, icons.index["c:" + name]] = icons.index["c:" + new] if gap <= NEAR else 0
            # brown is dark orange: turned, it has no name of its own
            table[spin, icons.index["c:brown"]] = 0
        return table

    def rand(self, *shape):
        return torch.rand(*shape, device=self.device)

    def draw(self, count):
        """x [count,4,64,64] in [-1,1] with extremes at +-(1 + MARGIN), style [count], words [count,WORDS]."""
        composed = round(count * self.composed)
        parts = [self.draw_icons(count - composed)] + ([self.composer.draw(composed)[:3]] if composed else [])
        x, style, words = (torch.cat(column) for column in zip(*parts))
        style, words = self.forget(style, self.order(words))
        return spread(2 * x - 1), style, words

    def draw_next(self, count):
        """The same as draw(count), made AHEAD batches at a time and shuffled: the hundreds of small launches that a batch takes are
        slower than the step of a network, whatever the batch's size."""
        if not self.waiting:
            drawn = self.draw(count * AHEAD)
            mixed = torch.randperm(count * AHEAD, device=self.device)
            self.waiting = list(zip(*(column[mixed].split(count) for column in drawn)))
        return self.waiting.pop()

    def order(self, words):
        """Captions with name, keywords, attributes in turn, or with the attributes first."""
        first = self.rand(len(words), 1) < LAST_FIRST
        return torch.where(first, words.roll(ATTRIBUTES, 1), words)

    def draw_icons(self, count):
        """Weighted icons, changed; premultiplied in [0,1]."""
        pick = torch.searchsorted(self.cumulative, self.rand(count).double()).clamp(max=len(self.style) - 1)
        x = self.pixels[pick].float() / 255
        mirror = self.flip[pick] & (self.rand(count) < 0.5)
        x = torch.where(mirror[:, None, None, None], x.flip(-1), x)
        x, names, attributes, must = self.change_colours(x, pick)
        shifted = (self.rand(count) < 0.5).float()
        dx, dy = (torch.randint(-2, 3, (count,), device=self.device).float() * shifted for _ in range(2))
        scale = torch.where(self.rand(count) < 0.12, 0.85 + 0.15 * self.rand(count), torch.ones_like(dx))
        x = move(x, dx, dy, scale)
        return x, self.style[pick], self.captions(pick, names, attributes, must)

    def change_colours(self, x, pick):
        """Recolour duotone icons, spin some others, jitter a few.

        Returns pixels, the tokens of names and attributes that are then true, and which icons must say their colours.
        """
        count, names, attributes = len(pick), self.names[pick], self.attributes[pick]
        hue = torch.randint(len(HUES), (count,), device=self.device) * self.duotone[pick]
        spin = torch.randint(SPINS, (count,), device=self.device) * (self.rand(count) < SPIN_SHARE) * self.may_spin[pick]
        spun = self.spin[spin[:, None], attributes]
        spin = spin * self.is_hue[spun].any(1)
        names, attributes = (self.spin[spin[:, None], self.recolour[hue[:, None], old]] for old in (names, attributes))
        jittered = (hue == 0) & (spin == 0) & (self.rand(count) < 0.08)
        small = (2 * self.rand(count) - 1) * 0.04
        turn = torch.where(hue > 0, self.turns[hue] + small / 2, spin / SPINS + torch.where(jittered, small, 0 * small))
        rgb = hue_turn(x[:, :3], turn, self.gains[hue])
        # gain may push colour above alpha, which premultiplied colour never is
        x = torch.cat([torch.minimum(rgb, x[:, 3:]), x[:, 3:]], 1)
        return x, names, attributes * ~(jittered[:, None] & self.is_colour[attributes]), spin > 0

    def captions(self, pick, names, attributes, must):
        """Tokens [n,WORDS]: most name words, often attributes, sometimes keywords, now and then instead of the name.

        Icons in `must` [n] keep their colours.
        """
        count = len(pick)
        with_keywords = self.rand(count, 1) < 0.4
        instead = with_keywords & (self.rand(count, 1) < 0.35)
        names = names * (self.rand(count, NAME_WORDS) < torch.where(instead, 0.25, 0.92))
        keywords = self.keywords[pick] * (with_keywords & (self.rand(count, KEYWORDS) < 0.3))
        kept = (self.rand(count, 1) < 0.7) & (self.rand(count, ATTRIBUTES) < 0.7)
        attributes = attributes * (kept | (must[:, None] & self.is_hue[attributes]))
        # a prompt has no word twice
        attributes = attributes * ~(attributes[:, :, None] == names[:, None]).any(2)
        return torch.cat([names, keywords, attributes], 1)

    def forget(self, style, words):
        """Drop style, words, or both (the null condition)."""
        draw = self.rand(len(style))
        style = torch.where((draw < 0.10) | (draw > 0.94), torch.full_like(style, self.no_style), style)
        words = words * ((draw >= 0.10) & ~((draw > 0.88) & (draw <= 0.94)))[:, None]
        return style, words
