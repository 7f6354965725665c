# SPDX-License-Identifier: MIT
"""The figures of evaluate.py: what a model paints, against real icons of the same pairs, and the tables."""
import json
import os

import numpy as np
import torch

from icons.measure import judge as judges
from icons.measure import measures
from icons.data.captions import name_words, word_groups
from icons.data.compose import Composer
from icons.measure.measures import thumbnails
from icons.measure.pictures import over_white, sheet
from icons.measure.sheets import paint
from icons.network.vocabulary import build_aliases

COPY = 7.5          # of 255, on thumbnails: closer than 99 % of held-out real icons are to any training icon
DRAWN = 1024
COMPOSED = 256      # a style
PROMPTS, EACH = 64, 8       # for diversity
COLUMNS = {"held_top1": "held-out top-1", "held_top5": "top-5", "seen_top1": "seen top-1", "seen_top5": "top-5",
           "tile_top1": "tile top-1", "line_top1": "line", "solid_top1": "solid",
           "held_style": "style, held-out", "held_frechet": "Fréchet held-out", "seen_frechet": "seen",
           "tile_frechet": "Fréchet tile", "line_frechet": "line", "solid_frechet": "solid",
           "drawn_frechet": "drawn", "seam": "seam", "seam_worst": "worst phase", "nearest_median": "nearest, held-out",
           "copy_share": "copies", "diversity": "diversity", "edge": "edge", "rim": "rim", "cloudy": "cloudy",
           "dirt": "dirt", "haze": "haze"}
SHARES = {"tile_top1", "line_top1", "solid_top1", "held_top1", "held_top5", "seen_top1", "seen_top5", "held_style", "seam",
          "seam_worst", "copy_share"}
TINY_SHARES = {"cloudy", "dirt", "haze"}


class Bench:
    """Real icons, the judge, and the pairs to paint."""

    def __init__(self, icons, judge, names, device, limit=1024, drawn=DRAWN):
        self.icons, self.judge, self.device = icons, judge, device
        self.label, glyph_label = judges.concept_labels(icons, names)
        held = np.flatnonzero(icons.held_out & (self.label >= 0))[:limit]
        seen = np.flatnonzero(~icons.held_out & (self.label >= 0) & (icons.weight > 0))
        share = icons.weight[seen] / icons.weight[seen].sum()
        some = np.random.default_rng(1).choice(seen, min(len(held), len(seen)), replace=False, p=share)
        more = np.random.default_rng(2).choice(seen, min(drawn, len(seen)), replace=False, p=share)
        self.pairs = {"held": held, "seen": np.sort(some), "drawn": np.sort(more)}
        self.train = np.flatnonzero(~icons.held_out)
        self.train_thumbs = torch.cat([thumbnails(self.real(part)) for part in np.array_split(self.train, 32)])
        self.groups = word_groups(icons.rows, icons.words)
        self.composed = self.compose(glyph_label, limit) if len(icons.glyphs) else []

    def compose(self, label, limit):
        """[(style, real pictures, names, labels)] of composed styles: what compose.py draws, each thing once, the same every time."""
        composer, found = Composer(self.icons, self.device, label >= 0), []
        for style in composer.pools:
            weight = self.icons.glyphs.weight * (label >= 0) * ~self.icons.glyph_held_out(style)
            pick = np.random.default_rng(3).choice(len(weight), min(limit, COMPOSED, int((weight > 0).sum())), replace=False,
                                                   p=weight / weight.sum())
            with torch.random.fork_rng(devices=[self.device] if "cuda" in str(self.device) else []):
                torch.manual_seed(5)
                x = composer.draw_style(style, len(pick), torch.from_numpy(pick).to(self.device))[0]
            found.append((style, 2 * x - 1, [self.icons.glyphs.name[i] for i in pick], torch.from_numpy(label[pick])))
        return found

    def real(self, pick):
        return (torch.from_numpy(self.icons.pixels[pick]).float() / 127.5 - 1).to(self.device)

    def judged(self, z, pick):
        features, concept, style = judges.look(self.judge, z)
        top1, top5 = judges.accuracy(concept, torch.from_numpy(self.label[pick]))
        return features, {"top1": top1, "top5": top5,
                          "style": judges.accuracy(style, torch.from_numpy(self.icons.style[pick]))[0]}

    def composed_figures(self, paint_named):
        """Accuracy and distance of composed styles by paint_named(names, style, real pictures) -> [R,4,64,64]."""
        result = {}
        for style, real, names, labels in self.composed:
            features, concept, _ = judges.look(self.judge, paint_named(names, style, real))
            result[f"{style}_top1"] = judges.accuracy(concept, labels)[0]
            result[f"{style}_frechet"] = measures.frechet(features, judges.look(self.judge, real)[0])
        return result

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

    def model(self, net, steps, guidance, diversity=True):
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

        def paint_named(names, style, _):
            return paint(net, names, [number[style]] * len(names), steps, guidance, seed=6)

        return self.measure(paint_pairs, config["patch"], diversity) | self.composed_figures(paint_named)

    def real_figures(self, period=8):
        """The row "real"; icons of training copy themselves, and a prompt has one real icon."""
        result = self.measure(lambda pick, seed: self.real(pick), period, diversity=False)
        result |= self.composed_figures(lambda names, style, real: real)
        return {key: value for key, value in result.items() if not key.startswith("copy")}

    def restrict(self, styles):
        """Keep only pairs whose style a model knows."""
        known = np.array([row["style"] in styles or row["set"] in styles for row in self.icons.rows])
        self.pairs = {kind: pick[known[pick]] for kind, pick in self.pairs.items()}
        self.composed = [entry for entry in self.composed if entry[0] in styles]


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
