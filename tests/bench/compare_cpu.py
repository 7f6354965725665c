# SPDX-License-Identifier: MIT
"""Times icons of our CPU executor, of ONNX Runtime on the same graph and of OpenBLAS on the products alone, in turn.

    compare_cpu.py --build BUILD --ort FOLDER-WITH-NODE_MODULES [--json FILE] [--seconds 300] [MODEL.safetensors ...]

Without models: the shipped ones and the seed's configuration with random weights; that one is also painted by
TensorFlow.js and by plain JavaScript, which the favicon diffusor is compared with where it comes from. Each contender is a process that
waits on its standard input, so that one runs while the others sleep. tests/bench/run_cpu.sh installs what this needs.
"""
import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "training"))
import export_onnx  # noqa: E402
from icons.network import safetensors_io  # noqa: E402
from contender import Contender  # noqa: E402

# What the favicon diffusor ships: one head of 128, no gates, no biases, RGB, 32 steps of DDPM.
SEED = {
    "name": "seed", "channels": 3, "height": 64, "width": 64, "alpha": "none", "patch": 8, "dim": 512, "depth": 4,
    "heads": 1, "head_dim": 128, "mlp_dim": 2048, "cond_dim": 128, "time_dim": 256, "time_scale": 1.0,
    "time_spacing": "inclusive", "time_bias": False, "condition_activation": "none", "norm": "layer", "norm_eps": 1e-8,
    "qk_norm": False, "activation": "silu", "bias": False, "outer_bias": False, "gated": False,
    "prediction": "epsilon", "schedule": {"type": "vp-cosine", "timesteps": 32, "variance": "beta"},
    "default_steps": 32, "default_sampler": "ddpm"}


def write_seed_weights(path):
    """The seed's configuration with random weights: only the time matters."""
    c, random = SEED, np.random.default_rng(1)
    dim, wide, cond, features = c["dim"], c["heads"] * c["head_dim"], c["cond_dim"], c["channels"] * c["patch"] ** 2
    shapes = {"patch_embed.weight": (dim, features), "pos_embed": (64, dim),
              "time_mlp.0.weight": (cond, c["time_dim"]), "time_mlp.2.weight": (cond, cond),
              "final.modulation.weight": (2 * dim, cond), "final.linear.weight": (features, dim)}
    for i in range(c["depth"]):
        shapes.update({f"blocks.{i}.modulation.weight": (4 * dim, cond), f"blocks.{i}.attn.qkv.weight": (3 * wide, dim),
                       f"blocks.{i}.attn.out.weight": (dim, wide), f"blocks.{i}.mlp.fc1.weight": (c["mlp_dim"], dim),
                       f"blocks.{i}.mlp.fc2.weight": (dim, c["mlp_dim"])})
    tensors = {name: (random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)
               for name, shape in shapes.items()}
    safetensors_io.save(path, tensors, {"format": "ditsrc/1", "config": json.dumps(c)})


JAVASCRIPT = {"TensorFlow.js 4.22, wasm": SOURCE / "tests/bench/javascript/tensorflow.mjs",
              "plain JavaScript": SOURCE / "tests/bench/javascript/plain.mjs"}
NARROW = ("int16", "bf16", "int8")
# Of the largest value: the same icon by other orders of sums. A step that is wrong by a thousandth shows.
MOST_DIFFERENCE = 1e-4


class Comparison:
    def __init__(self, options, scratch):
        self.build, self.ort, self.scratch = pathlib.Path(options.build).resolve(), options.ort, pathlib.Path(scratch)
        self.icon_cpu = self.build / "icon_cpu"
        threads = min(2, os.cpu_count())
        self.machine = json.loads(self.output(self.icon_cpu, "--engine", "peak", "--threads", threads))
        self.rows = []

    def output(self, *command):
        return subprocess.run([str(part) for part in command], cwd=self.ort, check=True, stdout=subprocess.PIPE,
                              text=True).stdout

    def graph(self, model, batch):
        path = self.scratch / f"{model.stem}.{batch}.onnx"
        if not path.exists():
            export_onnx.export(model, path, batch)
        return path

    def same_graph(self, model):
        """Largest difference between our prediction and ONNX Runtime's, of the largest value."""
        self.output(self.icon_cpu, "--model", model, "--dump", self.scratch)
        return float(self.output("node", SOURCE / "tests/bench/icon_onnx.mjs", self.graph(model, 1), 1, 1,
                                 self.scratch))

    def same_icon(self, model, steps):
        """Paints one icon here and in JavaScript, from the same noise; returns the largest differences by name."""
        self.output(self.icon_cpu, "--model", model, "--steps", steps, "--dump-icon", self.scratch)
        return {name: json.loads(self.output("node", script, model, self.scratch, "compare"))["difference"]
                for name, script in JAVASCRIPT.items()}

    def contenders(self, model, steps, threads, batch):
        ours = [self.icon_cpu, "--model", model, "--threads", threads, "--batch", batch, "--steps", steps]
        commands = {"ours": ours, "openblas": [*ours, "--engine", "openblas"],
                    "onnxruntime": ["node", SOURCE / "tests/bench/icon_onnx.mjs", self.graph(model, batch), threads, steps]}
        for precision in NARROW:
            if precision in self.machine["precisions"]:
                commands[f"ours, {precision}"] = [*ours, "--precision", precision]
        return commands

    def measure(self, model, steps, threads, batch, seconds, least, more=None):
        """All contenders in turn until the time is used, at least `least` rounds. more: whole icons besides."""
        flops = int(self.output(self.icon_cpu, "--model", model, "--batch", batch, "--cost")) * steps
        commands = self.contenders(model, steps, threads, batch)
        if more:
            commands = {name: command for name, command in commands.items() if name != "openblas"} | more
        contenders = [Contender(name, command, self.ort) for name, command in commands.items()]
        end = time.monotonic() + seconds
        while len(contenders[0].wall) < least or time.monotonic() < end:
            for contender in contenders:
                contender.paint()
                time.sleep(0.03)  # until the threads of this one sleep
        for contender in contenders:
            contender.close()
            self.add(contender, model, steps, threads, batch, flops, bool(more))

    def add(self, contender, model, steps, threads, batch, flops, javascript):
        quartiles = statistics.quantiles(contender.wall, n=4)
        median = statistics.median(contender.wall)
        self.rows.append({
            "model": model.stem, "javascript": javascript, "steps": steps, "threads": threads, "batch": batch, "runtime": contender.name,
            "median_s": median, "min_s": min(contender.wall), "spread": (quartiles[2] - quartiles[0]) / median,
            "rounds": len(contender.wall), "processor_median_s": statistics.median(contender.processor),
            "gflop": flops * 1e-9, "peak_share": flops * 1e-9 / median / self.machine["gflops"][threads > 1]})


def table(rows):
    """Markdown: a line for each model, number of threads and batch."""
    lines = ["| model | threads | batch | ours, ms an icon | spread | of the peak | OpenBLAS, products alone | "
             "ONNX Runtime | ours is faster | " + " | ".join(f"ours in {p}" for p in NARROW) + " |", "|---" * (9 + len(NARROW)) + "|"]
    rows = [row for row in rows if not row["javascript"]]
    for ours in (row for row in rows if row["runtime"] == "ours"):
        key = ("model", "threads", "batch", "steps")
        other = {row["runtime"]: row["median_s"] for row in rows if all(row[k] == ours[k] for k in key)}
        unit = 1000 / ours["batch"]
        lines.append(f"| {ours['model']}, {ours['steps']} steps | {ours['threads']} | {ours['batch']} | "
                     f"{ours['median_s'] * unit:.1f} | {ours['spread']:.1%} | {ours['peak_share']:.1%} | "
                     f"{other['openblas'] * unit:.1f} | {other['onnxruntime'] * unit:.1f} | "
                     f"{other['onnxruntime'] / ours['median_s']:.2f}× | "
                     + " | ".join(f"{other[f'ours, {p}'] * unit:.1f}" if f"ours, {p}" in other else "-" for p in NARROW) + " |")
    return "\n".join(lines)


def javascript_table(rows):
    """Markdown: the favicon diffusor's table, a line for each runtime on one core; ratios are of processor time."""
    lines = ["| the favicon diffusor's network, one core | ms an icon | spread | processor ms | times ours |", "|---|---|---|---|---|"]
    rows = [row for row in rows if row["javascript"]]
    ours = next(row["processor_median_s"] for row in rows if row["runtime"] == "ours")
    for row in sorted(rows, key=lambda row: row["processor_median_s"]):
        lines.append(f"| {row['runtime']} | {1000 * row['median_s']:.0f} | {row['spread']:.1%} | {1000 * row['processor_median_s']:.0f} | "
                     f"{row['processor_median_s'] / ours:.1f} |")
    return "\n".join(lines)


def write_readme(path, text):
    """Puts the text between the marks in the README."""
    begin, end = "<!-- run_cpu.sh -->\n", "<!-- end -->"
    before, rest = path.read_text().split(begin, 1)
    path.write_text(before + begin + text + "\n" + end + rest.split(end, 1)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(SOURCE / "build"))
    parser.add_argument("--ort", required=True, help="folder whose node_modules has onnxruntime-node")
    parser.add_argument("--json", help="write all figures there")
    parser.add_argument("--readme", type=pathlib.Path, help="put the table between the marks in this file")
    parser.add_argument("--seconds", type=float, default=300, help="for all measurements together")
    parser.add_argument("--only", choices=["javascript"], help="that table alone")
    parser.add_argument("models", nargs="*", type=lambda path: pathlib.Path(path).resolve())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        compare(options, Comparison(options, scratch), pathlib.Path(scratch) / "seed.safetensors")


def compare_model(comparison, model, seconds):
    steps = json.loads(safetensors_io.load(model)[1]["config"])["default_steps"]
    difference = comparison.same_graph(model)
    print(f"{model.stem}: one step differs from ONNX Runtime's by {difference:.1e} of its maximum", flush=True)
    if not difference < MOST_DIFFERENCE:
        raise SystemExit(f"compare_cpu: {model}: the graphs do not compute the same")
    for batch in (1, 8):
        for threads in (1, 2):
            comparison.measure(model, steps, threads, batch, seconds / 4, 3)


def compare_javascript(comparison, model, seconds):
    """Whole icons, one at a time on one core."""
    steps = SEED["default_steps"]
    for name, difference in comparison.same_icon(model, steps).items():
        print(f"{model.stem}: an icon of {name} differs from ours by {difference:.1e} of its maximum", flush=True)
        if not difference < MOST_DIFFERENCE:
            raise SystemExit(f"compare_cpu: {name} does not paint the same icon")
    more = {name: ["node", script, model, comparison.scratch] for name, script in JAVASCRIPT.items()}
    comparison.measure(model, steps, 1, 1, seconds, 3, more)


def compare(options, comparison, seed):
    write_seed_weights(seed)
    models = options.models or [*sorted((SOURCE / "models").glob("*.safetensors")), seed]
    print(f"{comparison.machine['processor']}; multiply-add peak {comparison.machine['gflops']} GFLOP/s", flush=True)
    parts = (0 if options.only == "javascript" else len(models)) + (seed in models)
    if options.only != "javascript":
        for model in models:
            compare_model(comparison, model, options.seconds / parts)
    if seed in models:
        compare_javascript(comparison, seed, options.seconds / parts)
    report(options, comparison)


def report(options, comparison):
    peak = comparison.machine["gflops"]
    tables = [table(comparison.rows)] * (options.only != "javascript")
    tables += [javascript_table(comparison.rows)] * any(row["javascript"] for row in comparison.rows)
    text = "\n\n".join(tables) + (
        f"\n\nMedians on {comparison.machine['processor']}; spread is the middle half's; "
        f"the multiply-add peak measured just before: {peak[0]:.0f} GFLOP/s on one core, {peak[1]:.0f} on two. "
        "Conditioning is tabulated for all; noise, solver and bytes are in our times, and solver and bytes in JavaScript's.")
    print(text)
    if options.readme:
        write_readme(options.readme, text)
    if options.json:
        result = {"date": datetime.datetime.now().isoformat(timespec="seconds"), **comparison.machine, "rows": comparison.rows}
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
