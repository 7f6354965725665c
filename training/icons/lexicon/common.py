# SPDX-License-Identifier: MIT
"""common.tsv: everyday things in the languages that most people type, since many have no emoji of their own (a table, a fridge, a roof)
or another name there. A line is a thing: an English word, then each language's words, commonest first, irregular forms too."""
import os

from .text import key_of

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "common.tsv")
SURE, LESS = 0.97, 0.02  # of the first thing that a word is; of each further one


def read():
    """{language: {word: [English words]}}"""
    with open(FILE, encoding="utf-8") as source:
        head, *lines = (line.rstrip("\n").split("\t") for line in source)
    found = {language: {} for language in head[1:]}
    for number, fields in enumerate(lines, 2):
        if len(fields) != len(head):
            raise ValueError(f"{FILE}:{number}: expected {len(head)} columns, found {len(fields)}")
        for language, words in zip(head[1:], fields[1:]):
            for word in words.split(","):
                found[language].setdefault(key_of(word), []).append(fields[0])
    return found


def candidates(things, concepts, meaning):
    """[(sure, kind, concept)]: the thing itself where a model has it, else what English says for it. meaning: of an English word, concepts"""
    found = []
    for place, thing in enumerate(things):
        meant = [thing] if concepts.known([thing]) else meaning(thing)[:2]
        found += [(SURE - LESS * (place + i), "own", concept) for i, concept in enumerate(meant)]
    return concepts.best(found, 3)
