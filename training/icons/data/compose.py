# SPDX-License-Identifier: MIT
"""Icons composed of glyph masks on the device, with captions of what they show.

- tile: a glyph on a coloured tile as apps have them, half to two thirds of its size; white on a gradient, white on one colour,
  two colours, a colour on its own tint, a colour on dark, a colour on white;
- line, solid: one colour on clear, black where no word says another; lines that are thin or bold are called so.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F

from icons.data.glyphs import BOLD_LINE, LINE, MIXED, SOLID, THIN_LINE
from icons.data.captions import ATTRIBUTES, KEYWORDS, NAME_WORDS

WORDS = NAME_WORDS + KEYWORDS + ATTRIBUTES
PALETTE = {"black": (38, 38, 44), "blue": (40, 110, 235), "brown": (130, 84, 52), "cyan": (30, 180, 205),
           "gray": (120, 126, 138), "green": (46, 170, 86), "orange": (245, 135, 35), "pink": (240, 100, 165),
           "purple": (130, 80, 220), "red": (228, 52, 52), "white": (244, 244, 248), "yellow": (250, 200, 50)}
TILE_SIZE = 59
# of the mask's canvas, whose drawing takes up to 59 of 64 pixels: 57 to 65 % of the tile
GLYPH_SIZES = (37, 39, 40, 41, 42)
# gradient, flat, two colours, tint, dark, white
TILE_LOOKS = (0.32, 0.24, 0.15, 0.09, 0.12, 0.08)
# how often a glyph of this kind is put on a tile: 38 pixels are too few for lines, and a thing drawn in every way is learnt in none
TILE_KINDS = {LINE: 0.1, SOLID: 1.0, MIXED: 0.2}
# sets whose solid glyphs go together, and how much more often than others they are put on tiles
TILE_SETS, TILE_SETS_MORE = set("""material-symbols mdi ph tabler fluent ri mingcute solar bxs boxicons fa6-solid fa7-solid ion heroicons-solid
fluent-emoji-high-contrast emojione-monotone letters""".split()), 4.0
GRADIENT, FLAT, TWO, TINT, DARK, LIGHT = range(6)
SHARES = {"tile": 0.45, "line": 0.30, "solid": 0.25}
PLAIN_BLACK = 0.5       # of line and solid icons
CONTRAST = 0.3          # of brightness, between a glyph and what is behind it


def tile_masks(size=64, tile=TILE_SIZE, over=8):
    """Antialiased masks [4,size,size] of rounded square, squircle, circle and nearly square tiles, and their tokens."""
    axis = ((torch.arange(size * over) + 0.5) / over - size / 2).abs() / (tile / 2)
    x, y = axis[None], axis[:, None]

    def rounded(radius):
        inner = 1 - radius
        return ((x - inner).clamp(min=0) ** 2 + (y - inner).clamp(min=0) ** 2) <= radius ** 2

    shapes = [rounded(0.45), x ** 4 + y ** 4 <= 1, x ** 2 + y ** 2 <= 1, rounded(0.12)]
    masks = F.avg_pool2d(torch.stack(shapes)[:, None].float(), over)[:, 0]
    return masks, ["s:rounded-square", "s:rounded-square", "s:circle", "s:square"]


def brightness(colour):
    """[n,3] in [0,1] -> [n]."""
    red, green, blue = colour.unbind(1)
    return 0.3 * red + 0.59 * green + 0.11 * blue


class Composer:
    """Draws composed icons from the glyphs of an IconSet, in those of the styles tile, line and solid that it knows."""

    def __init__(self, icons, device, allowed=None):
        """`allowed` [m] bool: only these glyphs."""
        def put(array):
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        glyphs = icons.glyphs
        self.device = device
        self.masks = put(glyphs.masks)
        self.names, self.keywords, self.attributes = put(glyphs.names), put(glyphs.keywords), put(glyphs.attributes)
        on_tiles = sum(share * (glyphs.kind == kind) for kind, share in TILE_KINDS.items())
        on_tiles = on_tiles * np.array([TILE_SETS_MORE if row["set"] in TILE_SETS else 1.0 for row in glyphs.rows])
        on_tiles = on_tiles * ~((glyphs.kind == LINE) & (glyphs.width < THIN_LINE))
        pools = {"tile": glyphs.weight * on_tiles, "line": glyphs.weight * (glyphs.kind == LINE), "solid": glyphs.weight * (glyphs.kind == SOLID)}
        allowed = np.ones(len(glyphs.name), bool) if allowed is None else allowed
        pools = {style: weight * allowed * ~icons.glyph_held_out(style) for style, weight in pools.items()}
        self.pools = {style: put(np.cumsum(weight / weight.sum())) for style, weight in pools.items()
                      if style in icons.styles and weight.sum() > 0}
        self.style = {style: icons.styles.index(style) for style in self.pools}
        tile, tokens = tile_masks()
        self.tile_masks, self.shape_tokens = tile.to(device), put(np.array([icons.index[token] for token in tokens]))
        self.palette = torch.tensor(list(PALETTE.values()), device=device).float() / 255
        self.palette_tokens = put(np.array([icons.index["c:" + name] for name in PALETTE]))
        self.black, self.white = (list(PALETTE).index(name) for name in ("black", "white"))
        # made once: small copies to the device in a batch would keep it waiting
        self.looks = torch.tensor(TILE_LOOKS, device=device).cumsum(0)[:-1]
        self.coloured = torch.tensor([i for i in range(len(PALETTE)) if i not in (self.black, self.white)], device=device)
        self.said = torch.tensor([0.5, 0.85, 0.6], device=device)
        self.two = torch.arange(3, device=device) == 2
        width = put(glyphs.width)
        self.width_tokens = (width < THIN_LINE) * icons.index.get("thin", 0) + (width > BOLD_LINE) * icons.index.get("bold", 0)

    def rand(self, *shape):
        return torch.rand(*shape, device=self.device)

    def split(self, count):
        """{style: how many} of `count` composed icons."""
        total, given, rest = sum(SHARES[style] for style in self.pools), {}, count
        for style in self.pools:
            given[style] = min(rest, round(count * SHARES[style] / total))
            rest -= given[style]
        given[next(iter(given))] += rest
        return given

    def draw(self, count):
        """(x [count,4,64,64] premultiplied in [0,1], style [count], words [count,WORDS], glyph [count])."""
        parts = [self.draw_style(style, number) for style, number in self.split(count).items() if number]
        return tuple(torch.cat(column) for column in zip(*parts))

    def draw_style(self, style, count, pick=None):
        """The same for one style, of the given glyphs or of some drawn by weight."""
        if pick is None:
            cumulative = self.pools[style]
            pick = torch.searchsorted(cumulative, self.rand(count).double()).clamp(max=len(cumulative) - 1)
        x, extra = self.tiles(pick) if style == "tile" else self.inked(pick, style)
        words = self.captions(pick, extra)
        return x, torch.full((count,), self.style[style], device=self.device), words, pick

    def captions(self, pick, extra):
        """Tokens [n,WORDS]: most name words, now and then keywords, mostly the group's token; `extra` [n,3] as it is."""
        count = len(pick)
        with_keywords = self.rand(count, 1) < 0.3
        instead = with_keywords & (self.rand(count, 1) < 0.3)
        names = self.names[pick] * (self.rand(count, NAME_WORDS) < torch.where(instead, 0.25, 0.96))
        keywords = self.keywords[pick] * (with_keywords & (self.rand(count, KEYWORDS) < 0.3))
        groups = self.attributes[pick] * (self.rand(count, 1) < 0.6)
        # a prompt has no word twice: "red heart" in red
        extra = extra * ~(extra[:, :, None] == names[:, None]).any(2)
        extra = extra * ~((extra[:, 1:2] == extra) & self.two)
        return torch.cat([names, keywords, extra, groups], 1)

    def inked(self, pick, style):
        """One colour on clear: (x, tokens of colour and width [n,3])."""
        count = len(pick)
        colour = torch.randint(len(self.palette), (count,), device=self.device)
        black = (self.rand(count) < PLAIN_BLACK) | (colour == self.white)
        colour = torch.where(black, self.black, colour)
        ink = self.vary(self.palette[colour])
        mark = self.masks[pick].float()[:, None] / 255
        said = ~black | (self.rand(count) < 0.3)
        width = self.width_tokens[pick] * (self.rand(count) < 0.6) if style == "line" else torch.zeros_like(colour)
        extra = torch.stack([self.palette_tokens[colour] * said, width, torch.zeros_like(colour)], 1)
        return torch.cat([ink[:, :, None, None] * mark, mark], 1), extra

    def vary(self, colour):
        """Colours [n,3] a little off their names' centres; the darkest and lightest least, they would get a hue."""
        room = 0.02 + 0.16 * (0.5 - (brightness(colour) - 0.5).abs()).clamp(0, 0.25)
        return (colour + room[:, None] * (2 * self.rand(len(colour), 3) - 1)).clamp(0, 1)

    def tiles(self, pick):
        """Glyphs on tiles: (x, tokens of shape, tile and glyph colours [n,3])."""
        count = len(pick)
        shape = torch.randint(len(self.shape_tokens), (count,), device=self.device)
        look = torch.searchsorted(self.looks, self.rand(count))
        base, ink, base_name, ink_name = self.tile_colours(look, count)
        strength = self.rand(count) * (0.25 * (look == GRADIENT) + 0.1 * (look == DARK)) + 0.08 * (look == GRADIENT)
        mark, mask = self.small(pick), self.tile_masks[shape][:, None]
        rgb = (self.gradient(base, strength) * (1 - mark) + ink[:, :, None, None] * mark) * mask
        extra = torch.stack([self.shape_tokens[shape], self.palette_tokens[base_name], self.palette_tokens[ink_name]], 1)
        return torch.cat([rgb, mask], 1), extra * (self.rand(count, 3) < self.said)

    def tile_colours(self, look, count):
        """(tile [n,3], glyph [n,3], their rows in the palette): what the look asks for, and never a glyph that cannot be seen."""
        first, second = (self.coloured[torch.randint(len(self.coloured), (count,), device=self.device)] for _ in range(2))
        black, white = torch.full_like(first, self.black), torch.full_like(first, self.white)
        # now and then a black or white tile among the plain ones
        odd = self.rand(count)
        plain = torch.where(odd < 0.06, black, torch.where(odd < 0.1, white, first))
        base_name = torch.where(look == DARK, black, torch.where(look == LIGHT, white, torch.where(look <= FLAT, plain, first)))
        ink_name = torch.where(look <= FLAT, white, torch.where(look == TINT, first, second))
        ink_name = torch.where((look == DARK) & (odd > 0.6), white, ink_name)
        base, ink = self.vary(self.palette[base_name]), self.vary(self.palette[ink_name])
        base = torch.where((look == TINT)[:, None], 1 - 0.2 * (1 - base), base)
        ink = torch.where((ink_name == self.white)[:, None], torch.ones_like(ink), ink)
        unseen = (brightness(base) - brightness(ink)).abs() < CONTRAST
        dark = unseen & (brightness(base) > 0.55)
        ink_name = torch.where(dark, black, torch.where(unseen, white, ink_name))
        ink = torch.where(dark[:, None], base * 0.22, torch.where(unseen[:, None], torch.ones_like(ink), ink))
        return base, ink, base_name, ink_name

    def small(self, pick):
        """The masks [n,1,64,64] of glyphs at a tile's sizes, in the middle."""
        parts = []
        for part, size in zip(pick.tensor_split(len(GLYPH_SIZES)), GLYPH_SIZES):
            whole = self.masks[part].float()[:, None] / 255
            if len(part):
                whole = F.interpolate(whole, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
                before = (64 - size) // 2
                whole = F.pad(whole, [before, 64 - size - before] * 2)
            parts.append(whole)
        return torch.cat(parts).clamp(0, 1)

    def gradient(self, base, strength):
        """base [n,3], strength [n] -> [n,3,64,64]: lighter towards a random direction between straight up and diagonal."""
        axis = torch.linspace(-0.5, 0.5, 64, device=self.device)
        angle = (self.rand(len(base)) * math.pi / 4)[:, None, None]
        ramp = -(angle.cos() * axis[None, :, None] + angle.sin() * axis[None, None, :])
        return (base[:, :, None, None] + (ramp * strength[:, None, None])[:, None]).clamp(0, 1)
