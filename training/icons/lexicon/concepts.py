# SPDX-License-Identifier: MIT
"""What entries point to: words that some model's vocabulary has, and how well icons show them."""
from .text import name_words

# Words of vocabularies that say how a picture is drawn or stored, or that mean too many things to answer for another word
VAGUE = set("""abstract add additional all alt any app apps back bad bar basic between big body bottom box btn button can category change check close cloud
com common count custom data dead default design detail details direction down edit element end event face feature fill flat
form free full general generic get glyph go good group half hand hold icon icons image in into item items large left level line
linear list look low make many max mean medium min mini mode model more mount much multi multiple name new next no none not
object off ok old only open option out outline over part people place plain plus point position possible pro process public put real
regular right round same section set shape short show side simple single sized slim small so solid some special standard state status still
style sub support switch symbol system text that thing things this thin tile times tool top total type under up use used user
value various version very view way white black well within work""".split())


class Concepts:
    """Vocabularies of models; a concept is a text of words, all of which a model must have to paint it."""

    def __init__(self, vocabularies, labels):
        """vocabularies  sets of what can be typed (words and aliases); labels: {name of an emoji, each painted in most styles: its group}"""
        self.vocabularies = vocabularies
        self.words = set().union(*vocabularies)
        label_words = [name_words(label) for label in labels]
        self.labels = {" ".join(words) for words in label_words if self.known(words)}
        self.group = {" ".join(name_words(label)): group for label, group in labels.items()}
        self.label_words = {words[0] for words in label_words if len(words) == 1} & self.words
        # "bandage" of "adhesive bandage" shows it, "adhesive" shows something else
        heads = {words[-1] for words in label_words if words}
        others = {word for words in label_words for word in words} - heads
        self.rank = {word: 1.0 if word in self.label_words else 0.95 if word in heads else 0.76 if word in others else 0.8
                     for word in self.words}

    def known(self, words):
        return bool(words) and all(word in self.words for word in words)

    def targets(self):
        """Single words that may answer for another word."""
        return sorted(word for word in self.words if word.isalpha() and len(word) > 2 and word not in VAGUE)

    def clearness(self, concept):
        """How surely an icon of it shows it: 1 for the name of an emoji."""
        if concept in self.labels:
            return 1.0
        return min(self.rank.get(word, 0.8) * (0.9 if word in VAGUE else 1) for word in concept.split())

    def best(self, candidates, most=4):
        """[(sure, kind, concept)] best first, concepts once; among them one that each model can paint, if there is any."""
        found = {}
        for sure, kind, concept in sorted(candidates, key=lambda c: -c[0]):
            if concept and self.known(concept.split()):
                found.setdefault(concept, (sure, kind, concept))
        ordered = list(found.values())
        kept = ordered[:most]
        for vocabulary in self.vocabularies:
            def paints(candidate):
                return all(word in vocabulary for word in candidate[2].split())
            if not any(map(paints, kept)):
                kept += [candidate for candidate in ordered[most:] if paints(candidate)][:1]
        return kept
