# SPDX-License-Identifier: MIT
"""Text as the engine reads prompts: NFKC, folded case, nothing invisible; words are letters, marks and digits."""
import functools
import re
import unicodedata

from icons.data import captions

# Unicode's Default_Ignorable_Code_Point, but for the fillers that no word list has
IGNORED = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
                     "\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]")
# Variation selectors and skin tones: the picture is of the same thing
MODIFIERS = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")


@functools.lru_cache(maxsize=1 << 20)
def is_word_character(character):
    return unicodedata.category(character)[0] in "LMN"


def fold(text):
    """Unicode's NFKC_Casefold."""
    text = IGNORED.sub("", unicodedata.normalize("NFKC", text))
    return IGNORED.sub("", unicodedata.normalize("NFKC", text.casefold()))


def words_of(text):
    return "".join(c if is_word_character(c) else " " for c in fold(text)).split()


def key_of(text):
    return " ".join(words_of(text))


def name_words(text):
    """Words of an English name as captions have them (icons/data/captions.py): ASCII, no stop words."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))
    return captions.name_words(plain)


def emoji_key(text):
    return MODIFIERS.sub("", text)


# letters that have no accent to take away
PLAIN = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ħ": "h"})


def without_accents(key):
    """The key as a keyboard without accents types it, Latin and Greek letters only; the key itself if it has none."""
    parts = unicodedata.normalize("NFD", key)
    if not all(ord(c) < 0x400 or unicodedata.combining(c) or 0x1E00 <= ord(c) < 0x2000 for c in parts):
        return key
    return "".join(c for c in parts if not unicodedata.combining(c)).translate(PLAIN)
