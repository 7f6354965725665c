# SPDX-License-Identifier: MIT
"""Our own lists: own.json (what is newer than the sources, colours, flags, what is left out) and topics/ (things by topic)."""
import json
import os

from .text import key_of, name_words

HERE = os.path.dirname(os.path.abspath(__file__))
IRREGULAR = {"man": "men", "woman": "women", "child": "children", "person": "people", "mouse": "mice", "goose": "geese", "foot": "feet", "tooth": "teeth",
             "wolf": "wolves", "knife": "knives", "wife": "wives", "loaf": "loaves", "shelf": "shelves", "scarf": "scarves", "leaf": "leaves",
             "calf": "calves", "half": "halves", "elf": "elves", "thief": "thieves", "ox": "oxen", "louse": "lice", "cactus": "cacti",
             "potato": "potatoes", "tomato": "tomatoes", "hero": "heroes", "echo": "echoes"}
NOT_OF_MEN = {"human", "german", "roman", "shaman", "caiman", "talisman", "mongoose"}
SURE, LESS = 0.98, 0.02   # of the first answer; of each further one
OF_PLURAL = 0.97          # what is made by rule is sometimes another word
MEANT_ELSEWHERE = 0.82    # of a word that another language has for something else ("gilet", "diner")


def topics():
    """(where, words of a model, words that are read as them) of every line of the files in topics/, in their order."""
    folder = os.path.join(HERE, "topics")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as source:
            for number, line in enumerate(source, 1):
                line, where = line.strip(), f"{name}:{number}"
                if not line or line.startswith("#"):
                    continue
                concepts, found, words = line.partition(" = ")
                if not found:
                    raise ValueError(f"{where}: expected 'words of a model = words, words', found '{line}'")
                yield where, concepts, words.split(", ")


def read():
    """own.json, its words with those of topics/."""
    with open(os.path.join(HERE, "own.json"), encoding="utf-8") as source:
        own = json.load(source)
    own["topics"] = set()
    for where, concepts, words in topics():
        for word in words:
            if word in own["words"]:
                raise ValueError(f"{where}: '{word}' has an answer already: {own['words'][word]}")
            own["words"][word] = concepts
            own["topics"].add(word)
    return own


def concepts_of(text):
    """What a word may be painted as, best first; attributes ("c:red") as they are."""
    return [" ".join(word for part in concept.split() for word in ([part] if ":" in part else name_words(part))) for concept in text.split(";")]


def plural(words):
    """Of the last word; nothing where it has one already or no rule is sure."""
    *first, last = words.split()
    if not last.isascii() or not last.isalpha() or last in IRREGULAR.values() or (last.endswith("s") and not last.endswith("ss")):
        return ""
    for one, many in IRREGULAR.items():
        # "postman", "bookshelf"
        if last == one or (len(one) > 2 and last.endswith(one) and last not in NOT_OF_MEN):
            return " ".join([*first, last[:-len(one)] + many])
    if last.endswith(("s", "x", "z", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return " ".join([*first, last])


def add(entries, own, concepts, english):
    """english  the bits of its lists"""
    for key in own["stop"]:  # what is said of a picture, and words that ask for one
        entries.found.pop(key, None)
        entries.add(key, english, [(0.99, "stop", "")])
    for word, text in own["words"].items():
        best = concepts.best([(SURE - LESS * i, "own", concept) for i, concept in enumerate(concepts_of(text))])
        key, many = key_of(word), plural(word)
        if not best and not concepts.known([word]):
            print(f"our lists: {word}: no model has {text}")
        elsewhere = word in own["topics"] and meant_elsewhere(entries.found.get(key, {}), english, {concept for _, _, concept in best})
        if elsewhere:
            best = [(MEANT_ELSEWHERE / SURE * sure, kind, concept) for sure, kind, concept in best]
        entries.add(key, english, [candidate for candidate in best if candidate[2] != key])
        if many and many not in own["words"] and not elsewhere:
            entries.add(key_of(many), english, [(OF_PLURAL * sure, kind, concept) for sure, kind, concept in best if concept != many])


def meant_elsewhere(candidates, english, ours):
    """Whether a list of another language names something else so, or has it among the words that say nothing."""
    return any(not mask & english and sure >= 0.85 and kind in ("label", "own", "stop") and concept not in ours
               for concept, (mask, sure, kind) in candidates.items())
