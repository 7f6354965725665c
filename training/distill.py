# SPDX-License-Identifier: MIT
"""Distil a trained model to few steps with guidance built in, by rectified flow (arXiv 2209.03003).

    distill.py --data DIR --resume TEACHER --out DIR --name NAME [--paint-seconds 60] [--seconds 60] [--smoke]
    (under torchrun as train.py)

The teacher paints icons from noise with guidance; the student, which starts as the teacher, learns to predict those very icons
from points on the straight line between that noise and that icon. One noise then belongs to one icon, so the student does
not average over many, and a few Euler steps without guidance suffice.
The painted icons are cleaned before they are taught: valid premultiplied colour, no haze in alpha, no steps at patch borders.
"""
import tempfile
import time

import torch

import flow
import synthetic
from augment import Batches
from train import Average, Trainer, World, arguments, make_loss

TEACHER_STEPS, GUIDANCE, GUIDE_UNTIL = 24, 2.5, 0.7
GRID = 8            # student times are mostly k / GRID, where a sampler of 1, 2, 4 or 8 steps stands
ON_GRID = 0.7
EMA_DECAY = 0.985
BORDER_STEP = 20 / 127.5


def deblock(x, patch):
    """Soften small steps across patch borders of x [R,C,H,W]: half of a step less on both sides, a quarter one pixel on.

    Steps over BORDER_STEP are part of the drawing and stay.
    """
    for axis in (2, 3):
        x = x.transpose(axis, 3).contiguous()
        at = torch.arange(patch, x.shape[3], patch, device=x.device)
        step = x[..., at] - x[..., at - 1]
        # what the neighbouring pixels do on their own is slope, not seam
        slope = (x[..., at + 1] - x[..., at] + x[..., at - 1] - x[..., at - 2]) / 2
        excess = torch.where(step.abs() < BORDER_STEP, step - slope, torch.zeros_like(step))
        x[..., at - 1] += excess * 0.375
        x[..., at] -= excess * 0.375
        x[..., at - 2] += excess * 0.125
        x[..., at + 1] -= excess * 0.125
        x = x.transpose(axis, 3)
    return x


def clean(x, patch):
    """Icons as they should be: in range, alpha without haze, colour not above alpha."""
    x = (deblock(x, patch).clamp(-1, 1) + 1) / 2
    alpha = ((x[:, 3:] - 0.03) / 0.94).clamp(0, 1)
    return 2 * torch.cat([torch.minimum(x[:, :3], alpha), alpha], 1) - 1


class Distiller(Trainer):
    settings = ((1, 1.0), (2, 1.0), (4, 1.0), (8, 1.0))

    def __init__(self, options, world):
        super().__init__(options, world)
        self.config = self.net.config = {**self.config, "name": options.name, "default_steps": 4, "default_guidance": 1.0}
        self.average = Average(self.net, EMA_DECAY)

    def prepare(self):
        pairs = self.paint()
        count, device = len(pairs[0]), self.world.device

        def draw():
            pick = torch.randint(count, (self.options.batch,), device=device)
            noise, x, style, words = (tensor[pick] for tensor in pairs)
            grid = torch.randint(GRID, (len(pick),), device=device) / GRID
            t = torch.where(torch.rand(len(pick), device=device) < ON_GRID, grid, torch.rand(len(pick), device=device))
            return x.float(), noise.float(), t, style, words

        # power 1: the first steps, which choose the shape, count more than for many-step sampling
        return draw, make_loss(self.net, self.options.edge, power=1.0)

    @torch.no_grad()
    def paint(self):
        """Teacher pairs of this rank: (noise f16, icon f16, style, words)."""
        options, device = self.options, self.world.device
        batches, rows, start = Batches(self.icons, device, options.tiles), [], None
        net = self.teacher()
        while start is None or time.time() - start < options.paint_seconds:
            _, style, words = batches.draw(options.paint_batch)
            noise = torch.randn(options.paint_batch, 4, self.config["height"], self.config["width"], device=device)
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
                x = flow.sample(net, noise, style, words, TEACHER_STEPS, GUIDANCE, until=GUIDE_UNTIL)
            x = clean(x.float(), self.config["patch"])
            # the clock starts after the first, compiling round
            start = start or time.time()
            rows.append((noise.half(), x.half(), style, words))
            if options.paint_seconds <= 0:
                break
            if device.type == "cuda":
                torch.cuda.synchronize()
        pairs = tuple(torch.cat(column) for column in zip(*rows))
        self.say(f"{len(pairs[0])} pairs a GPU in {time.time() - start:.0f} s")
        return pairs

    def teacher(self):
        """The network before its first update; the student changes its parameters only after painting."""
        if self.world.device.type != "cuda":
            return self.net
        return torch.compile(self.net, dynamic=False)


def smoke(options):
    """Distil an untrained tiny network for a few steps."""
    folder = tempfile.mkdtemp()
    options.data, options.out, options.work = synthetic.write(folder), folder, folder
    options.patch, options.dim, options.depth, options.heads, options.cond_dim = 16, 32, 1, 2, 16
    options.batch, options.max_steps, options.paint_batch, options.paint_seconds = 8, 3, 8, 0
    distiller = Distiller(options, World(cpu=True))
    distiller.run()
    print("smoke run passed:", *distiller.save())


def main():
    parser = arguments()
    parser.description = __doc__
    parser.add_argument("--paint-seconds", type=float, default=60)
    parser.add_argument("--paint-batch", type=int, default=1024)
    options = parser.parse_args()
    if options.smoke:
        return smoke(options)
    world = World()
    distiller = Distiller(options, world)
    distiller.run()
    if world.rank == 0:
        distiller.save()
        if not options.quick:
            distiller.report()
    world.close()


if __name__ == "__main__":
    main()
