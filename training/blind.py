# SPDX-License-Identifier: MIT
"""A blind test: numbered, shuffled sheets of icons for somebody who knows neither prompts nor styles, a key, and the score.

    blind.py make --words FILE --out DIR --paint --styles tile noto [--model FILE] [--real DATA]   icons painted by `dit generate`
    blind.py make --words FILE --out DIR --icons FOLDER --styles tile noto                         FOLDER/<style>/<word>.png
    blind.py score --key DIR/key.json ANSWERS [--json FILE]
    blind.py --smoke [--dit build/dit]

--words: a thing a line, then what else is right: "rocket: spaceship, space ship". The viewer gets sheet-A.png, ... and answers.txt,
whose lines are number, name, ship: "A12, rocket, yes"; the name is "?" where it cannot be told, ship is yes, flawed or no (unusable).
A sheet has one style, or with --mixed all; and no thing twice, as one would tell what the other is. --real DATA (a folder of
dataset/build.py) adds, as the ceiling, real icons of the same things and styles, on the same sheets.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import re
import string
import subprocess
import tempfile

from PIL import Image, ImageDraw, ImageFont

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS, ICONS, CELL, ENLARGED = 8, 64, 150, 2
SHIPS = ("yes", "flawed", "no")
# what an answer may say beside the name; colours only where the thing asked for has none
ARTICLES = re.compile(r"^(?:(?:an?|the|some|one|pair of|piece of|slice of|cup of|glass of|picture of|symbol of) )+(?=.)")
COLOURS = re.compile(r"^(?:(?:red|orange|yellow|green|blue|purple|pink|brown|black|white|gr[ae]y|golden?|silver) )+(?=.)")


def plain(text):
    """A name as it is compared: lower case, without article, singular."""
    text = ARTICLES.sub("", " ".join(re.findall(r"[a-z0-9]+", text.lower())))
    return re.sub(r"(?<=[a-z]{2})(?<!s)s$", "", text)


def is_named(answer, word, synonyms):
    accepted = {plain(name) for name in (word, *synonyms)}
    return plain(answer) in accepted or COLOURS.sub("", plain(answer)) in accepted


def read_words(path):
    """{word: [synonyms]} of a list of things."""
    words = {}
    with open(path) as file:
        for line in file:
            word, _, others = line.partition(":")
            if word.strip():
                words[word.strip()] = [other.strip() for other in others.split(",") if other.strip()]
    return words


def open_icon(path):
    with Image.open(path) as image:
        return image.convert("RGBA")


def painted(options, words, style):
    """{word: picture} by the engine."""
    with tempfile.TemporaryDirectory() as folder:
        prompts = [part for word in words for part in ("--prompt", word)]
        model = ["--model", options.model] if options.model else []
        subprocess.run([options.dit, "generate", "--quiet", *model, *prompts, "--style", style, "--seed", str(options.seed),
                        "--steps", str(options.steps), "-o", os.path.join(folder, "icon-%d.png")], check=True)
        return {word: open_icon(os.path.join(folder, f"icon-{i}.png")) for i, word in enumerate(words)}


def stored(folder, words, style):
    """{word: picture} of the files that there are."""
    paths = {word: os.path.join(folder, style, f"{word}.png") for word in words}
    missing = [path for path in paths.values() if not os.path.exists(path)]
    if missing:
        raise SystemExit(f"blind.py: expected {len(words)} icons, found none at {missing[:3]}")
    return {word: open_icon(path) for word, path in paths.items()}


def real(folder, words, style, shuffle):
    """{word: picture} of real icons of these things: of this style, else of any."""
    from icons.data.packs import read_pack
    planes, rows = read_pack(folder, "icons")
    found = collections.defaultdict(list)
    for i, row in enumerate(rows):
        found[plain(row["name"])].append(i)
    pictures = {}
    for word in words:
        alike = [found[plain(name)] for name in (word, *words[word])]
        same_style = [[i for i in some if rows[i]["style"] == style] for some in alike]
        chosen = next(filter(None, same_style + alike), None)
        if chosen:
            pictures[word] = Image.fromarray(planes[shuffle.choice(chosen)].transpose(1, 2, 0), "RGBA")
    return pictures


def deal(entries, shuffle):
    """Entries (word, style, real, picture) -> sheets of at most ICONS entries, none of which has a word twice."""
    by_word = collections.defaultdict(list)
    for entry in entries:
        by_word[entry[0]].append(entry)
    decks = [[] for _ in range(max(map(len, by_word.values())))]
    for alike in by_word.values():
        for deck, entry in zip(shuffle.sample(decks, len(alike)), alike):
            deck.append(entry)
    for deck in decks:
        shuffle.shuffle(deck)
    return [deck[begin:begin + ICONS] for deck in decks for begin in range(0, len(deck), ICONS)]


def draw_sheet(entries, path):
    """Numbered icons, enlarged, over white."""
    rows = -(-len(entries) // COLUMNS)
    sheet, font = Image.new("RGBA", (COLUMNS * CELL, rows * CELL), "white"), ImageFont.load_default()
    for i, (_, _, _, picture) in enumerate(entries):
        left, top = i % COLUMNS * CELL, i // COLUMNS * CELL
        large = picture.convert("RGBa").resize((64 * ENLARGED, 64 * ENLARGED), Image.BICUBIC).convert("RGBA")
        sheet.alpha_composite(large, (left + CELL - 64 * ENLARGED - 4, top + CELL - 64 * ENLARGED - 4))
        number = Image.new("L", font.getmask(str(i + 1)).size, 255)
        ImageDraw.Draw(number).text((0, 0), str(i + 1), font=font, fill=0)
        sheet.paste(number.resize((2 * number.width, 2 * number.height)), (left + 2, top + 2))
    sheet.convert("RGB").save(path, optimize=True)


def make(options):
    words, shuffle = read_words(options.words), random.Random(options.shuffle)
    groups = []
    for style in options.styles:
        pictures = painted(options, words, style) if options.paint else stored(options.icons, words, style)
        group = [(word, style, False, picture) for word, picture in pictures.items()]
        if options.real:
            group += [(word, style, True, picture) for word, picture in real(options.real, words, style, shuffle).items()]
        groups.append(group)
    if options.mixed:
        groups = [sum(groups, [])]
    sheets = [sheet for group in groups for sheet in deal(group, shuffle)]
    shuffle.shuffle(sheets)
    os.makedirs(options.out, exist_ok=True)
    key, numbers = {"synonyms": words, "icons": {}}, []
    for letter, sheet in zip(letters(), sheets):
        draw_sheet(sheet, os.path.join(options.out, f"sheet-{letter}.png"))
        for i, (word, style, is_real, _) in enumerate(sheet):
            numbers.append(f"{letter}{i + 1}")
            key["icons"][numbers[-1]] = {"word": word, "style": style, "real": is_real}
    with open(os.path.join(options.out, "key.json"), "w") as file:
        json.dump(key, file, indent=1)
    with open(os.path.join(options.out, "answers.txt"), "w") as file:
        file.write("# number, name or ?, ship: yes, flawed or no\n" + "".join(f"{number}, , \n" for number in numbers))
    print(f"{options.out}: {len(numbers)} icons on {len(sheets)} sheets; key.json is not for the viewer")


def letters():
    """A, B, ..., Z, AA, AB, ..."""
    yield from string.ascii_uppercase
    for first in string.ascii_uppercase:
        yield from (first + second for second in string.ascii_uppercase)


def read_answers(path, numbers):
    """{number: (name, ship)}; every number must be answered."""
    answers = {}
    with open(path) as file:
        for at, line in enumerate(file, 1):
            parts = [part.strip() for part in line.split("#")[0].split(",")]
            if parts == [""]:
                continue
            if len(parts) != 3 or parts[0] not in numbers or not parts[1] or parts[2] not in SHIPS:
                raise SystemExit(f"blind.py: {path}:{at}: expected 'number, name or ?, yes|flawed|no', found {line.strip()!r}")
            answers[parts[0]] = tuple(parts[1:])
    missing = [number for number in numbers if number not in answers]
    if missing:
        raise SystemExit(f"blind.py: {path}: expected {len(numbers)} answers, found none for {', '.join(missing[:10])}")
    return answers


def score(key, answers):
    """({(style, real): counts of what was named right, would ship, ...}, {(style, real): [(word, answer)] that are wrong})."""
    counts, confusions = collections.defaultdict(collections.Counter), collections.defaultdict(list)
    for number, icon in key["icons"].items():
        name, ship = answers[number]
        group = icon["style"], icon["real"]
        right = is_named(name, icon["word"], key["synonyms"][icon["word"]])
        counts[group].update(["icons", ship] + ["named"] * right)
        if not right:
            confusions[group].append((icon["word"], name))
    return counts, confusions


def table(counts, confusions):
    lines = ["| style | icons | named right | would ship | flawed | unusable |", "|---|---|---|---|---|---|"]
    for group in sorted(counts):
        count = counts[group]
        shares = " | ".join(f"{100 * count[what] / count['icons']:.0f} %" for what in ("named", *SHIPS))
        lines.append(f"| {group[0]}{', real' * group[1]} | {count['icons']} | {shares} |")
    for group in sorted(confusions):
        named = "; ".join(f"{word}: {name}" for word, name in sorted(confusions[group]) if name != "?")
        told = ", ".join(sorted(word for word, name in confusions[group] if name == "?"))
        lines.append(f"\n{group[0]}{', real' * group[1]}: named otherwise: {named or 'none'}; not told: {told or 'none'}")
    return "\n".join(lines)


def smoke(dit):
    """Sheets of drawn icons, one style each and mixed, with real ones; right, near and wrong answers; what must be refused."""
    from icons.data import synthetic
    folder = tempfile.mkdtemp()
    synthetic.write(os.path.join(folder, "data"))
    words = {"ball": ["disc", "dot"], "box": ["square"], "ring": [], "green bar": []}
    with open(os.path.join(folder, "words.txt"), "w") as file:
        file.writelines(f"{word}: {', '.join(others)}\n" for word, others in words.items())
    for style, colour in (("noto", "red"), ("twemoji", "green")):
        os.makedirs(os.path.join(folder, style))
        for word in words:
            planes = synthetic.icon(word.split()[-1], synthetic.COLOURS[colour], 20)
            Image.fromarray(planes.transpose(1, 2, 0), "RGBA").save(os.path.join(folder, style, f"{word}.png"))
    assert read_words(os.path.join(folder, "words.txt")) == words
    common = argparse.Namespace(words=os.path.join(folder, "words.txt"), styles=["noto", "twemoji"], icons=folder, paint=False,
                                shuffle=1, real=os.path.join(folder, "data"), out=os.path.join(folder, "out"), mixed=False)
    for common.mixed in (True, False):
        make(common)
        with open(os.path.join(common.out, "key.json")) as file:
            key = json.load(file)
        by_sheet = collections.defaultdict(list)
        for number, icon in key["icons"].items():
            by_sheet[number[0]].append(icon)
        # of the real ones only the green bar has the very name of a thing
        assert len(key["icons"]) == 10 and len(by_sheet) == 4, key
        assert common.mixed or all(len({icon["style"] for icon in sheet}) == 1 for sheet in by_sheet.values()), key
        assert all(len({icon["word"] for icon in sheet}) == len(sheet) for sheet in by_sheet.values()), "a thing twice on a sheet"
    check_sheets(common.out, key)
    check_scores(common.out, key)
    if dit:
        make(argparse.Namespace(**{**vars(common), "paint": True, "dit": dit, "model": None, "seed": 1, "steps": 1, "real": None,
                                   "styles": ["tile"]}))
    print("smoke run passed:", folder)


def check_sheets(folder, key):
    """The key says what is where: the colour of an icon is its style's."""
    for number, icon in key["icons"].items():
        with Image.open(os.path.join(folder, f"sheet-{number[0]}.png")) as sheet:
            at = int(number[1:]) - 1
            box = [at % COLUMNS * CELL, at // COLUMNS * CELL, at % COLUMNS * CELL + CELL, at // COLUMNS * CELL + CELL]
            seen = collections.Counter(sheet.crop(box).getdata())
            red, green = (seen[colour] for colour in ((220, 40, 40), (40, 170, 70)))
        assert (red > 500) == (icon["style"] == "noto" and not icon["real"]) and (red > 0) != (green > 0), (number, icon)


def check_scores(folder, key):
    said = {"ball": "a Blue disc, yes", "box": "?, no", "ring": "rings, flawed", "green bar": "red bar, yes"}
    lines = [f"{number}, {said[icon['word']]}\n" for number, icon in key["icons"].items()]
    path = os.path.join(folder, "answers.txt")
    with open(path) as file:
        assert file.read().count("\n") == 1 + len(lines)
    with open(path, "w") as file:
        file.writelines(lines)
    counts, confusions = score(key, read_answers(path, key["icons"]))
    assert counts["noto", False] == {"icons": 4, "named": 2, "yes": 2, "flawed": 1, "no": 1}, counts
    assert sorted(confusions["noto", False]) == [("box", "?"), ("green bar", "red bar")], confusions
    assert "| noto | 4 | 50 % | 50 % | 25 % | 25 % |" in table(counts, confusions)
    for wrong in (lines[:-1], lines + ["Z9, ring, yes\n"], [lines[0].rpartition(",")[0] + ", maybe\n"]):
        with open(path, "w") as file:
            file.writelines(wrong)
        try:
            read_answers(path, key["icons"])
        except SystemExit as error:
            assert "expected" in str(error), error
        else:
            raise AssertionError(f"expected a refusal of {wrong[-1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="sheets of a few drawn icons; with --dit painted ones too")
    parser.add_argument("--dit", default="")
    commands = parser.add_subparsers(dest="command")
    making, scoring = commands.add_parser("make"), commands.add_parser("score")
    making.add_argument("--words", required=True)
    making.add_argument("--out", required=True)
    making.add_argument("--styles", nargs="+", required=True)
    source = making.add_mutually_exclusive_group(required=True)
    source.add_argument("--icons", help="folder of <style>/<word>.png")
    source.add_argument("--paint", action="store_true", help="paint them with dit generate")
    making.add_argument("--dit", default=str(ROOT / "build/dit"))
    making.add_argument("--model", help="weight file; default: dit's")
    making.add_argument("--steps", type=int, default=4)
    making.add_argument("--seed", type=int, default=1)
    making.add_argument("--real", help="data folder to take real icons of the same things from")
    making.add_argument("--mixed", action="store_true", help="all styles on a sheet")
    making.add_argument("--shuffle", type=int, help="seed of the order; default: another one each time")
    scoring.add_argument("answers")
    scoring.add_argument("--key", required=True)
    scoring.add_argument("--json", help="write the counts there")
    options = parser.parse_args()
    if options.smoke:
        return smoke(options.dit)
    if options.command == "make":
        return make(options)
    if options.command != "score":
        parser.error("expected make, score or --smoke")
    with open(options.key) as file:
        key = json.load(file)
    counts, confusions = score(key, read_answers(options.answers, key["icons"]))
    print(table(counts, confusions))
    if options.json:
        with open(options.json, "w") as file:
            json.dump({style + ", real" * is_real: counts[style, is_real] for style, is_real in sorted(counts)}, file, indent=1)


if __name__ == "__main__":
    main()
