# SPDX-License-Identifier: MIT
"""How well a model paints each of its words: the judge's accuracy on icons that the engine paints, for `export.py --good`.

    good.py --judge FILE --out good.json [--model FILE] [--dit build/dit] [--styles NAME ...] [--seeds 1] [--smoke]

Every thing that the judge knows, and whose words the model all has, is painted in every style (or in --styles) and seed. A word's
share in a style is that of the things with the word in their names where one of the judge's five first names has the word, too:
"kitchen knife" for a knife says that it can be seen, and one of thousands of names is seldom the first. In a style that was not
painted it is the mean of the others. Words that no such thing has are left out: the judge has no opinion of them.
Writes {word: {style: share}}. The file must not have such a table yet: with it, words that are painted badly are read as others.
"""
import argparse
import collections
import json
import os
import tempfile

import numpy as np
import torch

from icons.data.captions import name_words
from icons.measure import judge as judges
from icons.network import safetensors_io
from quantised import ROOT, paint

CHUNK = 400     # prompts of one command
FIRST = 5       # of the judge's names


def things(names, words):
    """Words of those things of the judge, once each, that a model with these words can be asked for."""
    known = set(words)
    return list(dict.fromkeys(tuple(thing) for thing in names if thing and known.issuperset(thing)))


def seen(options, judge, names, known, style, seed):
    """[set of words] for each thing: those of the judge's FIRST first names."""
    words = []
    with tempfile.TemporaryDirectory() as folder:
        for part in (known[i:i + CHUNK] for i in range(0, len(known), CHUNK)):
            z = paint(options.dit, options.model, [(" ".join(thing), style) for thing in part], folder, ("--seed", str(seed)))
            _, concept, _ = judges.look(judge, z)
            best = concept.topk(min(FIRST, concept.shape[1]), 1).indices.tolist()
            words += [{word for i in row for word in names[i]} for row in best]
    return words


def shares(options, judge, names, config):
    """{word: {style: share}}."""
    names = [name_words(name) for name in names]
    known = things(names, config["words"])
    styles = options.styles or config["styles"]
    hits = collections.defaultdict(list)
    for style in styles:
        found = 0
        for seed in range(options.seeds):
            for thing, words in zip(known, seen(options, judge, names, known, style, seed)):
                found += words.issuperset(thing)
                for word in set(thing):
                    hits[word, style].append(word in words)
        print(f"{style}: {100 * found / len(known) / options.seeds:.1f} % of {len(known)} things seen", flush=True)
    table = {}
    for word in sorted({word for word, _ in hits}):
        row = {style: float(np.mean(hits[word, style])) for style in styles}
        mean = float(np.mean(list(row.values())))
        table[word] = {style: round(row.get(style, mean), 4) for style in config["styles"]}
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge")
    parser.add_argument("--model", default=str(ROOT / "models/icons.safetensors"))
    parser.add_argument("--dit", default=str(ROOT / "build/dit"))
    parser.add_argument("--styles", nargs="+")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", default="good.json")
    parser.add_argument("--smoke", action="store_true", help="an untrained judge, three things in one style")
    options = parser.parse_args()
    metadata = safetensors_io.load(options.model)[1]
    config = json.loads(metadata["config"])
    if "good" in metadata and not options.smoke:
        parser.error(f"--model: expected a file without accuracies, {options.model} has them")
    if options.smoke:
        options.styles, options.out = config["styles"][:1], os.path.join(tempfile.mkdtemp(), "good.json")
        names = ["fox", "tree", "red heart"]
        judge = judges.Judge(len(names), 1, 4).eval()
    else:
        judge, names, _ = judges.load(options.judge, "cuda" if torch.cuda.is_available() else "cpu")
    unknown = sorted(set(options.styles or ()) - set(config["styles"]))
    if unknown:
        parser.error(f"--styles: expected styles of the model, found {unknown[0]!r}")
    table = shares(options, judge, names, config)
    assert table and all(0 <= share <= 1 for row in table.values() for share in row.values())
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(table, file)
    print(f"{options.out}: {len(table)} of {len(config['words'])} words")


if __name__ == "__main__":
    main()
