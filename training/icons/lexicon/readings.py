# SPDX-License-Identifier: MIT
"""Japanese as it sounds: words in kanji have another key in hiragana and one in katakana, by IPADIC's readings."""
import gzip

FIRST, LAST, APART = 0x3041, 0x3096, 0x60  # hiragana; katakana stand that much behind
NOUN, COMMON = "名詞", ("一般", "サ変接続", "形容動詞語幹")


def hiragana(text):
    return "".join(chr(ord(c) - APART) if FIRST + APART <= ord(c) <= LAST + APART else c for c in text)


def katakana(text):
    return "".join(chr(ord(c) + APART) if FIRST <= ord(c) <= LAST else c for c in text)


class Readings:
    def __init__(self, packed):
        """packed  kuromoji's dict/tid_pos.dat.gz: features of each entry, ended by zeros"""
        self.of_surface = {}
        for entry in gzip.decompress(packed).split(b"\0"):
            fields = entry.decode("utf-8", "replace").split(",")
            if len(fields) > 8 and fields[1] == NOUN and fields[2] in COMMON:
                self.of_surface.setdefault(fields[0], fields[8])

    def variants(self, term):
        """How else a term may be written in kana."""
        reading = self.of_surface.get(term, "")
        if not reading and all(0x3040 <= ord(c) <= 0x30FF for c in term):
            reading = term
        return [kana for kana in (hiragana(reading), katakana(reading)) if len(kana) > 1 and kana != term]
