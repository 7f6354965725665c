# SPDX-License-Identifier: MIT
"""Words a prompt may use: tokens of the data set, and aliases from everyday words to tokens."""

# everyday word -> tokens, where the word itself is no token of the model
SYNONYMS = {
    "aeroplane": "airplane", "ai": "robot", "alarm": "alarm clock", "alligator": "crocodile", "angry": "angry face",
    "auto": "car", "automobile": "car", "award": "medal", "bee": "honeybee", "bike": "bicycle", "bin": "wastebasket",
    "bloom": "blossom", "boat": "sailboat", "bot": "robot", "bulb": "light bulb", "bunny": "rabbit",
    "burger": "hamburger", "cake": "birthday cake", "calculate": "calculator", "cash": "banknote",
    "cellphone": "mobile phone", "chips": "french fries", "cinema": "film", "cog": "gear", "cogwheel": "gear",
    "conifer": "evergreen tree", "cottage": "house", "croc": "crocodile", "diary": "notebook", "dino": "sauropod",
    "dinosaur": "sauropod", "doggy": "dog", "donut": "doughnut", "earth": "globe", "euros": "euro", "find": "search",
    "fir": "evergreen tree", "football": "soccer ball", "fries": "french fries",
    "graph": "chart", "happy": "smiling face", "hare": "rabbit", "hippo": "hippopotamus", "home": "house",
    "human": "person", "icecream": "soft ice cream", "idea": "light bulb", "kitten": "cat", "kitty": "cat",
    "lens": "magnifying glass", "letter": "envelope", "lightbulb": "light bulb", "lookup": "search", "lorry": "truck",
    "love": "heart", "magnifier": "search", "market": "store", "money": "banknote", "moth": "butterfly",
    "movie": "film", "ocean": "water wave", "options": "settings", "padlock": "lock", "paper": "page",
    "pc": "computer", "photo": "picture", "plane": "airplane", "planet": "globe", "preferences": "settings",
    "present": "wrapped gift", "prize": "trophy", "pup": "dog", "puppy": "dog", "rainy": "rain cloud",
    "rhino": "rhinoceros", "rubbish": "wastebasket", "sad": "crying face", "sea": "water wave",
    "shades": "sunglasses", "shop": "store", "smartphone": "mobile phone", "smile": "smiling face",
    "smiley": "smiling face", "snow": "snowflake", "soccer": "soccer ball", "song": "musical note",
    "spaceship": "rocket", "spectacles": "glasses", "statistics": "chart", "storm": "cloud lightning", "sunny": "sun",
    "tea": "teacup without handle", "telephone": "phone", "telly": "television", "trainer": "running shoe",
    "trash": "wastebasket", "trousers": "jeans", "tune": "musical note", "tv": "television", "wine": "wine glass",
    "world": "globe", "xmas": "christmas tree",
}
# the same where the word is a token too, but one learnt from odd pictures or keywords only; found by looking at sheets
PREFERRED = {
    "beer": "beer mug g:food", "coffee": "hot beverage", "dragon": "dragon face", "email": "envelope",
    "gift": "wrapped gift", "mail": "envelope", "moon": "crescent moon", "music": "musical note",
    "rocket": "rocket g:transport", "tree": "tree g:nature g:plants",
}
# colours whose plain word is kept beside the token: an orange is also a fruit, and "white flag" or "black heart" were painted right
# more often with both (25 of 55 names against 21)
BOTH = {"orange", "white", "black", "gray"}


def build_aliases(words, groups=None):
    """Aliases for a vocabulary: groups of words, colours and groups by their plain names, synonyms; all targets exist.

    Tokens "c:red" and "g:animals" come from measured colours and from the group field, so they say what the picture
    looks like; the plain word "red" occurs only in names ("red lantern") and pulls towards those pictures: of the trial's
    pictures for "red car", only those of c:red without the plain word were cars. `groups` (word -> group token, see
    data.word_groups) adds the group to a word: rockets and cars came out better with it, nothing came out worse.
    """
    known, aliases = set(words), {}
    for word, group in (groups or {}).items():
        aliases[word] = [word, group]
    for token in words:
        plain = token[2:]
        if token[:2] in ("g:", "s:"):
            aliases.setdefault(plain, [plain, token] if plain in known else [token])
        elif token[:2] == "c:":
            aliases[plain] = [plain, token] if plain in BOTH and plain in known else [token]
    for word, target in SYNONYMS.items():
        targets = target.split()
        if word not in known and all(part in known for part in targets):
            aliases[word] = list(dict.fromkeys(token for part in targets for token in aliases.get(part, [part])))
    for word, target in PREFERRED.items():
        if all(part in known for part in target.split()):
            aliases[word] = target.split()
    for word, target in (("violet", "purple"), ("grey", "gray")):
        if target in aliases:
            aliases[word] = aliases[target]
    return dict(sorted(aliases.items()))
