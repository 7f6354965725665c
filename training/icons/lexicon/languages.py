# SPDX-License-Identifier: MIT
"""The languages, and where their words for emoji come from: emojibase's lists, CLDR's annotations where emojibase has none."""
import json

EMOJIBASE = "en en-gb es es-mx de fr pt it pl nl sv da nb fi hu vi ms et lt ru uk ja zh zh-hant ko hi bn th".split()
CLDR = "tr ar cs el ro id fa he bg hr sk sl ca lv".split()
# in the order in which they are asked where nothing tells the language
LANGUAGES = EMOJIBASE + CLDR
# stopwords-iso's name of a language that emojibase calls otherwise
STOP_NAMES = {"nb": "no", "en-gb": "en", "es-mx": "es", "zh-hant": "zh"}


def wanted_files():
    """{package: paths}"""
    return {
        "emojibase-data": [f"{language}/data.json" for language in EMOJIBASE],
        "cldr-annotations-full": [f"annotations/{language}/annotations.json" for language in CLDR],
        "cldr-annotations-derived-full": [f"annotationsDerived/{language}/annotations.json" for language in CLDR],
    }


def annotated(packages, language, english):
    """CLDR's annotations of a language in the shape of emojibase's list."""
    known = {}
    for package, kind in (("cldr-annotations-full", "annotations"), ("cldr-annotations-derived-full", "annotationsDerived")):
        known |= json.loads(packages[package][f"{kind}/{language}/annotations.json"])[kind]["annotations"]
    entries = []
    for entry in english:
        found = known.get(entry["emoji"]) or known.get(entry["emoji"].replace("\ufe0f", ""))
        if found and found.get("tts"):
            entries.append({"emoji": entry["emoji"], "hexcode": entry["hexcode"], "label": found["tts"][0], "tags": found.get("default", [])})
    return entries


def lists(packages):
    """{language: entries}"""
    emojis = packages["emojibase-data"]
    found = {language: json.loads(emojis[f"{language}/data.json"]) for language in EMOJIBASE}
    return found | {language: annotated(packages, language, found["en"]) for language in CLDR}


def stop_words(package):
    """{language: set of words}"""
    of_all = json.loads(package["stopwords-iso.json"])
    return {language: set(of_all.get(STOP_NAMES.get(language, language), ())) for language in LANGUAGES}
