# SPDX-License-Identifier: MIT
"""What an icon of a set shows: name, keywords, group; or why it is left out.

Emoji sets are matched with the emoji list by code point, else by name. Interface sets say it in their ids and categories.
A label is a dict; a string is the reason for leaving an icon out.
"""
import collections
import json
import math
import os
import re
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
TONES = {"1F3FB": "light", "1F3FC": "medium-light", "1F3FD": "medium", "1F3FE": "medium-dark", "1F3FF": "dark"}
TONE_IN_ID = re.compile(r"-(medium-light|medium-dark|light|medium|dark)(?:-skin-tone)?(?=$|-)")
# where the emoji list has one code point, sets may put others for their looks
VARIATION = {"FE0F", "FE0E"}
LETTERS = re.compile(r"regional-?indicator|^\w$|^\d$|^(light|medium|medium-light|medium-dark|dark)-skin-tone$|squaredlatin|"
                     r"^cjk|emptynote|emptypage|emptydocument|missingsmiley")
NO_EMOJI = {"", "skin-tone", "hair-style", "regional-indicator"}
FAMILY = re.compile(r"^(family|couple|kiss|people-holding|women-holding|men-holding|woman-and-man)")
CLOCK = re.compile(r"o.clock|thirty")
SHOWN_CLOCKS = re.compile(r"(twelve|three|nine) o|ten-thirty")
STYLE_SUFFIX = {"streamline-color", "streamline-plump-color", "streamline-flex-color", "streamline-sharp-color"}


def load_rules():
    with open(os.path.join(HERE, "rules.json")) as file:
        return json.load(file)


def digest(text):
    """The same number for the same text, everywhere and always."""
    return zlib.crc32(text.encode())


def plain_code(code):
    """"1f468-200d-2764-fe0f" -> "1F468-200D-2764": upper case, without variation selectors and leading zeros."""
    return "-".join(part.lstrip("0") for part in code.upper().split("-") if part not in VARIATION)


def slug(text):
    table = str.maketrans("ñãéçåôí", "naecaoi", "’'“”.")
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace("&", "and").translate(table)).strip("-")


def tone_of(icon_id, known):
    """The skin tone that an id names, or None; fluent-emoji says "-dark" where others say "-dark-skin-tone"."""
    tones = TONE_IN_ID.findall(icon_id)
    toned = "skin-tone" in icon_id or (tones and TONE_IN_ID.sub("", icon_id) in known)
    return tones if toned else []


def keep_tone(base, tones):
    """Of the five tones of a picture keep one, chosen by its name."""
    order = ["light", "medium-light", "medium", "medium-dark", "dark"]
    return len(tones) == 1 and order[digest(base) % 5] == tones[0]


class EmojiList:
    """The emoji list (emojibase-data): by code point and by name."""

    def __init__(self, data, shortcodes, groups, rules):
        self.by_code, self.by_name = {}, {}
        for entry in data:
            sub = groups["subgroups"].get(str(entry.get("subgroup")), "")
            emoji = {"label": entry["label"], "tags": entry.get("tags") or [], "sub": sub,
                     "group": rules["emoji_groups"].get(sub) or self.kind(sub)}
            self.by_code[plain_code(entry["hexcode"])] = emoji
            self.name(slug(entry["label"]), emoji)
            codes = shortcodes.get(entry["hexcode"]) or []
            for code in [codes] if isinstance(codes, str) else codes:
                self.name(slug(code), emoji)

    @staticmethod
    def kind(sub):
        if sub.startswith("animal-"):
            return "animals"
        return "food" if sub.startswith("food-") or sub in ("drink", "dishware") else ""

    def name(self, name, emoji):
        for key in (name, name.replace("-", "")):
            self.by_name.setdefault(key, emoji)

    def learn_names(self, icons):
        """Names of a set that carries code points serve the sets that do not."""
        for icon in icons:
            for code in icon["codes"]:
                emoji = self.by_code.get(plain_code(code))
                for name in [icon["id"], *icon["aliases"]] if emoji else []:
                    self.name(name, emoji)

    def find(self, icon):
        """(emoji or None, tone or None)."""
        emoji = tone = None
        for code in map(plain_code, icon["codes"]):
            parts = code.split("-")
            tones = [TONES[part] for part in parts if part in TONES and len(parts) > 1]
            base = "-".join(part for part in parts if not (part in TONES and len(parts) > 1))
            emoji = self.by_code.get(code) or self.by_code.get(base) or emoji
            tone = tones[0] if tones else tone
        if not icon["codes"]:
            base, tones = icon["id"], icon["tones"]
            if tones:
                tone, base = tones[0], TONE_IN_ID.sub("", base)
            short = re.sub(r"-\d+$", "", base)
            names = (base, short, short.replace("-face", ""), short + "-face", "flag-" + short)
            emoji = next((self.by_name[name] for name in names if name in self.by_name), None)
        return emoji, tone


class Segmenter:
    """Cuts run-together ids ("ferriswheel") into words by how often words occur elsewhere."""

    def __init__(self, texts, extra):
        self.counts = collections.Counter(word for text in texts for word in re.findall("[a-z]+", text.lower()))
        self.counts.update({word: 20 for word in extra})
        self.total = sum(self.counts.values())

    def __call__(self, text):
        best = [(0.0, 0)]
        for end in range(1, len(text) + 1):
            choices = []
            for begin in range(max(0, end - 16), end):
                word = text[begin:end]
                count = self.counts[word] if len(word) > 1 else 0
                score = math.log(count / self.total) if count else -9 - 5 * len(word)
                choices.append((best[begin][0] + score, begin))
            best.append(max(choices))
        words, end = [], len(text)
        while end:
            words.append(text[best[end][1]:end])
            end = best[end][1]
        return " ".join(reversed(words))


def left_out_emoji(icon, emoji, tone, name, sub, group):
    """Why an emoji is left out, or None. Couples, all but one tone, one of each man and woman, most flags, most clocks."""
    if LETTERS.search(icon["id"]):
        return "letters"
    if emoji is not None and sub in NO_EMOJI:
        return "component"
    if sub == "family" or (emoji is None and FAMILY.match(icon["id"])):
        if tone or "," in name or re.search("family-|, ", icon["id"] + name) or digest(name) % 2:
            return "family"
    if tone and not (sub.startswith("hand") or sub in ("hands", "body-parts", "person")):
        return "tone"
    if group == "people" and sub != "person":
        person = re.match(r"(man|woman|men|women)\b", name)
        if person and icon["set"] != "fxemoji":
            role = re.sub(r"^(man|woman|men|women)\s*", "", name)
            if (digest(role) % 2 == 0) != (person[1] in ("man", "men")):
                return "gender pair"
        if "facing right" in name:
            return "facing right"
    if sub == "time" and CLOCK.search(name) and not SHOWN_CLOCKS.match(name):
        return "clock"
    return None


def emoji_label(icon, emojis, rules, segment, fluent_codes):
    emoji, tone = emojis.find(icon)
    if icon["set"] == "fluent-emoji-3d" and (emoji is None or not any(plain_code(c) in fluent_codes for c in icon["codes"])):
        return "not in the MIT repository"
    if emoji is None and re.search("regional-indicator|skin-tone$|^hair|component", icon["id"]):
        return "component"
    base = re.sub(r"-\d+$", "", icon["id"])
    name = emoji["label"] if emoji else base.replace("-", " ")
    sub, group = (emoji["sub"], emoji["group"]) if emoji else ("", "")
    category = (icon["categories"] or [""])[0].lower()
    if emoji is None and icon["set"] == "fxemoji":
        name, group = segment(base.replace("-", "")), "flags" if "flag" in icon["id"] and category == "flags" else ""
    elif emoji is None:
        group = next((kind for start, kind in rules["emoji_categories"].items() if category.startswith(start)), "")
    reason = left_out_emoji(icon, emoji, tone, name, sub, group)
    if group == "flags" and sub != "flag" and (sub == "subdivision-flag" or
                                               name.split(":")[-1].strip() not in rules["flags"]):
        reason = reason or "flag"
    return reason or {"name": name.lower(), "keywords": list(emoji["tags"]) if emoji else [], "group": group, "sub": sub,
                      "tone": tone, "lab": "cldr" if emoji else "id", "style": icon["set"]}


def streamline_name(icon_set, name):
    """(name, style) of Streamline's sets, which draw a thing as lines, flat, or in two tones; None for a doubled set."""
    if name.endswith("-flat"):
        return name[:-5], icon_set + "-flat"
    if name.endswith("-duo"):
        return None if icon_set == "streamline-kameleon-color" else (name[:-4], icon_set + "-duo")
    return name, icon_set + "-line" if icon_set in STYLE_SUFFIX else icon_set


def ui_label(icon, rules):
    icon_set, name, style, extra = icon["set"], icon["id"], icon["set"], []
    if set(icon["categories"]) & {"Logos", "Brand"}:
        return "brand category"
    if icon_set.startswith("streamline"):
        if re.search(rules["brands"], name):
            return "brand word"
        named = streamline_name(icon_set, name)
        if named is None:
            return "two-tone double"
        name, style = named
    if name in rules["left_out_ids"].get(icon_set, []):
        return "brand"
    if icon_set == "fluent-color":
        name = re.sub(r"-\d+$", "", name)
    if icon_set == "glyphs-poly" and re.match(r"^[a-z0-9](-|$)", name):
        return "letters"
    if icon_set == "meteocons":
        if not name.endswith("-fill"):
            return "outline"
        name = name[:-5]
        if re.search(rules["weather_variants"], name):
            return "variant"
    if icon_set == "icon-park":
        extra = ["key"] if re.match(r"^(h\d|f-|en-key|key-)", name) else []
        name = re.sub(r"-\d+$", "", name)
    else:
        name = re.sub(r"-(\d+|solid|filled)$", "", re.sub(r"-\d+$", "", name))
    if icon_set == "marketeq":
        name = re.sub(r"-alt$", "", name)
    group = next((rules["categories"][c] for c in icon["categories"] if c in rules["categories"]), "")
    return {"name": name.replace("-", " ").lower(), "keywords": extra, "group": group,
            "sub": (icon["categories"] or [None])[0], "tone": None, "lab": "id", "style": style}


def flag_label(icon, emojis, rules):
    """The flag of a country by its two letters, where the emoji list has it and it is one of those that are kept."""
    code = re.fullmatch(r"([a-z])([a-z])(-1x1)?", icon["id"])
    if not code:
        return "flag of a region, or a rectangle"
    emoji = emojis.by_code.get("-".join(f"{0x1F1E6 + ord(letter) - ord('a'):X}" for letter in code.groups()[:2]))
    if emoji is None or emoji["label"].split(":")[-1].strip() not in rules["flags"]:
        return "flag"
    return {"name": emoji["label"].lower(), "keywords": list(emoji["tags"]), "group": "flags", "sub": emoji["sub"], "tone": None,
            "lab": "cldr", "style": icon["set"]}
