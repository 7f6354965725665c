# SPDX-License-Identifier: MIT
"""A data folder small enough to be carried to a GPU in parts: glyphs at 16 levels, those of much-drawn things in the first part.

    carry.py --data DIR --out DIR [--first 80000] [--smoke]

DIR/1 holds the icons, the first glyphs and the vocabulary of all, DIR/2 the other glyphs. Put together, or the first alone, they are a
data folder.
"""
import argparse
import collections
import glob
import json
import lzma
import os
import shutil
import tempfile

import numpy as np

from icons.data import glyphs, synthetic
from icons.data.captions import build_words, name_words
from icons.data.icon_set import LEFT_OUT, IconSet, held_out
from icons.data.packs import pack_nibbles, read_lines

LEAST = 8       # drawings that a name has in the first part, unless colour sets draw it too
MOST = 30       # drawings of a name in the first part


def first_part(rows, known, count):
    """[m] bool: emoji, things of colour sets and names drawn often, at most MOST of a name, a set at a time."""
    names = [" ".join(glyphs.fold(row)) for row in rows]
    drawn, taken = collections.Counter(names), collections.Counter()
    chosen = np.zeros(len(rows), bool)
    # turns over sets: the first drawings of a name then come from many
    turn = collections.Counter()
    order = []
    for i, row in enumerate(rows):
        order.append((turn[row["set"], names[i]], i))
        turn[row["set"], names[i]] += 1
    for _, i in sorted(order):
        name = names[i]
        wanted = rows[i]["set"] in glyphs.EMOJI_SETS or name in known or drawn[name] >= LEAST
        if wanted and taken[name] < MOST and chosen.sum() < count:
            chosen[i] = True
            taken[name] += 1
    return chosen


def write(folder, kind, masks, rows):
    """One pack at 4 bits; rows keep what the loader reads."""
    os.makedirs(folder, exist_ok=True)
    index, lines = [], []
    sets = np.array([row["set"] for row in rows])
    for name in sorted(set(sets)):
        pick = np.flatnonzero(sets == name)
        index.append({"set": str(name), "lo": len(lines), "hi": len(lines) + len(pick), "channels": 1, "bits": 4})
        lines += [json.dumps({key: rows[i][key] for key in ("set", "id", "name")}) for i in pick]
        with open(os.path.join(folder, f"{kind}-{name}.xz"), "wb") as file:
            file.write(lzma.compress(pack_nibbles(masks[pick][:, None]).tobytes(), preset=6))
    with open(os.path.join(folder, f"{kind}.index.json"), "w") as file:
        json.dump(index, file)
    with lzma.open(os.path.join(folder, f"{kind}.jsonl.xz"), "wt") as file:
        file.write("\n".join(lines))


def carry(data, out, count):
    icon_rows = read_lines(os.path.join(data, "icons.jsonl.xz"))
    kept_back = {row["name"]: row["style"] for row, out_ in zip(icon_rows, held_out(icon_rows)) if out_}
    masks, rows = glyphs.read(data, kept_back)
    known = {" ".join(name_words(row["name"])) for row in icon_rows}
    chosen = first_part(rows, known, count)
    os.makedirs(os.path.join(out, "1"))
    for path in glob.glob(os.path.join(glob.escape(data), "icons*")):
        shutil.copy(path, os.path.join(out, "1"))
    shown = [row for row in icon_rows if not LEFT_OUT.match(row["id"])]
    with open(os.path.join(out, "1", "words.json"), "w") as file:
        json.dump(build_words(shown, glyphs.spread_words(rows)), file)
    for part, pick in (("1", np.flatnonzero(chosen)), ("2", np.flatnonzero(~chosen))):
        write(os.path.join(out, part), "glyphs-" + part, masks[pick], [rows[i] for i in pick])
        size = sum(os.path.getsize(path) for path in glob.glob(os.path.join(glob.escape(out), part, "*")))
        print(f"{out}/{part}: {len(pick)} glyphs, {size / 2 ** 20:.1f} MiB")


def smoke():
    """The parts together hold what the folder held."""
    folder = synthetic.write(tempfile.mkdtemp())
    out = os.path.join(folder, "carried")
    carry(folder, out, 40)
    for path in glob.glob(os.path.join(out, "2", "*")):
        shutil.copy(path, os.path.join(out, "1"))
    before, after = IconSet(folder), IconSet(os.path.join(out, "1"))
    assert sorted(before.glyphs.name) == sorted(after.glyphs.name) and (before.pixels == after.pixels).all()
    assert before.words == after.words
    assert int(before.glyphs.masks.sum()) == int(after.glyphs.masks.sum())
    print("smoke run passed in", out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--out")
    parser.add_argument("--first", type=int, default=80000, help="glyphs in the first part")
    parser.add_argument("--smoke", action="store_true", help="made-up icons and glyphs")
    options = parser.parse_args()
    if options.smoke:
        return smoke()
    carry(options.data, options.out, options.first)


if __name__ == "__main__":
    main()
