# SPDX-License-Identifier: MIT
"""What captions say: words of names, keywords, groups, shapes and colours as tokens; the vocabulary."""
import collections
import re
import string

import numpy as np

STOP_WORDS = {"a", "and", "at", "in", "of", "on", "one", "or", "s", "the", "to", "two", "with", "without"}
# words that users put for a look, not for a thing
STYLE_WORDS = {"3d", "flat", "gradient", "line", "outline", "plain", "simple", "small", "large", "big", "tile"}
# groups whose pictures change meaning when mirrored
NO_FLIP = {"arrows", "symbols", "interface", "flags", "business", "text", "media", "office"}
# words of things that mirrored are other things: hands, moons, clocks, text
NO_FLIP_WORDS = set("""left right leftwards rightwards clock oclock ten waxing waning quarter crescent calendar text number question
dollar letter""".split())
# names whose words say something else than what is seen; "red dragon" is a character on a tile
RENAMED = {"mahjong red dragon": "mahjong tile"}
COLOUR_WORDS = {colour: "c:" + colour for colour in ("black", "blue", "brown", "cyan", "gray", "green", "pink", "purple", "red",
                                                     "white", "yellow")} | {"grey": "c:gray", "violet": "c:purple"}
COMPOSED_STYLES = ("line", "solid", "tile")
# what is drawn, not a word of a prompt: "a" is an article
LETTER_WORDS = ["l:" + character for character in string.ascii_lowercase + string.digits] + ["lowercase"]
NAME_WORDS, KEYWORDS, ATTRIBUTES = 6, 10, 5


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


def build_words(icons, spread, least_name=3, least_keyword=5):
    """The vocabulary, sorted: words of icons' names, keywords and attributes that occur often enough, and `spread`, those of glyphs."""
    names, all_words = collections.Counter(), collections.Counter()
    for row in icons:
        names.update(set(name_words(row["name"])))
        all_words.update(set(name_words(row["name"]) + keyword_words(row) + attribute_words(row)))
    attributes = {"c:" + colour for colour in ("black", "blue", "brown", "cyan", "gray", "green", "orange", "pink",
                                               "purple", "red", "white", "yellow")}
    attributes |= {"s:circle", "s:rounded-square", "s:square", "thin", "bold", *LETTER_WORDS}
    kept = {word for word, count in names.items() if count >= least_name}
    return sorted(attributes | kept | spread | {word for word, count in all_words.items() if count >= least_keyword})


def token_table(lists, index, width):
    """Word lists -> int64 [n,width] of vocabulary rows (word i is row i+1), padded with 0."""
    table = np.zeros((len(lists), width), np.int64)
    for row, words in zip(table, lists):
        ids = [index[word] for word in words if word in index][:width]
        row[:len(ids)] = ids
    return table


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
