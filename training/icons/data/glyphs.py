# SPDX-License-Identifier: MIT
"""Glyph masks of many sets -> what each shows, how it is drawn, how often it should be seen.

A mask is one drawing in one ink, uint8 [64,64]. Packs lie beside the icons as `glyphs*.index.json` (icon_set.py describes the
format); rows have set, id, name and now and then look ("line", "solid", "duotone", ...) and cat (the set's own category).
"""
import collections
import glob
import os
import re

import numpy as np

from icons.data.captions import ATTRIBUTES, KEYWORDS, NAME_WORDS, STYLE_WORDS, caption_words, keyword_words, name_words, token_table
from icons.data.packs import read_pack
from icons.network.vocabulary import SYNONYMS

# anatomy; one currency's marks
LEFT_OUT_SETS = {"healthicons", "bitcoin-icons"}
LEFT_OUT = re.compile(r"nintendo|bitcoin|ethereum|google|facebook|twitter|instagram|tiktok|pokeball|whatsapp|youtube|linkedin|"
                      r"(^|-)(figma|github|gitlab|xbox|playstation|css3?|html5?|sass|npm|docker|reddit|spotify|slack|paypal|amazon|"
                      r"android|windows|linux|ubuntu|vue|react|angular|bootstrap|wordpress|skype|snapchat|pinterest|twitch|dribbble|"
                      r"behance|medium|telegram|discord|netflix|airbnb|dropbox|stripe|visa|mastercard|tesla|nextjs|openai)(-|$)")
LEFT_OUT_CATEGORY = re.compile(r"brand|logo", re.IGNORECASE)
# how a set draws, not what
LOOK_WORDS = STYLE_WORDS | set("""alt remix minimalistic duo tone twotone duotone linear outlined filled fill 16px 20px 24px 32px
variant""".split())
# sets that count the drawings of one name
COUNTING = re.compile(r"^(streamline|hugeicons|griddy)")
LETTERS = "letters"     # the set of dataset/letters.py, whose names are tokens; favicons have letters
# the whole of the emoji as glyphs: animals, food and faces, which sets for interfaces lack
EMOJI_SETS = {"fluent-emoji-high-contrast": 4.0, "emojione-monotone": 3.0}
SET_WEIGHT = {**EMOJI_SETS, LETTERS: 3.0, "iconmind": 0.3, "streamline-pixel": 0.3, "pixelarticons": 0.5, "pixel": 0.5, "memory": 0.5}
OFTEN, SELDOM = 4, 0.15     # a name drawn less often than this says less surely what is seen
KNOWN = 4.0                 # weight of things that colour sets draw too
# shares of ink that survive losing 3 pixels at its edge; half-tone pixels; widths of a line, all of 64 pixels
THIN_SHARE, THICK_SHARE, GREY_SHARE = 0.02, 0.25, 0.12
THIN_LINE, BOLD_LINE = 4.2, 6.8
LINE, SOLID, MIXED = 0, 1, 2


def fold(row):
    """The words of a glyph's name that say what is drawn."""
    if row["set"] == LETTERS:
        return row["name"].split()
    words = [word for word in name_words(row["name"]) if word not in LOOK_WORDS]
    if len(words) > 1 and words[-1].isdigit() and COUNTING.match(row["set"]):
        words.pop()
    return words


def wanted(row, kept_back):
    """False for brands, for sets left out, and for the twin of a held-out drawing of the same family."""
    if row["set"] in LEFT_OUT_SETS or LEFT_OUT.search(row["id"]) or LEFT_OUT_CATEGORY.search(row.get("cat") or ""):
        return False
    if row["name"].startswith("flag for "):     # a flag in one ink is no flag
        return False
    twin = row["set"] == "fluent-emoji-high-contrast" and (kept_back.get(row["name"]) or "").startswith("fluent-emoji")
    return not twin and bool(fold(row))


def read(folder, kept_back):
    """(masks uint8 [m,64,64], rows) of every pack of glyphs in a folder; `kept_back`: name -> style that is held out."""
    parts, rows = [], []
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "glyphs*.index.json"))):
        planes, found = read_pack(folder, os.path.basename(path)[:-len(".index.json")])
        keep = np.array([wanted(row, kept_back) for row in found])
        parts.append(planes[keep, 0])
        rows += [row for row, kept in zip(found, keep) if kept]
    return (np.concatenate(parts) if parts else np.zeros((0, 64, 64), np.uint8)), rows


def shrink(masks, radius):
    """Masks with `radius` pixels taken off at every edge (the least of a square around each pixel)."""
    for axis in (1, 2):
        whole = np.pad(masks, [(radius, radius) if a == axis else (0, 0) for a in range(3)])
        masks = np.minimum.reduce([whole.take(range(k, k + 64), axis) for k in range(2 * radius + 1)])
    return masks


def measure(masks, chunk=4096):
    """(kind [m] of LINE, SOLID, MIXED; width of the line [m] in pixels) as the pictures show them."""
    kinds, widths = [], []
    for part in np.split(masks, range(chunk, len(masks), chunk)):
        ink = part.sum((1, 2), dtype=np.float64) + 1
        core = shrink(part, 3).sum((1, 2), dtype=np.float64) / ink
        grey = ((shrink(part, 1) > 30) & (part < 200)).sum((1, 2)) * 255 / ink
        edge = sum(np.abs(np.diff(part.astype(np.int16), axis=axis)).sum((1, 2), dtype=np.float64) for axis in (1, 2))
        # an edge at any angle is counted 4/pi times on average; a line has two
        widths.append(2 * ink / (edge * np.pi / 4 + 1))
        kinds.append(np.where(grey > GREY_SHARE, MIXED, np.where(core < THIN_SHARE, LINE, np.where(core > THICK_SHARE, SOLID, MIXED))))
    return (np.concatenate(kinds), np.concatenate(widths)) if kinds else (np.zeros(0, int), np.zeros(0))


def weights(rows, names, known):
    """How often each glyph is drawn: more for names drawn by many, for things in colour sets, for emoji; sums to 1."""
    counts = collections.Counter(names)
    weight = np.array([SET_WEIGHT.get(row["set"], 1.0) * (1.0 if counts[name] >= OFTEN else SELDOM) * (KNOWN if name in known else 1.0)
                       for row, name in zip(rows, names)])
    # drawn four times as often, seen twice as often
    weight /= np.sqrt(np.array([counts[name] for name in names]) / OFTEN).clip(1)
    return weight / max(weight.sum(), 1e-9)


def spread_words(rows, least=8, least_sets=3):
    """Words of names that at least `least` glyphs of `least_sets` sets have: no one set's jargon."""
    count, sets = collections.Counter(), collections.defaultdict(set)
    for row in rows:
        for word in set(fold(row)):
            count[word] += 1
            sets[word].add(row["set"])
    return {word for word, n in count.items() if n >= least and len(sets[word]) >= least_sets and not word.isdigit()}


class Glyphs:
    """Masks and tables. masks uint8 [m,64,64]; name [m] text; kind, width, weight [m]; names, keywords, attributes token tables."""

    def __init__(self, masks, rows, icon_rows, index, groups):
        self.masks, self.rows = masks, rows
        self.name = [" ".join(fold(row)) for row in rows]
        self.kind, self.width = measure(masks)
        known = {" ".join(name_words(row["name"])): row for row in icon_rows if row["tier"] != "duotone-ui"}
        self.weight = weights(rows, self.name, known)
        self.letter = np.array([row["set"] == LETTERS for row in rows], bool)
        self.names = token_table([name.split() if letter else caption_words({"name": name})
                                  for name, letter in zip(self.name, self.letter)], index, NAME_WORDS)
        self.keywords = token_table([self.other_words(name, known) for name in self.name], index, KEYWORDS)
        self.attributes = token_table([self.group_words(name, groups) for name in self.name], index, ATTRIBUTES)[:, :2]

    def __len__(self):
        return len(self.masks)

    @staticmethod
    def other_words(name, known):
        """Keywords of the colour icon of that name, and what everyday words of the name stand for."""
        words = keyword_words(known[name]) if name in known else []
        return [part for word in name.split() for part in SYNONYMS.get(word, "").split()] + words

    @staticmethod
    def group_words(name, groups):
        return list(dict.fromkeys(groups[word] for word in name.split() if word in groups))
