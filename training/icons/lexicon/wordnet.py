# SPDX-License-Identifier: MIT
"""WordNet: base forms, synonyms, broader and narrower words."""
import collections
import functools

FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
ENDINGS = {"n": (("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y"), ("ves", "f"),
                 ("ves", "fe")),
           "v": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
           "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")), "r": ()}
# English plurals that no ending gives; WordNet's own list of exceptions is not in the package
IRREGULAR = dict(pair.split(":") for pair in """men:man women:woman children:child people:person mice:mouse geese:goose teeth:tooth feet:foot oxen:ox
lice:louse dice:die cacti:cactus fungi:fungus octopi:octopus nuclei:nucleus radii:radius stimuli:stimulus alumni:alumnus syllabi:syllabus
criteria:criterion phenomena:phenomenon bacteria:bacterium media:medium data:datum strata:stratum spectra:spectrum memoranda:memorandum
analyses:analysis bases:basis crises:crisis theses:thesis oases:oasis diagnoses:diagnosis hypotheses:hypothesis parentheses:parenthesis
axes:axis indices:index vertices:vertex matrices:matrix appendices:appendix larvae:larva antennae:antenna vertebrae:vertebra algae:alga
formulae:formula nebulae:nebula knives:knife wives:wife lives:life leaves:leaf loaves:loaf wolves:wolf halves:half calves:calf shelves:shelf
selves:self elves:elf hooves:hoof scarves:scarf thieves:thief sheaves:sheaf dwarves:dwarf wharves:wharf potatoes:potato tomatoes:tomato
heroes:hero echoes:echo torpedoes:torpedo volcanoes:volcano mosquitoes:mosquito buffaloes:buffalo dominoes:domino mangoes:mango
tornadoes:tornado cargoes:cargo vetoes:veto haloes:halo mottoes:motto quizzes:quiz buses:bus gases:gas lenses:lens brethren:brother
swam:swim ran:run ate:eat drank:drink drove:drive rode:ride wrote:write flew:fly sang:sing slept:sleep bought:buy caught:catch
taught:teach thought:think fought:fight built:build sent:send lost:lose won:win broke:break broken:break frozen:freeze stolen:steal fallen:fall
grown:grow known:know shown:show drawn:draw worn:wear torn:tear born:bear hidden:hide bitten:bite eaten:eat written:write driven:drive ridden:ride
spoken:speak woken:wake chosen:choose thrown:throw flown:fly drunk:drink sung:sing swum:swim run:run dug:dig hung:hang stuck:stick
struck:strike shot:shoot""".split())


class WordNet:
    def __init__(self, package):
        self.senses = collections.defaultdict(list)   # lemma -> [synset], commonest first
        self.lemmas, self.pointers, self.kind = {}, {}, {}
        for part, name in FILES.items():
            self.read_data(package[f"dict/data.{name}"].decode("latin-1"), part)
            self.read_index(package[f"dict/index.{name}"].decode("latin-1"), part)

    def read_data(self, text, part):
        for line in text.splitlines():
            if line.startswith(" "):
                continue
            fields = line.split(" | ")[0].split()
            synset, count = (part, fields[0]), int(fields[3], 16)
            self.kind[synset] = int(fields[1])
            self.lemmas[synset] = [fields[4 + 2 * i].split("(")[0].replace("_", " ") for i in range(count)]
            first = 5 + 2 * count
            self.pointers[synset] = [(fields[i], ("a" if fields[i + 2] == "s" else fields[i + 2], fields[i + 1]))
                                     for i in range(first, first + 4 * int(fields[first - 1]), 4)]

    def read_index(self, text, part):
        for line in text.splitlines():
            if line.startswith(" "):
                continue
            fields = line.split()
            offsets = fields[-int(fields[2]):]
            self.senses[fields[0].replace("_", " ")] += [(part, offset) for offset in offsets]

    def of(self, word, part):
        return [synset for synset in self.senses.get(word, ()) if synset[0] == part]

    def next(self, synset, *symbols):
        return [target for symbol, target in self.pointers[synset] if symbol in symbols]

    @functools.lru_cache(maxsize=None)
    def above(self, synset):
        """All broader senses, nearest first."""
        found = [synset]
        for s in found:  # verbs go in circles
            found += [up for up in self.next(s, "@", "@i") if up not in found]
        return found[1:]

    @functools.lru_cache(maxsize=None)
    def depths(self, synset):
        """{broader sense or this one: how far it is from the broadest}"""
        chain = [synset, *self.above(synset)]
        found = {}
        for s in reversed(chain):  # broader ones are behind, except where two ways lead to one
            found[s] = 1 + max((found.get(up, 0) for up in self.next(s, "@", "@i")), default=0)
        return found

    def likeness(self, a, b):
        """Of two senses, 0 to 1 (Wu and Palmer 1994): how deep what they have in common is, by how deep they are."""
        of_a, of_b = self.depths(a), self.depths(b)
        common = max((of_a[s] for s in of_a.keys() & of_b.keys()), default=0)
        return 2 * common / (of_a[a] + of_b[b])

    def is_name(self, synset, word):
        """Whether a sense writes the word with a capital."""
        return not any(lemma == word for lemma in self.lemmas[synset])

    def bases(self, word):
        """Base forms of an inflected word: [(base, part of speech)]."""
        found = []
        if word in IRREGULAR:
            found.append((IRREGULAR[word], "n"))
        for part, endings in ENDINGS.items():
            for ending, base in endings:
                stem = word[:-len(ending)] + base
                if word.endswith(ending) and len(stem) > 1 and self.of(stem, part):
                    found.append((stem, part))
                doubled = stem[:-1]
                if part == "v" and not base and word.endswith(ending) and len(stem) > 3 and stem[-1] == stem[-2] and self.of(doubled, part):
                    found.append((doubled, part))
        return list(dict.fromkeys(found))
