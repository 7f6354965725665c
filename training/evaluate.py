# SPDX-License-Identifier: MIT
"""Measure a model: prompt accuracy by the judge, Fréchet distance, seams, nearest training icons, clean alpha.

    evaluate.py --data DIR --judge FILE --model FILE --out DIR [--steps 4 8 32] [--guidance 2.5] [--styles-of MODEL]

Fixed seeds and split: the held-out (name, style) pairs of data.py, and as many seen pairs, in the styles that the model knows.
The row "real" is what the measures say of the real icons of the same pairs (its Fréchet distance is 0 by construction, and
its nearest distances are those of held-out icons to the training set: what a model that copies nothing should show).
"""
import argparse
import json
import os
import tempfile

import numpy as np
import torch
import torch.nn.functional as F

import judge as judges
import synthetic
from data import IconSet, word_groups
from dit import DiT, make_config
from pictures import over_white, sheet
from sample import open_model, paint
from vocabulary import build_aliases

COPY = 7.5          # of 255, on thumbnails: closer than 99 % of held-out real icons are to any training icon
SMALL_STEP = 12     # of 255: larger steps are edges of the drawing


def seam(z, period, absolute=False):
    """Excess of small colour steps across patch borders over the mean of all small steps (0 = no seam).

    z [R,4,H,W]; steps are |difference| of neighbouring pixels over white, in 1/255, horizontally and vertically; only
    steps in (0, SMALL_STEP) count: exact zeros are flat background, which has no seam to show.
    """
    pixels = over_white(z).astype(np.int16)
    inside = border = inside_count = border_count = 0
    for axis in (1, 2):
        step = np.abs(np.diff(pixels, axis=axis)).mean(-1)
        step = np.moveaxis(step, axis, 0)
        counted = (step > 0) & (step < SMALL_STEP)
        at_border = (np.arange(len(step)) + 1) % period == 0
        border += step[at_border][counted[at_border]].sum()
        border_count += counted[at_border].sum()
        inside += step[counted].sum()
        inside_count += counted.sum()
    if not border_count:
        return 0.0
    mean = inside / inside_count
    return float(border / border_count - mean) if absolute else float(border / border_count / mean - 1)


def seam_size(z, period):
    """How much larger, in 1/255, a small step across a patch border is than the mean small step."""
    return seam(z, period, absolute=True)


def thumbnails(z):
    """[R,4,64,64] in [-1,1] -> [R,1024] in [0,255]: 16x16 means of premultiplied RGBA, the space of the distances."""
    small = F.adaptive_avg_pool2d((z.float().clamp(-1, 1) + 1) * 127.5, 16)
    return small.flatten(1)


def nearest(z, training):
    """Root-mean-square distance (of 255) from each thumbnail to its nearest in `training`, and which."""
    distance, which = zip(*((row.min(1)) for row in (torch.cdist(part, training) for part in z.split(256))))
    return torch.cat(distance) / z.shape[1] ** 0.5, torch.cat(which)


def frechet(a, b):
    """Fréchet distance of two feature sets [n,d] seen as normal distributions."""
    a, b = a.double().cpu(), b.double().cpu()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + cov_a.trace() + cov_b.trace() - 2 * cross)


def cloudy(z):
    """Share of pixels that are half transparent although nothing near (5x5) is clear: real icons have few."""
    alpha = (z[:, 3:].float().clamp(-1, 1) + 1) / 2
    interior = -F.max_pool2d(-alpha, 5, 1, 2) > 0.1
    return float((interior & (alpha < 0.9)).float().mean())


def dirt(z):
    """Share of pixels that are faintly visible (alpha 0.02 to 0.2) although nothing near (5x5) is solid."""
    alpha = (z[:, 3:].float().clamp(-1, 1) + 1) / 2
    empty = F.max_pool2d(alpha, 5, 1, 2) < 0.5
    return float((empty & (alpha > 0.02) & (alpha < 0.2)).float().mean())


class Bench:
    """Real icons, the judge, and the pairs to paint."""

    def __init__(self, icons, judge, names, device, limit=1024):
        self.icons, self.judge, self.device = icons, judge, device
        index = {name: i for i, name in enumerate(names)}
        self.label = np.array([index.get(row["name"], -1) for row in icons.rows])
        held = np.flatnonzero(icons.held_out & (self.label >= 0))[:limit]
        seen = np.flatnonzero(~icons.held_out & (self.label >= 0) & (icons.weight > 0))
        share = icons.weight[seen] / icons.weight[seen].sum()
        seen = np.random.default_rng(1).choice(seen, min(len(held), len(seen)), replace=False, p=share)
        self.pairs = {"held": held, "seen": np.sort(seen)}
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

    def measure(self, paint_pairs, period):
        """Every figure for pictures made by paint_pairs(indices) -> [R,4,64,64]."""
        result, painted = {}, {}
        for kind, pick in self.pairs.items():
            painted[kind] = z = paint_pairs(pick)
            features, scores = self.judged(z, pick)
            real_features, _ = self.judged(self.real(pick), pick)
            result |= {f"{kind}_{name}": value for name, value in scores.items()}
            result[f"{kind}_frechet"] = frechet(features, real_features)
        both = torch.cat(list(painted.values()))
        distance, which = nearest(thumbnails(painted["held"]), self.train_thumbs)
        result |= {"seam": seam(both, period), "seam_255": seam_size(both, period), "cloudy": cloudy(both), "dirt": dirt(both),
                   "nearest_median": distance.median().item(), "nearest_p05": distance.quantile(0.05).item()}
        self.closest = self.closest_pairs(painted["held"], distance, which)
        # icons that were trained on: a copy shows as a distance near 0
        distance, _ = nearest(thumbnails(painted["seen"]), self.train_thumbs)
        result |= {"copy_median": distance.median().item(), "copy_share": (distance < COPY).float().mean().item()}
        return result

    def closest_pairs(self, z, distance, which, count=20):
        """Pictures of the `count` closest (painted, training) pairs, two rows."""
        order = distance.argsort()[:count].cpu()
        return np.concatenate([over_white(z[order]), over_white(self.real(self.train[which.cpu()[order].numpy()]))])

    def model(self, net, steps, guidance):
        """Figures of a model. Styles that it does not know are painted with its null style."""
        config = net.config
        number = {style: i for i, style in enumerate(config["styles"])}
        config["aliases"] = build_aliases(config["words"], {w: g for w, g in self.groups.items() if w in config["words"]})

        def paint_pairs(pick):
            rows = [self.icons.rows[i] for i in pick]
            styles = [number.get(row["style"], number.get(row["set"], net.no_style)) for row in rows]
            return paint(net, [row["name"] for row in rows], styles, steps, guidance, seed=steps)

        return self.measure(paint_pairs, config["patch"])

    def restrict(self, styles):
        """Keep only pairs whose style a model knows."""
        known = np.array([row["style"] in styles or row["set"] in styles for row in self.icons.rows])
        self.pairs = {kind: pick[known[pick]] for kind, pick in self.pairs.items()}


def line(name, result):
    return f"{name:24s} " + " ".join(f"{key} {value:.3f}" for key, value in result.items())


def evaluate(bench, net, name, settings, out=None):
    """Print and return {setting: figures} for (steps, guidance) pairs; with `out`, also a sheet of the closest pairs."""
    results = {}
    for steps, guidance in settings:
        key = f"{name} {steps} steps g{guidance}"
        results[key] = bench.model(net, steps, guidance)
        print(line(key, results[key]), flush=True)
    if out:
        sheet(bench.closest, 20, os.path.join(out, f"{name}_closest.png"))
    return results


def smoke():
    torch.manual_seed(0)
    icons = IconSet(synthetic.write(tempfile.mkdtemp()))
    judge, names = judges.train(icons, "cpu", 5, 16, 2e-3, 2)
    net = DiT(make_config(patch=16, dim=16, depth=1, heads=2, mlp_dim=16, cond_dim=8, time_dim=8, styles=icons.styles,
                          words=icons.words)).eval()
    bench = Bench(icons, judge, names, "cpu", 8)
    evaluate(bench, net, "smoke", [(2, 2.5)], tempfile.mkdtemp())
    print(line("real", bench.measure(bench.real, 8)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--judge")
    parser.add_argument("--model")
    parser.add_argument("--out", default=".")
    parser.add_argument("--steps", type=int, nargs="+", default=[4, 8, 32])
    parser.add_argument("--guidance", type=float, nargs="+", default=[2.5])
    parser.add_argument("--styles-of", default="", help="keep only pairs in the styles that this model knows too")
    parser.add_argument("--smoke", action="store_true", help="untrained tiny networks and made-up icons, on the CPU")
    options = parser.parse_args()
    if options.smoke:
        return smoke()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    judge, names, styles = judges.load(options.judge, device)
    bench = Bench(IconSet(options.data, styles=styles), judge, names, device)
    net = open_model(options.model, device)
    bench.restrict(net.config["styles"])
    if options.styles_of:
        bench.restrict(open_model(options.styles_of).config["styles"])
    results = {"real": bench.measure(bench.real, 8)}
    print(line("real", results["real"]))
    name = os.path.basename(options.model).split(".")[0]
    settings = [(steps, scale) for scale in options.guidance for steps in options.steps]
    results |= evaluate(bench, net, name, settings, options.out)
    with open(os.path.join(options.out, f"{name}_figures.json"), "w") as file:
        json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
