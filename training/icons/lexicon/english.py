# SPDX-License-Identifier: MIT
"""English words that no model has: forms, synonyms, broader words of WordNet, and near ones of word vectors."""
import functools

from .concepts import VAGUE
from .text import key_of, name_words

# Broader words that say nothing of a picture
EMPTY = set("""entity object thing artifact artefact instrumentality device unit group matter substance whole part event state act activity
action process content cognition abstraction attribute relation measure quantity group grouping collection structure construction equipment
implement being organism relative property quality condition status happening case article item area region location point section division
piece material stuff system instrument mechanism facility product creation good commodity merchandise ware consumer ways causal agent cause
message statement communication information concept idea belief knowledge feeling change motion work job occupation line way form shape body
field side end top head back""".split())
DEPTH = 6
MOST_WEIGHED = 12
# What several words that no emoji is called show of the thing: if the last is a broader word for it ("dust storm"), and else ("mouth harp")
JOINED, MELTED = 0.8, 0.5
MOST_SISTERS = 40  # of a broader word that says something
# What company in a corpus is worth where one is no noun; where both are, by how alike WordNet's senses are, rarer senses less
UNLIKE, LEAST_ALIKE, ALIKE, SENSE, SENSES = 0.7, 0.55, 0.65, 0.9, 3
NAMED = 0.7       # what a sense says that is written with a capital: the Quiché are seldom meant by a quiche
SISTERS = {5: 0.7, 13: 0.7, 20: 0.7}  # what a thing of the same broader word says of animals, food, plants; of others
SISTER = 0.5
# Which of emojibase's groups an emoji is of that shows this sense of its name, by WordNet's files: a seal among animals is no stamp
PICTURED = {5: (3,), 20: (3,), 13: (4,), 6: (5, 6, 7)}
DRAWN = {5: 1.0, 6: 1.0, 13: 1.0, 20: 1.0, 8: 0.95, 17: 0.95, 18: 0.92, 19: 0.92, 27: 0.9, 15: 0.8}


class Answers:
    """Candidates [(sure, kind, concept)] for an English word."""

    def __init__(self, wordnet, vectors, concepts):
        self.wordnet, self.vectors, self.concepts = wordnet, vectors, concepts
        self.targets = set(concepts.targets())

    def concept(self, lemma):
        """A lemma as a concept that may answer, or nothing."""
        words = name_words(lemma)
        text = " ".join(words)
        if len(words) == 1:
            return text if text in self.targets and text not in EMPTY else ""
        return text if self.concepts.known(words) and (text in self.concepts.labels or not set(words) & VAGUE) else ""

    def lemmas(self, synset, skip):
        """[(weight, concept)] of a synset's words that can be painted; those that mainly mean something else count less."""
        found = []
        for lemma in self.wordnet.lemmas[synset]:
            concept = self.concept(lemma)
            senses = self.wordnet.of(lemma.lower(), synset[0])
            place = senses.index(synset) if synset in senses else 3
            if self.concepts.group.get(concept) in PICTURED.get(self.wordnet.kind[synset], ()) and synset[0] == "n":
                place = min(place, 1)
            whole = 1.0 if " " not in concept or concept in self.concepts.labels else self.melting(synset, concept)
            if concept.replace(" ", "") == skip:
                whole = 1.0  # the word itself, written apart
            if concept and concept != skip:
                found.append((0.8 ** place * self.concepts.clearness(concept) * whole, concept))
        return found

    def melting(self, synset, concept):
        """Several words melt together in a picture unless icons have that name."""
        head = concept.split()[-1]
        return JOINED if any(head in self.wordnet.lemmas[up] for up in self.wordnet.above(synset)) else MELTED

    def around(self, synset, skip):
        """Synonyms, broader words by distance, narrower ones: [(weight, kind, concept)]."""
        found = [(0.95 * weight, "synonym", concept) for weight, concept in self.lemmas(synset, skip)]
        level, seen = [synset], {synset}
        # A man or place of that name is seldom meant, and what he was shows little of him
        named = 0.75 if self.wordnet.next(synset, "@i") else 1.0
        for depth in range(1, DEPTH + 1):
            level = [up for s in level for up in self.wordnet.next(s, "@", "@i") if not (up in seen or seen.add(up))]
            for up in level:
                found += [(named * 0.84 * 0.9 ** (depth - 1) * weight, "broader", concept) for weight, concept in self.lemmas(up, skip)]
        for symbol, weight, kind in (("~", 0.62, "narrower"), ("&", 0.66, "synonym"), ("+", 0.55, "related"), ("%p", 0.5, "related"),
                                     ("#p", 0.5, "related")):
            for other in self.wordnet.next(synset, symbol)[:12]:
                found += [(weight * w, kind, concept) for w, concept in self.lemmas(other, skip)]
        for broader in self.wordnet.next(synset, "@"):
            sisters = self.wordnet.next(broader, "~")
            for other in sisters if len(sisters) <= MOST_SISTERS else ():
                weight = SISTERS.get(self.wordnet.kind[synset], SISTER)
                found += [(weight * w, "related", concept) for w, concept in self.lemmas(other, skip) if other != synset]
        return found

    def by_wordnet(self, word, skip, parts="nva"):
        found = []
        # What is done with a thing is seldom what is meant where the word is a thing too
        act = 0.65 if self.wordnet.of(word, "n") and "n" in parts else 0.8
        for part, share in (("n", 1.0), ("v", act), ("a", 0.8)):
            if part not in parts:
                continue
            for place, synset in enumerate(self.wordnet.of(word, part)[:4]):
                drawn = DRAWN.get(self.wordnet.kind[synset], 0.75) if part == "n" else 1.0
                drawn *= NAMED if self.wordnet.is_name(synset, word) else 1.0
                found += [(share * drawn * 0.82 ** place * weight, kind, concept) for weight, kind, concept in self.around(synset, skip)]
        return found

    def nearness(self, word, concept):
        """How near two texts are in the corpus of the vectors, 0 to 1; a middling value where it does not know one."""
        cosine = self.vectors.cosine(word, concept)
        return 0.35 if cosine is None else max(cosine, 0.0)

    def weighed(self, word, found):
        """The surest, with how near they are in the corpus."""
        return [(sure * (0.62 + 0.5 * self.nearness(word, concept)), kind, concept)
                for sure, kind, concept in sorted(found, reverse=True)[:MOST_WEIGHED]]

    @functools.lru_cache(maxsize=None)
    def nouns(self, text):
        """The commonest senses of a noun or its plural."""
        bases = [base for base, part in self.wordnet.bases(text) if part == "n"]
        return [synset for base in [text, *bases] for synset in self.wordnet.of(base, "n")[:SENSES]][:SENSES]

    def likeness(self, word, target):
        """What company in a corpus is worth: more where WordNet has them for things alike, less for things unlike."""
        if word.startswith(target) or target.startswith(word):
            return 1.0
        a, b = self.nouns(word), self.nouns(target)
        if not a or not b:
            is_other = not a and b and any(self.wordnet.senses.get(base) for base in [word, *(base for base, _ in self.wordnet.bases(word))])
            return UNLIKE if is_other else 1.0  # no thing is an adjective
        return LEAST_ALIKE + ALIKE * max(self.wordnet.likeness(s, t) * SENSE ** (i + j) for i, s in enumerate(a) for j, t in enumerate(b))

    def of(self, word, near):
        """near  what the vectors have for it"""
        own = " ".join(name_words(word))
        found = self.weighed(word, self.by_wordnet(word, own))
        for base, part in self.wordnet.bases(word):
            concept = " ".join(name_words(base))
            sure = {"n": 0.97, "v": 0.9, "a": 0.85, "r": 0.8}[part]
            if self.concepts.known(concept.split()):
                found.append((sure, "form", concept))
            found += [(0.95 * s, kind, c) for s, kind, c in self.weighed(base, self.by_wordnet(base, own, part))]
        plurals = [word + "s", word + "es"] if " " not in word else []
        found += [(0.95, "form", plural) for plural in plurals if plural in self.targets]
        found += [(sure * self.likeness(word, concept), "near", concept) for sure, concept in near]
        return [(min(sure, 0.97), kind, concept) for sure, kind, concept in found if concept != own]


def keys(wordnet, vectors, count):
    """The commonest words, and all that WordNet has as a noun."""
    common = [word for word in vectors.words[:count] if word.isalpha() and word.isascii() and len(word) > 1]
    nouns = [lemma for lemma, senses in wordnet.senses.items() if any(s[0] == "n" for s in senses) and lemma.count(" ") < 3
             and not any(c.isdigit() for c in lemma)]
    return list(dict.fromkeys([key_of(word) for word in common] + [key_of(lemma) for lemma in nouns]))
