# SPDX-License-Identifier: MIT
"""What a glyph shows: the thing, and the look in which it is drawn, both from its id; or why it is left out.

One-colour sets draw a thing as lines, filled, in two tones, thin, bold, sharp, in several pixel sizes, and say so in ids:
"traffic-light-24-filled". Which words do so differs by set: the package lists suffixes of most sets, others are found by their
share of the ids, and a word that is said of one icon only ("format-bold") is part of the thing.
"""
import collections
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
MOVES = re.compile(r"<(animate|animateTransform|animateMotion|set|image|filter)\b")
# a look that at least this share of a set's ids end with is a look of that set
SYSTEMATIC = 0.08
# share of even grey that two tones have at least, and widths of lines in pixels of a 64x64 mask
GREY, THIN, BOLD = 0.02, 3.4, 6.4


def load_rules():
    """The rules with their patterns compiled. Most are by set. What is in them:

    looks, cuts, set_cuts     words that say how a thing is drawn, and sets all of which is drawn in one way
    declared                  looks of a set that its package does not list; only_if_declared: words that are looks of no other sets
    protected                 look: the words after which it is part of the thing ("traffic light")
    tails, tail_words         abbreviations at the end of ids, of looks and of things; prefixes: categories at their beginning
    size_order, sizes         which size is best, and sets whose package does not list theirs; size_words: "small"
    noise, set_noise          last words that only tell drawings of one thing apart
    counted, ...              words after which a number says something
    renamed, spelling         patterns and words of names, and what they are called here
    left_out_*, brands*       patterns of ids, categories and words; brands_first begin an id, brands_whole are one"""
    with open(os.path.join(HERE, "glyph_rules.json")) as file:
        rules = json.load(file)
    either = {key: "|".join(rules[key]) for key in ("brands", "brands_first", "brands_whole", "left_out_words")}
    rules["brand"] = re.compile(f"(^|-)({either['brands']})(-|$)|^({either['brands_first']})(-|$)|^({either['brands_whole']})$")
    rules["word"] = re.compile(f"(^|-)({either['left_out_words']})(-|$)")
    rules["look_of"] = {word: look for look, words in rules["looks"].items() for word in words}
    return rules


def load_sources():
    """The one-colour sets as sources.json has the others."""
    with open(os.path.join(HERE, "glyph_sets.json")) as file:
        listed = json.load(file)
    sources = []
    for entry in listed["sets"]:
        row = dict(zip(listed["fields"], entry))
        notice = ", ".join(filter(None, (f"{row['title']} by {row['author']}", row["license"], row["url"])))
        sources.append({"set": row["set"], "tier": "glyph", "license": row["license"], "author": row["author"],
                        "package": listed["package"], "path": f"json/{row['set']}.json", "notice": notice})
    return sources


class SetNames:
    """Tells things from looks in the ids of one set (its parsed JSON)."""

    def __init__(self, name, data, rules):
        self.name, self.rules = name, rules
        self.ids = {key for key, entry in data["icons"].items() if not entry.get("hidden")}
        declared = {word for key in {**(data.get("suffixes") or {}), **(data.get("prefixes") or {})} for word in key.split("-")}
        declared |= set(rules["declared"].get(name, ()))
        self.sizes = {word for word in declared if re.fullmatch(r"\d+(px)?", word)} | set(rules["sizes"].get(name, ()))
        self.size_words = set(rules["size_words"].get(name, ()))
        sized = re.compile(f"-({'|'.join(self.sizes) or '$'})$")
        self.unsized = {sized.sub("", key) for key in self.ids}
        tails = collections.Counter(sized.sub("", key).rpartition("-")[2] for key in self.ids)
        self.systematic = {word for word in rules["look_of"] if word in declared or (
            word not in rules["only_if_declared"] and tails[word] >= SYSTEMATIC * len(self.ids))}
        ended = sum(tails[word] for word in self.systematic)
        self.always = ended >= 0.95 * len(self.ids)
        self.prefixes = sorted((prefix + "-" for prefix in rules["prefixes"].get(name, ())), key=len, reverse=True)
        numbers_are_variants = name.startswith(tuple(rules["numbered_variants"]))
        self.counted = {*rules["counted"], *(() if numbers_are_variants else rules["sometimes_counted"])}

    def is_look(self, words):
        """Whether the last of the words is a look, not part of the thing."""
        word, base = words[-1], "-".join(words[:-1])
        if word not in self.rules["look_of"]:
            return False
        if self.always and word in self.systematic:
            return True
        if words[-2] in self.rules["protected"].get(word, ()):
            return False
        if word in self.systematic:
            return True
        others = {f"{base}-{other}" for other in self.rules["look_of"] if other != word}
        return word not in self.rules["only_if_declared"] and bool({base, *others} & self.unsized)

    def fold(self, key):
        """(words of the thing, looks, size or "") of an id."""
        words, looks, size = key.replace("two-tone", "twotone").split("-"), [], ""
        tails = self.rules["tails"].get(self.name, {})
        while len(words) > 1:
            word = tails.get(words[-1], words[-1])
            if word in self.sizes | self.size_words and not size:
                size = word.removesuffix("px")
            elif word not in looks and (word != words[-1] or self.is_look(words)):
                looks.append(word)
            else:
                break
            words.pop()
        return words, looks, size

    def thing(self, words):
        """The name of a thing from its words, or "" if they say nothing."""
        rules, key = self.rules, "-".join(words)
        words = next((key[len(prefix):] for prefix in self.prefixes if key.startswith(prefix) and key != prefix), key).split("-")
        words[-1] = rules["tail_words"].get(self.name, {}).get(words[-1], words[-1]) if len(words) > 1 else words[-1]
        words = self.without_numbers(words)
        if self.name in rules["split_acronyms"]:
            words = re.sub(r"\b(\w) (?=\w\b)", r"\1", " ".join(words)).split()
        name = " ".join(rules["spelling"].get(word, word) for word in words)
        if len(name) == 1 and self.name in rules["letter_sets"]:
            name = ("number " if name.isdigit() else "letter ") + name
        for pattern, said in rules["renamed"]:
            name = re.sub(pattern, said, name)
        return name if re.search("[a-z]", name) else ""

    def without_numbers(self, words):
        """Words without those that only tell drawings of one thing apart: "home-2", "home2", "home-alt", "home-2-plus"."""
        noise = {*self.rules["noise"], *self.rules["set_noise"].get(self.name, ())}
        while len(words) > 1 and (words[-1] in noise or (words[-1].isdigit() and words[-2] not in self.counted)):
            words = words[:-1]
        if self.name in self.rules["glued_numbers"]:
            words = [re.sub(r"(?<=[a-z]{3})\d$", "", word) for word in words]
        if self.name in self.rules["inner_numbers"]:
            before = [words[0], *words]
            words = [word for last, word in zip(before, words) if not re.fullmatch(r"\d", word) or last in self.counted]
        return [word.lstrip("0") or "0" if word.isdigit() else word for word in words]

    def cut(self, looks):
        for cut, sets in self.rules["set_cuts"].items():
            if self.name in sets:
                return cut
        return next((self.rules["cuts"][word] for word in looks if word in self.rules["cuts"]), None)


def reason_against(name, key, entry, categories, rules):
    """Why an icon is left out, or None."""
    if entry.get("hidden"):
        return "hidden"
    if MOVES.search(entry["body"]):
        return "moves, or has a filter"
    if rules["brand"].search(key):
        return "brand"
    patterns = [rules["left_out_categories"][key] for key in ("*", name) if key in rules["left_out_categories"]]
    if any(re.search(pattern, category.lower()) for category in categories for pattern in patterns):
        return "category"
    if rules["word"].search(key):
        return "word"
    return "variant" if name in rules["left_out_ids"] and re.search(rules["left_out_ids"][name], key) else None


def best_sizes(folded, order):
    """Of icons that differ in size alone, the one whose size comes first in the order; {id: (words, looks, size)} -> ids."""
    rank, best = {size: place for place, size in enumerate(["", *order])}, {}
    for key, (words, looks, size) in folded.items():
        same = (tuple(words), tuple(sorted(looks)))
        if same not in best or rank.get(size, 99) < rank.get(folded[best[same]][2], 99):
            best[same] = key
    return set(best.values())


def choose_icons(name, data, rules, dropped):
    """Icons of a set as dicts with id, name, looks, cut, cat, svg; `dropped` counts the others by reason."""
    categories = collections.defaultdict(list)
    for category, keys in (data.get("categories") or {}).items():
        for key in keys:
            categories[key].append(category)
    names, folded = SetNames(name, data, rules), {}
    for key, entry in data["icons"].items():
        reason = reason_against(name, key, entry, categories[key], rules)
        if reason is None:
            words, looks, size = names.fold(key)
            reason = "brand" if rules["brand"].search("-".join(words)) else None if names.thing(words) else "name says nothing"
            folded[key] = (words, looks, size)
        if reason:
            dropped[reason] += 1
            folded.pop(key, None)
    best = best_sizes(folded, rules["size_order"])
    dropped["other size"] += len(folded) - len(best)
    icons = []
    for key in [key for key in folded if key in best]:
        words, looks, _ = folded[key]
        entry = data["icons"][key]
        box = [entry.get(field, data.get(field, default)) for field, default in
               (("left", 0), ("top", 0), ("width", 16), ("height", 16))]
        icons.append({"id": key, "name": names.thing(words), "looks": looks, "cut": names.cut(looks),
                      "cat": (categories[key] or [None])[0], "svg": (entry["body"], *box)})
    return icons


def look(said, grey, thick, width, rules):
    """{"look": "line", "solid" or "duotone", "weight": "thin", "bold" or None} from what the id says and what is drawn.

    Sets call solid shapes "bold" and put lines (arrows) into their filled half: the drawing decides, and the id where it is close."""
    stated = {rules["look_of"].get(word) for word in said}
    if grey >= GREY:
        return {"look": "duotone", "weight": None}
    if thick > (0.1 if "solid" in stated else 0.75 if "line" in stated else 0.3):
        return {"look": "solid", "weight": None}
    if width < (4 if {"thin", "light"} & set(said) else THIN):
        return {"look": "line", "weight": "thin"}
    return {"look": "line", "weight": "bold" if width > (5.5 if "bold" in said else BOLD) else None}
