# SPDX-License-Identifier: MIT
"""The icon set on disk -> arrays and token tables.

A data folder holds
  icons.index.json, icons-<set>.xz     [{"set","lo","hi","channels"}], per set n icons as planar uint8 [n,4,64,64], straight RGBA;
                                       green is subtracted from red and blue, then both axes are delta-coded modulo 256, then xz
  icons.jsonl.xz                       one line an icon: name, keywords, group, colors, shape, style, tier, set, id
  glyphs.index.json, glyphs-<set>.xz, glyphs.jsonl.xz   the same for alpha-only masks (1 channel), optional
"""
import collections
import concurrent.futures
import json
import lzma
import os
import re
import zlib

import numpy as np

STOP_WORDS = {"a", "and", "at", "in", "of", "on", "one", "or", "s", "the", "to", "two", "with", "without"}
# words that users put for a look, not for a thing
STYLE_WORDS = {"3d", "flat", "gradient", "line", "outline", "plain", "simple", "small", "large", "big", "tile"}
# brand and character marks that must not be learnt
LEFT_OUT = re.compile(r"^(google|play|start|captain-shield|pokeball|wii-remote|predator|mac-signal|apple-one|figma-.*|"
                      r".*nintendo.*|.*bitcoin.*|.*ethereum.*)$")
# share of a batch by tier, and the weight of sets and groups inside it
TIER_SHARE = {"emoji": 0.56, "colour-ui": 0.27, "duotone-ui": 0.17}
HALF_SETS = {"fxemoji", "noto-v1", "streamline-emojis"}
GROUP_WEIGHT = {"people": 0.4, "symbols": 0.6}
# groups whose pictures change meaning when mirrored
NO_FLIP = {"arrows", "symbols", "interface", "flags", "business", "text", "media", "office"}
# words of things that mirrored are other things: hands, moons, clocks, text
NO_FLIP_WORDS = set("""left right leftwards rightwards clock oclock ten waxing waning quarter crescent calendar text number question
dollar letter""".split())
# names whose words say something else than what is seen; "red dragon" is a character on a tile
RENAMED = {"mahjong red dragon": "mahjong tile"}
COLOUR_WORDS = {colour: "c:" + colour for colour in ("black", "blue", "brown", "cyan", "gray", "green", "pink", "purple", "red",
                                                     "white", "yellow")} | {"grey": "c:gray", "violet": "c:purple"}
TILE_STYLE = "tile"
NAME_WORDS, KEYWORDS, ATTRIBUTES = 6, 10, 5


def read_lines(path):
    with lzma.open(path) as file:
        return [json.loads(line) for line in file]


def read_pack(folder, kind):
    """(planar uint8 [n,channels,64,64], rows) of all sets of a kind ("icons" or "glyphs")."""
    with open(os.path.join(folder, f"{kind}.index.json")) as file:
        index = json.load(file)
    lines = read_lines(os.path.join(folder, f"{kind}.jsonl.xz"))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        parts = list(pool.map(lambda entry: read_planes(folder, kind, entry), index))
    return np.concatenate(parts), [row for entry in index for row in lines[entry["lo"]:entry["hi"]]]


def read_planes(folder, kind, entry):
    """The pixels of one set, decoded."""
    with lzma.open(os.path.join(folder, f"{kind}-{entry['set']}.xz")) as file:
        coded = np.frombuffer(file.read(), np.uint8).reshape(entry["hi"] - entry["lo"], entry["channels"], 64, 64)
    planes = coded.cumsum(2, dtype=np.uint8).cumsum(3, dtype=np.uint8)
    if entry["channels"] == 4:
        planes[:, 0] += planes[:, 1]
        planes[:, 2] += planes[:, 1]
    return planes


def premultiply(planes):
    """Straight RGBA uint8 [n,4,h,w] -> RGB times alpha; the colour behind alpha 0 would leak at edges otherwise."""
    alpha = planes[:, 3:].astype(np.uint16)
    colour = (planes[:, :3] * alpha + 127) // 255
    return np.concatenate([colour.astype(np.uint8), planes[:, 3:]], 1)


def name_words(text):
    return [word for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in STOP_WORDS]


def caption_words(row):
    """Words of the name as prompts give them: colours by their tokens, which are what aliases turn them into.

    Said twice, plainly and by the token, a turned hue would make the plain word a lie ("red heart" of a green one)."""
    return [COLOUR_WORDS.get(word, word) for word in name_words(RENAMED.get(row["name"], row["name"]))]


def may_flip(row):
    return row.get("group") not in NO_FLIP and not NO_FLIP_WORDS & set(name_words(row["name"]))


def keyword_words(row):
    words = [word for keyword in row.get("keywords") or [] for word in name_words(keyword)]
    return [word for word in dict.fromkeys(words) if word not in name_words(row["name"])]


def attribute_words(row):
    """Group, shape and colours (at most three) as tokens."""
    words = ["g:" + str(row["group"])] if row.get("group") else []
    if row.get("shape", "free") != "free":
        words.append("s:" + row["shape"])
    return words + ["c:" + colour for colour in row.get("colors") or []][:3]


def build_words(icons, glyphs, least_name=3, least_keyword=5):
    """The vocabulary, sorted: words of names, keywords and attributes that occur often enough."""
    names, all_words = collections.Counter(), collections.Counter()
    for row in icons + glyphs:
        names.update(set(name_words(row["name"])))
    for row in icons:
        all_words.update(set(name_words(row["name"]) + keyword_words(row) + attribute_words(row)))
    attributes = {"c:" + colour for colour in ("black", "blue", "brown", "cyan", "gray", "green", "orange", "pink",
                                               "purple", "red", "white", "yellow")}
    attributes |= {"s:circle", "s:rounded-square", "s:square"}
    kept = {word for word, count in names.items() if count >= least_name}
    return sorted(attributes | kept | {word for word, count in all_words.items() if count >= least_keyword})


def token_table(lists, index, width):
    """Word lists -> int64 [n,width] of vocabulary rows (word i is row i+1), padded with 0."""
    table = np.zeros((len(lists), width), np.int64)
    for row, words in zip(table, lists):
        ids = [index[word] for word in words if word in index][:width]
        row[:len(ids)] = ids
    return table


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
    held_out, flip, duotone [n] bool; glyphs [m,64,64] uint8 and glyph_names [m,NAME_WORDS].
    """

    def __init__(self, folder, words=None, styles=None):
        planes, rows = read_pack(folder, "icons")
        keep = np.array([not LEFT_OUT.match(row["id"]) for row in rows])
        self.rows = [row for row, kept in zip(rows, keep) if kept]
        self.pixels = premultiply(planes[keep])
        masks, glyph_rows = self.read_glyphs(folder)
        self.words = words or build_words(self.rows, glyph_rows)
        self.styles = styles or sorted({row["style"] for row in self.rows}) + [TILE_STYLE]
        index = {word: i + 1 for i, word in enumerate(self.words)}
        self.index = index
        numbers = {style: i for i, style in enumerate(self.styles)}
        self.style = np.array([numbers.get(row["style"], numbers.get(row["set"], -1)) for row in self.rows])
        self.names = token_table([caption_words(row) for row in self.rows], index, NAME_WORDS)
        self.keywords = token_table([keyword_words(row) for row in self.rows], index, KEYWORDS)
        self.attributes = token_table([attribute_words(row) for row in self.rows], index, ATTRIBUTES)
        self.held_out = held_out(self.rows)
        self.weight = sampling_weights(self.rows, ~self.held_out)
        self.flip = np.array([may_flip(row) for row in self.rows])
        self.duotone = np.array([row["tier"] == "duotone-ui" for row in self.rows])
        self.glyphs, self.glyph_names = masks, token_table([name_words(row["name"]) for row in glyph_rows], index,
                                                           NAME_WORDS)

    @staticmethod
    def read_glyphs(folder):
        if not os.path.exists(os.path.join(folder, "glyphs.index.json")):
            return np.zeros((0, 64, 64), np.uint8), []
        planes, rows = read_pack(folder, "glyphs")
        return planes[:, 0], rows


def word_groups(rows, words, least=2, share=0.7):
    """word -> group token of words whose icons mostly share one group; the token makes a short prompt clearer.

    Duotone sets do not count: their catalogue's categories differ from the emoji groups (a guitar under "media").
    """
    counts = collections.defaultdict(collections.Counter)
    for row in rows:
        if row["tier"] == "duotone-ui":
            continue
        for word in set(name_words(row["name"])):
            counts[word][str(row.get("group"))] += 1
    known, groups = set(words), {}
    for word in words:
        total = sum(counts[word].values())
        group, most = counts[word].most_common(1)[0] if total else ("", 0)
        if word not in STYLE_WORDS and total >= least and most >= share * total and "g:" + group in known:
            groups[word] = "g:" + group
    return groups
