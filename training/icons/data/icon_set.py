# SPDX-License-Identifier: MIT
"""The icon set: arrays and token tables of everything in a data folder (packs.py), and which pairs are held out."""
import collections
import json
import os
import re
import zlib

import numpy as np

from icons.data import glyphs
from icons.data.captions import (ATTRIBUTES, COMPOSED_STYLES, KEYWORDS, NAME_WORDS, attribute_words, build_words, caption_words,
                                 keyword_words, may_flip, token_table, word_groups)
from icons.data.packs import premultiply, read_pack

# brand and character marks that must not be learnt
LEFT_OUT = re.compile(r"^(google|play|start|captain-shield|pokeball|wii-remote|predator|mac-signal|apple-one|figma-.*|"
                      r".*nintendo.*|.*bitcoin.*|.*ethereum.*)$")
# share of a batch by tier, and the weight of sets and groups inside it
TIER_SHARE = {"emoji": 0.56, "colour-ui": 0.27, "duotone-ui": 0.17}
HALF_SETS = {"fxemoji", "noto-v1", "streamline-emojis"}
GROUP_WEIGHT = {"people": 0.4, "symbols": 0.6}


def read_words(folder):
    """The vocabulary of the whole that this folder is a part of, if it says so (carry.py)."""
    path = os.path.join(folder, "words.json")
    if os.path.exists(path):
        with open(path) as file:
            return json.load(file)


def held_out(rows, least_styles=4, one_in=5):
    """True for (name, style) pairs kept for evaluation: of one name in `one_in` (by hash) that occurs in enough styles,
    the icons of one style. The other styles of that name stay in training."""
    styles = collections.defaultdict(set)
    for row in rows:
        styles[row["name"]].add(row["style"])
    out = {}
    for name, present in styles.items():
        digest = zlib.crc32(name.encode())
        if len(present) >= least_styles and digest % one_in == 0:
            out[name] = sorted(present)[(digest // one_in) % len(present)]
    return np.array([out.get(row["name"]) == row["style"] for row in rows])


def sampling_weights(rows, training):
    """How often an icon is drawn: tier shares, half-weight sets, fewer people and symbols; 0 for held-out icons."""
    weight = np.array([(0.5 if row["set"] in HALF_SETS else 1.0) * GROUP_WEIGHT.get(row.get("group"), 1.0)
                       for row in rows]) * training
    tiers = np.array([row["tier"] for row in rows])
    for tier, share in TIER_SHARE.items():
        chosen = tiers == tier
        if weight[chosen].sum() > 0:
            weight[chosen] *= share / weight[chosen].sum()
    return weight / weight.sum()


class IconSet:
    """Everything that training and evaluation need, as numpy arrays.

    pixels [n,4,64,64] uint8 premultiplied; style [n]; names/keywords/attributes [n,*] token tables; weight [n];
    held_out, flip, duotone [n] bool; glyphs (glyphs.Glyphs).
    """

    def __init__(self, folder, words=None, styles=None):
        planes, rows = read_pack(folder, "icons")
        keep = np.array([not LEFT_OUT.match(row["id"]) for row in rows])
        self.rows = [row for row, kept in zip(rows, keep) if kept]
        self.pixels = premultiply(planes[keep])
        self.held_out = held_out(self.rows)
        masks, glyph_rows = glyphs.read(folder, {row["name"]: row["style"] for row, out in zip(self.rows, self.held_out) if out})
        self.words = words or read_words(folder) or build_words(self.rows, glyphs.spread_words(glyph_rows))
        self.styles = styles or sorted({row["style"] for row in self.rows}) + list(COMPOSED_STYLES)
        self.index = index = {word: i + 1 for i, word in enumerate(self.words)}
        numbers = {style: i for i, style in enumerate(self.styles)}
        self.style = np.array([numbers.get(row["style"], numbers.get(row["set"], -1)) for row in self.rows])
        self.names = token_table([caption_words(row) for row in self.rows], index, NAME_WORDS)
        self.keywords = token_table([keyword_words(row) for row in self.rows], index, KEYWORDS)
        self.attributes = token_table([attribute_words(row) for row in self.rows], index, ATTRIBUTES)
        self.weight = sampling_weights(self.rows, ~self.held_out)
        self.flip = np.array([may_flip(row) for row in self.rows])
        self.duotone = np.array([row["tier"] == "duotone-ui" for row in self.rows])
        self.glyphs = glyphs.Glyphs(masks, glyph_rows, self.rows, index, word_groups(self.rows, self.words))

    def glyph_held_out(self, style):
        """[m] bool: glyphs whose name is kept for evaluation in a composed style; the other two styles draw it."""
        out = np.array([composed_held_out(name) == style for name in self.glyphs.name], bool)
        return out & ~self.glyphs.letter     # an alphabet is whole or of no use


def composed_held_out(name, one_in=20):
    """The composed style for which a name is held out, of one name in `one_in` (by hash); None for the others."""
    digest = zlib.crc32(b"glyph " + name.encode())
    return COMPOSED_STYLES[digest // one_in % len(COMPOSED_STYLES)] if digest % one_in == 0 else None
