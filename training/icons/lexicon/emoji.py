# SPDX-License-Identifier: MIT
"""emojibase-data: emoji sequences to words, and labels and keywords of its languages to English ones.

A word of another language is paired with the English one that stands at the same emoji (Dice's coefficient of weighted sets):
"Katze" is at 🐈 🐱 😺 ..., and so is "cat". A word of one emoji only stands for that emoji's name.
"""
import collections
import re

from . import inflections
from .text import emoji_key, key_of, name_words, without_accents, words_of

LABEL, PART, TAG = 3.0, 2.0, 1.0  # a term's weight at an emoji: its whole name, a word of the name, a keyword
ASIDE = 0.3                       # what a sign forbids or a zodiac sign is called after is a thing in its own right elsewhere
# emojibase's subgroups: signs that warn and forbid, the zodiac; all that are signs and no things
WARNING, ZODIAC, SIGNS = 84, 87, range(83, 96)
SKIN_TONES = 32
CARD_SUITS = ("2660", "2663", "2665", "2666")  # called after hearts, flowers, spades as signs of the zodiac are after fish
OF_ZODIAC = 0.54                  # how sure a sign's name is that sign: the least, for "fish" and "scales" are meant elsewhere
# whose inflected forms are put in; what such a form takes the place of if it is of one emoji only, and of any
STRONG, WEAK, WEAKEST = 0.85, 0.8, 0.72
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "white", "pink", "gray")
# of adjectives, where a colour's word has no other form in its list
ENDINGS = {"e", "es", "er", "en", "em", "s", "a", "o", "as", "os", "i", "x", "t", "y"}
TONES = re.compile(r": (light|medium-light|medium|medium-dark|dark) skin tone.*")


def english_label(entry):
    return re.sub(r"^(flag|keycap): ", r"\1 ", TONES.sub("", entry["label"]))


def flag_of(emoji):
    """"DE" of the flag of two regional indicators; empty for all else."""
    letters = [chr(ord(c) - 0x1F1E6 + 65) for c in emoji if 0x1F1E6 <= ord(c) <= 0x1F1FF]
    return "".join(letters) if len(letters) == 2 and len(emoji) == 2 else ""


def picture_candidates(entry, concepts, flag_colours):
    """[(sure, kind, concept)] for what an emoji shows."""
    label = english_label(entry)
    words = name_words(label)
    found = [(0.99, "emoji", " ".join(words))]
    country = flag_of(entry["emoji"])
    if country in flag_colours:
        found.append((0.8, "emoji", " ".join(["flag", *flag_colours[country].split()])))
    for vocabulary in concepts.vocabularies:
        left = [word for word in words if word in vocabulary]
        found.append((0.75 if "flag" not in words else 0.7, "emoji", " ".join(left)))
    for tag in entry.get("tags", []) if words[:1] != ["flag"] else []:
        found.append((0.6 * concepts.clearness(" ".join(name_words(tag)) or "-"), "emoji", " ".join(name_words(tag))))
    return concepts.best(found, 3)


def sequences(entries, concepts, flag_colours):
    """{emoji without tones and variation selectors: candidates}"""
    found = {}
    for entry in entries:
        candidates = picture_candidates(entry, concepts, flag_colours)
        for form in [entry, *entry.get("skins", [])]:
            found.setdefault(emoji_key(form["emoji"]), candidates)
    return found


class Terms:
    """A language's words for emoji: term -> {emoji: weight}."""

    def __init__(self, entries, stop_words, subgroups):
        """stop_words  of the language and of English; subgroups: of emoji, by their code points"""
        self.weights = collections.defaultdict(dict)
        self.labels, self.subgroups = {}, subgroups
        for entry in entries:
            label = re.sub(r"^[^:]+: ", "", entry["label"]) if flag_of(entry["emoji"]) else entry["label"]
            parts, subgroup = words_of(label), subgroups.get(entry["hexcode"])
            if subgroup in (None, SKIN_TONES):
                continue  # parts of other emoji
            most = ASIDE if subgroup in (WARNING, ZODIAC) else LABEL
            said = stop_words if subgroup in SIGNS else ()  # "ON!" of an arrow
            if " ".join(parts) not in said:
                self.put(" ".join(parts), entry["hexcode"], ASIDE if subgroup == ZODIAC else LABEL)
                self.labels.setdefault(" ".join(parts), entry["hexcode"])
            for tag in entry.get("tags", []):
                if key_of(tag) not in said:
                    self.put(key_of(tag), entry["hexcode"], min(TAG, most))
            for part in parts:
                if part not in stop_words:
                    self.put(part, entry["hexcode"], min(PART, most))

    def put(self, term, hexcode, weight):
        if term and len(term) <= 60:
            self.weights[term][hexcode] = max(weight, self.weights[term].get(hexcode, 0))


class English:
    """English terms by emoji, of those that the models know."""

    def __init__(self, entries, concepts):
        self.concepts = concepts
        self.label = {entry["hexcode"]: " ".join(name_words(english_label(entry))) for entry in entries}
        self.weights, self.at = collections.defaultdict(dict), collections.defaultdict(list)
        for entry in entries:
            if entry.get("subgroup") in (None, SKIN_TONES, ZODIAC):
                continue
            label = name_words(english_label(entry))
            terms = {" ".join(label): LABEL} | {word: PART for word in label if len(label) > 1}
            for tag in entry.get("tags", []):
                terms.setdefault(" ".join(name_words(tag)), TAG)
            for term, weight in terms.items():
                if concepts.known(term.split()):
                    self.weights[term][entry["hexcode"]] = weight
                    self.at[entry["hexcode"]].append(term)
        self.total = {term: sum(at.values()) for term, at in self.weights.items()}

    def pairs(self, at, most=6):
        """English terms for a term at these emoji {hexcode: weight}, best first: [(Dice, emoji in common, term)]"""
        common, count = collections.Counter(), collections.Counter()
        for hexcode, weight in at.items():
            for term in self.at.get(hexcode, ()):
                common[term] += min(weight, self.weights[term][hexcode])
                count[term] += 1
        total = sum(at.values())
        ranked = sorted(((2 * c / (total + self.total[term]), count[term], term) for term, c in common.items()),
                        key=lambda p: (-p[0] * (1 - 0.5 / p[1]) * self.concepts.clearness(p[2]) ** 3, p[2]))
        return ranked[:most]


def answers(term, at, terms, english, own_language):
    """[(sure, kind, concept)] for a term of a language."""
    found, labels = [], terms.labels
    if term in labels:
        is_zodiac = terms.subgroups.get(labels[term]) == ZODIAC
        found.append((OF_ZODIAC, "keyword", english.label.get(labels[term], "")) if is_zodiac else
                     (0.96, "label", english.label.get(labels[term], "")))
    named = sorted(at, key=lambda h: -at[h])
    few = len(at) == 1
    for place, (dice, count, concept) in enumerate(english.pairs(at)):
        # A word of few of the emoji that the English one is at ("Mond" of all moons but not of all night skies) is as sure
        share = 0.9 * count / len(at) if count > 2 else 0
        if count > 1 and dice >= 0.2:
            found.append((min(0.94, 0.5 + 0.5 * max(dice, share)) - 0.05 * place, "keyword", concept))
    for place, hexcode in enumerate(named[:4]):
        # A word out of a longer name may be its adjective
        alone = 0.5 if at[hexcode] in (PART, ASIDE) else 0.78 if few else 0.5
        found.append((alone - 0.03 * place, "keyword", english.label.get(hexcode, "")))
    own = " ".join(name_words(term))
    return [candidate for candidate in found if not own_language or candidate[2] != own]


def colours(entries, terms, english):
    """{term: [candidate]} of a language's words for colours: those that a colour's circle, square and heart share and other colours'
    have not, and words out of names that begin as these do where the English name has the colour too ("rote" beside "red")."""
    shapes = {colour: [e["hexcode"] for e in entries if e["hexcode"] in english.label and english.label[e["hexcode"]] in
                       (f"{colour} circle", f"{colour} square", f"{colour} heart", f"large {colour} circle", f"{colour} large square")]
              for colour in COLOURS}
    found = {}
    for term, at in terms.weights.items():
        hits = {colour: sum(h in at for h in shapes[colour]) for colour in COLOURS}
        colour = max(hits, key=hits.get)
        if hits[colour] >= min(2, len(shapes[colour])) and sum(hits.values()) == hits[colour] and " " not in term:
            found[term] = colour
    for term, at in terms.weights.items():
        for known, colour in list(found.items()):
            stem = known[:-2] if len(known) > 5 else known[:-1] if len(known) > 3 else known
            if len(stem) > 1 and term.startswith(stem) and abs(len(term) - len(known)) < 4 and " " not in term and (
                    any(weight >= PART and colour in english.label.get(h, "").split() for h, weight in at.items())
                    or (len(stem) > 4 and all("\u0400" <= c < "\u0500" for c in term))):
                found.setdefault(term, colour)
            elif term.startswith(known) and len(known) > 2 and len(term) - len(known) < 3 and term[len(known):] in ENDINGS:
                found.setdefault(term, colour)
    return {term: [(0.94, "keyword", colour)] for term, colour in found.items()}


def is_found_by_beginning(form, term):
    """Whether the engine finds a form that is not there by taking off one or two letters."""
    least = 4 if ord(term[0]) < 0x250 else 3
    return form.startswith(term) and len(form) - len(term) <= 2 and len(term) >= least


def add_forms(entries, language, concepts, singles, taken):
    """Inflected forms of what is sure, where they are not a word that is as sure; of two words with one form the surer.

    singles  terms of one emoji, which may be there for little more than being seen in it; taken: keys of all languages
    """
    forms = {}
    for term, candidates in entries.items():
        strong = [(0.9 * sure, "form", concept) for sure, kind, concept in candidates[:2] if sure >= STRONG]
        for form in inflections.of(language, term) if strong else ():
            if (form in taken or not is_found_by_beginning(form, term)) and (form not in forms or strong[0] > forms[form][0]):
                forms[form] = strong
    for form, candidates in sorted(forms.items()):
        if form not in entries:
            entries[form] = candidates
        elif entries[form][0][0] < (WEAK if form in singles else WEAKEST):
            entries[form] = concepts.best(candidates + entries[form], 3)


def written_otherwise(term, language, readings):
    """Keys that a keyboard without accents, another spelling or another script has for it."""
    plain = [without_accents(term)]
    if language == "de":
        plain.append(term.translate({0xE4: "ae", 0xF6: "oe", 0xFC: "ue"}))
    if language in ("da", "nb", "sv"):
        plain.append(term.translate({0xE4: "ae", 0xE6: "ae", 0xF6: "oe", 0xF8: "oe", 0xE5: "aa"}))
    if language == "ru":
        plain.append(term.replace("ё", "е"))
    if language == "ja":
        plain += readings.variants(term)
    return plain


class Language:
    """One language's entries {key: candidates}."""

    def __init__(self, name, listed, english, stop_words, subgroups):
        """listed  its names and keywords of emoji"""
        self.name, self.concepts = name, english.concepts
        terms = Terms(listed, stop_words, subgroups)
        self.singles = {term for term, at in terms.weights.items() if len(at) == 1}
        self.entries = {}
        for term, at in terms.weights.items():
            best = self.concepts.best(answers(term, at, terms, english, name.startswith("en")), 3)
            if best:
                self.entries[term] = best
        for term, candidates in colours(listed, terms, english).items():
            self.entries[term] = self.concepts.best(candidates + self.entries.get(term, []), 3)

    def add(self, key, candidates):
        """What is surer than what is there goes before it."""
        self.singles.discard(key)
        self.entries[key] = self.concepts.best(candidates + self.entries.get(key, []), 3)

    def finish(self, taken, readings):
        """Other forms and spellings. taken: keys of all languages"""
        add_forms(self.entries, self.name, self.concepts, self.singles, taken)
        for term in sorted(self.entries):
            for key in written_otherwise(term, self.name, readings):
                self.entries.setdefault(key, [(sure * 0.95, "form", concept) for sure, kind, concept in self.entries[term]])
