# SPDX-License-Identifier: MIT
"""Train the icon model: flow matching with x-prediction, on one GPU, several (torchrun), or none (--smoke).

    train.py --data DIR --out DIR --name NAME [--seconds 450] [--judge FILE] [sizes...]
    torchrun --nproc-per-node 4 train.py ...                      the batch is per GPU
    train.py --resume DIR/NAME.full ...                            with optimiser state, same machine
    train.py --resume DIR/NAME.safetensors ...                     from the small checkpoint's weights
    train.py --context 8 --detail 16 32 3 ...                      the network with prompt keys and a head (dit.py)

Leaves NAME.full (everything, large) in --work, and in --out NAME.safetensors.00, .01, ... (averaged weights, f16),
contact sheets, with --judge a table of figures, and empty files NAME.trained and NAME.done (figures and
sheets too) for whoever waits.
"""
import argparse
import os
import tempfile

import torch

from icons.data import synthetic
from icons.data.augment import Batches
from icons.learn.eyes import Eyes
from icons.learn.trainer import Trainer, World, arguments
from icons.measure import bench as benches
from icons.measure import judge as judges
from icons.network.checkpoint import load_small
from icons.network.dit import DiT, step_flops
from icons.network.taper import scaled, use_taper
from icons.network.weights import widen


def check_fade(path):
    """Tapers change neither what a network computes nor, multiplied in again, its weights."""
    config, state, _ = load_small(path)
    config, state = widen(config, state, config["window"] + 8)
    plain, faded = DiT(config), DiT(config)
    for net in (plain, faded):
        net.load_state_dict(state)
    use_taper(faded, True)
    x = torch.randn(2, 4, 64, 64)
    some = x, torch.tensor([0.2, 0.7]), torch.tensor([0, 1]), torch.tensor([[1, 0], [2, 3]])
    assert faded.patch_embed.weight_shares.min() < 0.1 and not torch.equal(faded.patch_embed.weight, plain.patch_embed.weight)
    assert torch.allclose(plain(*some), faded(*some), atol=1e-5)
    for name, value in scaled(faded.state_dict(), config, 1, True).items():
        assert torch.allclose(value, state[name], atol=1e-6), name


def check_captions(icons):
    """A turned icon's name says the new colour, never the old one, and no caption has a token twice."""
    batches, words = Batches(icons, torch.device("cpu"), 0.0), [""] + icons.words
    batches.recolour, batches.may_spin = batches.recolour[:1], batches.may_spin | True
    pick = torch.full((200,), next(i for i, row in enumerate(icons.rows) if row["name"].startswith("red ")))
    _, names, attributes, turned = batches.change_colours(batches.pixels[pick].float() / 255, pick)
    said = [{words[token] for token in row.tolist()} for row in names]
    assert turned.any() and not any("c:red" in tokens or "red" in tokens for tokens, turn in zip(said, turned) if turn)
    assert all("c:red" in tokens for tokens, turn in zip(said, turned) if not turn)
    captions = batches.captions(pick, names, attributes, turned)
    assert all(len(row[row > 0].unique()) == (row > 0).sum() for row in captions)


def smoke_prompt(options):
    """The network with prompt keys and a head learns, and comes back from its small checkpoint."""
    options = argparse.Namespace(**{**vars(options), "context": 3, "detail": [4, 8, 3], "resume": "", "window": 16, "fade": False,
                                    "name": "prompt", "max_steps": 3})
    trainer = Trainer(options, World(cpu=True))
    before = trainer.net.blocks[0].attn.context.weight.clone()
    trainer.run()
    assert not torch.equal(before, trainer.net.blocks[0].attn.context.weight)
    options.eight_bits = True
    options.resume, options.max_steps = trainer.save()[1], 1
    _, kept, _ = load_small(options.resume)
    for name, value in trainer.weights().items():
        assert (kept[name] - value).abs().max() <= 0.005 * value.abs().max() + 1e-7, name
    again = Trainer(options, World(cpu=True))
    assert again.config["context"] == 3 and again.config["detail"] == {"channels": 4, "hidden": 8, "layers": 3}
    again.run()


def smoke_eyes(options):
    """A perceptual loss learns too, and sees nothing between an icon and itself."""
    options = argparse.Namespace(**{**vars(options), "resume": "", "fade": False, "name": "eyes", "max_steps": 2, "eyes": options.judge})
    trainer = Trainer(options, World(cpu=True))
    before = trainer.net.final.linear.weight.clone()
    trainer.run()
    assert not torch.equal(before, trainer.net.final.linear.weight)
    x, t = torch.rand(2, 4, 64, 64) * 2 - 1, torch.tensor([0.9, 0.1])
    eyes = Eyes(options.eyes, "cpu")
    assert eyes.distance(x, x, t) == 0 and eyes.distance(x, -x, t) > 0 and eyes.distance(x, -x, 0 * t) == 0


def smoke(options):
    """Train four steps, resume from both checkpoints, measure."""
    folder = tempfile.mkdtemp()
    options.data, options.out, options.work = synthetic.write(folder), folder, folder
    options.patch, options.window, options.dim, options.depth, options.heads, options.cond_dim = 16, 16, 32, 1, 2, 16
    options.batch, options.max_steps, options.muon_lr = 16, 4, 1e-3
    trainer = Trainer(options, World(cpu=True))
    trainer.run()
    for path in trainer.save():
        options.resume, options.max_steps, options.window = path, 2, 20
        options.fade = not path.endswith(".full")
        again = Trainer(options, World(cpu=True))
        assert again.step == trainer.step and again.images == trainer.images
        again.run()
    check_fade(again.save()[1])
    smoke_prompt(options)
    check_captions(again.icons)
    judge, names = judges.train(again.icons, "cpu", 5, 16, 2e-3, 2)
    options.judge = os.path.join(folder, "judge.safetensors")
    judges.save(options.judge, judge, names, again.icons.styles)
    smoke_eyes(options)
    bench = benches.Bench(again.icons, judge, names, "cpu", 4, 4)
    benches.evaluate(bench, again.net.eval(), "smoke", [(1, 2.5)])
    print("smoke run passed in", folder)


def mark(options, stage):
    """An empty file that says so."""
    open(os.path.join(options.out, f"{options.name}.{stage}"), "w").close()


def main():
    options = arguments(__doc__).parse_args()
    if options.smoke:
        return smoke(options)
    os.makedirs(options.out, exist_ok=True)
    world = World()
    trainer = Trainer(options, world)
    trainer.say(f"{sum(p.numel() for p in trainer.net.parameters()) / 1e6:.2f} M parameters, "
                f"{step_flops(trainer.config) / 1e9:.2f} GFLOP a step, {len(trainer.config['words'])} words, "
                f"{len(trainer.icons.rows)} icons, {int(trainer.icons.held_out.sum())} held out")
    trainer.run()
    if world.rank == 0:
        trainer.save()
        mark(options, "trained")
        if not options.quick:
            trainer.report()
        mark(options, "done")
    world.close()


if __name__ == "__main__":
    main()
