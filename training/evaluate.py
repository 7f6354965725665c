# SPDX-License-Identifier: MIT
"""Measure models: prompt accuracy by the judge, Fréchet distance, seams, copies, diversity, sharpness, clean alpha.

    evaluate.py --data DIR --judge FILE --model FILE... --out DIR [--steps 1 2 4 8] [--guidance 1] [--styles-of MODEL]

Fixed seeds and split. `held`: the held-out (name, style) pairs of data.py, which no training here saw; `seen`: as many pairs that
training saw; `drawn`: 1,024 icons drawn as training draws them. All in the styles that the models know.
The row "real" is what the measures say of the real icons of the same pairs: its accuracy is the judge's own, its nearest
distances are those of held-out icons to the training set (what a model that copies nothing shows), and its drawn_frechet,
training icons against held-out icons, is the floor for that distance.
Writes NAME.json, NAME.md (a table) and, for each model, a sheet of the 20 held-out names whose icons lie closest to a training icon
(at the first of --steps).
"""
import argparse
import os
import tempfile

import torch

from icons.data import synthetic
from icons.data.icon_set import IconSet
from icons.measure import judge as judges
from icons.measure.bench import DRAWN, Bench, evaluate, line, table, write
from icons.measure.sheets import open_model
from icons.network.dit import DiT, make_config


def smoke():
    torch.manual_seed(0)
    icons = IconSet(synthetic.write(tempfile.mkdtemp()))
    judge, names = judges.train(icons, "cpu", 5, 16, 2e-3, 2)
    net = DiT(make_config(patch=16, dim=16, depth=1, heads=2, mlp_dim=16, cond_dim=8, time_dim=8, styles=icons.styles,
                          words=icons.words)).eval()
    bench, out = Bench(icons, judge, names, "cpu", 8, 8), tempfile.mkdtemp()
    results = {"real": bench.real_figures()} | evaluate(bench, net, "smoke", [(2, 2.5)], out)
    write(results, os.path.join(out, "smoke"))
    assert abs(results["real"]["held_frechet"]) < 1e-3 and results["real"]["drawn_frechet"] > 0
    assert len(open(os.path.join(out, "smoke.md")).readlines()) == 4
    print(table(results))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--judge")
    parser.add_argument("--model", nargs="+", default=[])
    parser.add_argument("--out", default=".")
    parser.add_argument("--name", default="figures")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--guidance", type=float, default=0.0, help="0: each model's own")
    parser.add_argument("--styles-of", default="", help="keep only pairs in the styles that this model knows too")
    parser.add_argument("--few", type=int, default=DRAWN, help="at most so many pairs of a kind; for a quick look")
    parser.add_argument("--smoke", action="store_true", help="untrained tiny networks and made-up icons, on the CPU")
    options = parser.parse_args()
    if options.smoke:
        return smoke()
    os.makedirs(options.out, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    judge, names, styles = judges.load(options.judge, device)
    bench = Bench(IconSet(options.data, styles=styles), judge, names, device, options.few, options.few)
    for path in options.model + [options.styles_of] * bool(options.styles_of):
        bench.restrict(open_model(path).config["styles"])
    results = {"real": bench.real_figures()}
    print(line("real", results["real"]), flush=True)
    for path in options.model:
        net = open_model(path, device)
        guidance = options.guidance or net.config["default_guidance"]
        name = os.path.basename(path).split(".")[0]
        for steps in options.steps:
            # the sheet is of the first number of steps; figures are written as they come, for whoever is cut off
            results |= evaluate(bench, net, name, [(steps, guidance)], options.out if steps == options.steps[0] else None)
            write(results, os.path.join(options.out, options.name))
    print(table(results))


if __name__ == "__main__":
    main()
