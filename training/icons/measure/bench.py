# SPDX-License-Identifier: MIT
"""The figures of evaluate.py: what a model paints, against real icons of the same pairs, and the tables."""
import json
import os

import numpy as np
import torch

from icons.measure import judge as judges
from icons.measure import measures
from icons.data.icon_set import IconSet, name_words, word_groups
from icons.measure.measures import thumbnails
from icons.measure.pictures import over_white, sheet
from icons.measure.sheets import paint
from icons.network.vocabulary import build_aliases

COPY = 7.5          # of 255, on thumbnails: closer than 99 % of held-out real icons are to any training icon
DRAWN = 1024
PROMPTS, EACH = 64, 8       # for diversity
COLUMNS = {"held_top1": "held-out top-1", "held_top5": "top-5", "seen_top1": "seen top-1", "seen_top5": "top-5",
           "held_style": "style, held-out", "held_frechet": "Fréchet held-out", "seen_frechet": "seen",
           "drawn_frechet": "drawn", "seam": "seam", "seam_worst": "worst phase", "nearest_median": "nearest, held-out",
           "copy_share": "copies", "diversity": "diversity", "edge": "edge", "rim": "rim", "cloudy": "cloudy",
           "dirt": "dirt", "haze": "haze"}
SHARES = {"held_top1", "held_top5", "seen_top1", "seen_top5", "held_style", "seam", "seam_worst", "copy_share"}
TINY_SHARES = {"cloudy", "dirt", "haze"}


class Bench:
    """Real icons, the judge, and the pairs to paint."""

    def __init__(self, icons, judge, names, device, limit=1024, drawn=DRAWN):
        self.icons, self.judge, self.device = icons, judge, device
        index = {name: i for i, name in enumerate(names)}
        self.label = np.array([index.get(row["name"], -1) for row in icons.rows])
        held = np.flatnonzero(icons.held_out & (self.label >= 0))[:limit]
        seen = np.flatnonzero(~icons.held_out & (self.label >= 0) & (icons.weight > 0))
        share = icons.weight[seen] / icons.weight[seen].sum()
        some = np.random.default_rng(1).choice(seen, min(len(held), len(seen)), replace=False, p=share)
        more = np.random.default_rng(2).choice(seen, min(drawn, len(seen)), replace=False, p=share)
        self.pairs = {"held": held, "seen": np.sort(some), "drawn": np.sort(more)}
        self.train = np.flatnonzero(~icons.held_out)
        self.train_thumbs = torch.cat([thumbnails(self.real(part)) for part in np.array_split(self.train, 32)])
        self.groups = word_groups(icons.rows, icons.words)

    def real(self, pick):
        return (torch.from_numpy(self.icons.pixels[pick]).float() / 127.5 - 1).to(self.device)

    def judged(self, z, pick):
        features, concept, style = judges.look(self.judge, z)
        top1, top5 = judges.accuracy(concept, torch.from_numpy(self.label[pick]))
        return features, {"top1": top1, "top5": top5,
                          "style": judges.accuracy(style, torch.from_numpy(self.icons.style[pick]))[0]}

    def measure(self, paint_pairs, period, diversity=True):
        """Every figure for pictures made by paint_pairs(indices, seed) -> [R,4,64,64]."""
        result, painted = {}, {}
        held_features, _ = self.judged(self.real(self.pairs["held"]), self.pairs["held"])
        for kind, pick in self.pairs.items():
            painted[kind] = z = paint_pairs(pick, 0)
            features, scores = self.judged(z, pick)
            if kind == "drawn":
                result["drawn_frechet"] = measures.frechet(features, held_features)
                continue
            result |= {f"{kind}_{name}": value for name, value in scores.items()}
            result[f"{kind}_frechet"] = measures.frechet(features, self.judged(self.real(pick), pick)[0])
        both = torch.cat(list(painted.values()))
        result |= measures.seam(both, period) | measures.alpha_faults(both) | measures.sharpness(both)
        result |= self.copies(painted)
        if diversity:
            some = self.pairs["held"][:PROMPTS // 2].tolist() + self.pairs["seen"][:PROMPTS // 2].tolist()
            thumbs = thumbnails(paint_pairs(np.repeat(some, EACH), 1))
            result["diversity"], result["between_prompts"] = measures.spread_within(thumbs, EACH)
        return result

    def copies(self, painted):
        """Distances to the nearest training icon; a copy of a trained icon shows as a distance near 0."""
        distance, which = measures.nearest(thumbnails(painted["held"]), self.train_thumbs)
        self.closest = self.closest_pairs(painted["held"], distance, which)
        result = {"nearest_median": distance.median().item(), "nearest_p05": distance.quantile(0.05).item()}
        distance, _ = measures.nearest(thumbnails(painted["seen"]), self.train_thumbs)
        return result | {"copy_median": distance.median().item(), "copy_share": (distance < COPY).float().mean().item()}

    def closest_pairs(self, z, distance, which, count=20):
        """Pictures of the `count` closest (painted, training) pairs, two rows."""
        order = distance.argsort()[:count].cpu()
        return np.concatenate([over_white(z[order]), over_white(self.real(self.train[which.cpu()[order].numpy()]))])

    def model(self, net, steps, guidance):
        """Figures of a model. Styles that it does not know are painted with its null style."""
        config = net.config
        number = {style: i for i, style in enumerate(config["styles"])}
        config["aliases"] = build_aliases(config["words"], {w: g for w, g in self.groups.items() if w in config["words"]})

        def paint_pairs(pick, seed):
            rows = [self.icons.rows[i] for i in pick]
            styles = [number.get(row["style"], number.get(row["set"], net.no_style)) for row in rows]
            # typed plainly: no typographic apostrophes, no quotes
            prompts = [" ".join(name_words(row["name"])) for row in rows]
            return paint(net, prompts, styles, steps, guidance, seed=4 + seed)

        return self.measure(paint_pairs, config["patch"])

    def real_figures(self, period=8):
        """The row "real"; icons of training copy themselves, and a prompt has one real icon."""
        result = self.measure(lambda pick, seed: self.real(pick), period, diversity=False)
        return {key: value for key, value in result.items() if not key.startswith("copy")}

    def restrict(self, styles):
        """Keep only pairs whose style a model knows."""
        known = np.array([row["style"] in styles or row["set"] in styles for row in self.icons.rows])
        self.pairs = {kind: pick[known[pick]] for kind, pick in self.pairs.items()}


def line(name, result):
    return f"{name:24s} " + " ".join(f"{key} {value:.3f}" for key, value in result.items())


def cell(key, value):
    if value is None:
        return ""
    return f"{100 * value:.{2 if key in TINY_SHARES else 1}f} %" if key in SHARES | TINY_SHARES else f"{value:.1f}"


def table(results):
    """Markdown, one line a row of results."""
    lines = ["| | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, result in results.items():
        lines.append(f"| {name} | " + " | ".join(cell(key, result.get(key)) for key in COLUMNS) + " |")
    return "\n".join(lines) + "\n"


def write(results, prefix):
    with open(prefix + ".json", "w") as file:
        json.dump(results, file, indent=1)
    with open(prefix + ".md", "w") as file:
        file.write(table(results))


def evaluate(bench, net, name, settings, out=None):
    """Print and return {setting: figures} for (steps, guidance) pairs; with `out`, also a sheet of the closest pairs."""
    results = {}
    for steps, guidance in settings:
        key = f"{name}, {steps} step{'s' * (steps > 1)}" + (f", guidance {guidance:g}" if guidance != 1 else "")
        results[key] = bench.model(net, steps, guidance)
        print(line(key, results[key]), flush=True)
    if out:
        sheet(bench.closest, 20, os.path.join(out, f"{name}_closest.png"))
    return results
