# SPDX-License-Identifier: MIT
"""Distil a trained model to few steps with guidance built in.

    distill.py --data DIR --teacher FILE --pairs DIR [--resume FILE] --out DIR --name NAME [--seconds 60] [--smoke]
    (under torchrun as train.py; the pairs come from paint.py)

Rectified flow (arXiv 2209.03003): the student learns to predict the icon that the teacher painted with guidance from the very same
noise, from points on the straight line between the two. One noise then belongs to one icon, so the student does
not average over many, and a few Euler steps without guidance suffice. Its error is seen five ways:
- in pixels and their gradients;
- in the small steps of surfaces that should be smooth (--flat), by their size and not by its square, which is blind to them;
- in the weave at patch borders (--seam), by the very measure of evaluate.py, and only as far as there is one;
- as the teacher sees pictures (--perceptual): its tokens for the two, both with the same noise added;
- by a critic on the teacher's tokens (--critic) that learns to tell the student's icons from real ones of the data set
  (arXiv 2403.12015), which is what makes one step sharp: an average of several icons is no icon.
With --own a share of the batch stands where the student itself would stand in four steps, and in two: what it is given then is
what it will be given, its own blurred guess and not a point on the way to a perfect icon. That is where critic and teacher
look first ("backward simulation", arXiv 2405.14867).
The student starts as the teacher, or as another, smaller network (--resume).
"""
import argparse
import tempfile

import torch
import torch.nn as nn
import torch.nn.functional as F

from icons.network import flow
from icons.data import synthetic
from icons.data.augment import Batches
from icons.network.checkpoint import load_small
from icons.network.dit import DiT
from icons.learn.eyes import sized
from icons.learn.losses import flat_loss, noisy, pixel_loss, seam_loss
from icons.learn.optimizer import flat_gradients
from icons.learn import pairs as painted
from icons.learn.trainer import Average, Trainer, World, arguments

EMA_DECAY = 0.99
# times at which the student is taught, with their shares; the rest is uniform
TIMES = {0.0: 0.30, 0.125: 0.05, 0.25: 0.10, 0.375: 0.04, 0.5: 0.12, 0.625: 0.04, 0.75: 0.08, 0.875: 0.05}
LAYERS = (0, 2, 4)      # blocks of the teacher that look; after the last of them nothing is computed
CALIBRATE = 25          # steps between measurements of how the three gradients compare
OWN_STATES = 5          # of one noise: four steps, and the second of two
WEAVE = 0.04            # a seam from which on its gradient has its full size
CRITIC_LR, CRITIC_WIDTH, CRITIC_FROM = 4e-4, 128, 300


def draw_times(count, device):
    """Mostly k/8, where a sampler of 1, 2, 4 or 8 steps stands."""
    values = torch.tensor(list(TIMES), device=device)
    shares = torch.tensor([*TIMES.values()], device=device)
    which = torch.searchsorted(shares.cumsum(0), torch.rand(count, device=device))
    return torch.where(which < len(values), values[which.clamp(max=len(values) - 1)], torch.rand(count, device=device))


def unit(tokens):
    """Tokens [R,T,D] of length 1, as LPIPS (arXiv 1801.03924) compares features."""
    return F.normalize(tokens.float(), dim=-1, eps=1e-6)


class Critic(nn.Module):
    """Tokens of some layers -> logits [R,T] each: is this part of a picture real?"""

    def __init__(self, dim, count, grid, width=CRITIC_WIDTH):
        super().__init__()
        self.grid = grid
        self.inner = nn.ModuleList(nn.Linear(dim, width) for _ in range(count))
        self.near = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(count))
        self.outer = nn.ModuleList(nn.Linear(width, 1) for _ in range(count))

    def forward(self, seen):
        logits = []
        for tokens, inner, near, outer in zip(seen, self.inner, self.near, self.outer):
            h = F.silu(inner(F.layer_norm(tokens.float(), tokens.shape[-1:])))
            r, _, d = h.shape
            h = F.silu(near(h.transpose(1, 2).view(r, d, *self.grid)))
            logits.append(outer(h.flatten(2).transpose(1, 2))[..., 0])
        return torch.stack(logits)


class Distiller(Trainer):
    def __init__(self, options, world):
        options.resume = options.resume or options.teacher
        super().__init__(options, world)
        self.config = self.net.config = {**self.config, "name": options.name, "default_steps": 4, "default_guidance": 1.0}
        self.average = Average(self.net, EMA_DECAY)
        config, state, _ = load_small(options.teacher)
        self.teacher = DiT(config).to(world.device).eval().requires_grad_(False)
        self.teacher.load_state_dict(state)
        self.layers = [layer for layer in LAYERS if layer < config["depth"]]
        grid = config["height"] // config["patch"], config["width"] // config["patch"]
        self.critic = Critic(config["dim"], len(self.layers), grid).to(world.device)
        for tensor in self.critic.state_dict().values():
            world.share(tensor)
        self.critic_gradients = flat_gradients(self.critic.parameters())
        self.critic_adam = torch.optim.Adam(self.critic.parameters(), CRITIC_LR, betas=(0.5, 0.99))
        self.scale = {}

    def prepare(self):
        options, world = self.options, self.world
        pairs = painted.load_pairs(options.pairs, self.config, world.device, (world.rank, world.size))
        self.say(f"{len(pairs[0])} pairs a GPU")
        self.batches = Batches(self.icons, world.device, options.composed)
        self.compile_parts()

        # noises that the student follows; the first rows of a batch, which critic and teacher see
        own = round(options.batch * options.own / OWN_STATES)
        rows = torch.arange(options.batch - (OWN_STATES - 1) * own, device=world.device)
        rows = torch.cat([rows[:own].repeat(OWN_STATES), rows[own:]])

        def accumulate():
            pick = torch.randint(len(pairs[0]), (options.batch - (OWN_STATES - 1) * own,), device=world.device)[rows]
            noise, icons, style, words = (tensor[pick] for tensor in pairs)
            t = draw_times(len(pick), world.device)
            x, noise = painted.as_target(icons), noise.float()
            z, late = noisy(x, noise, t), t
            if own:
                states, times = self.own_states(noise[:own], style[:own], words[:own])
                z, t = torch.cat([states, z[len(states):]]), torch.cat([times, t[len(states):]])
                # what is lost in the first pass cannot be found again in the last: there errors count no more than at first
                late = torch.cat([torch.zeros_like(times), t[len(states):]])
            predicted = self.predict(z, t, style, words)
            gradient, loss = self.gradient(predicted.detach(), x, late, style, words)
            predicted.backward(gradient)
            return loss

        return accumulate

    @torch.no_grad()
    def own_states(self, noise, style, words):
        """(z, t) [OWN_STATES*n] where samplers of four and of two steps stand on the student's way from these noises."""
        z, states = noise, [(noise, 0.0)]
        for a, b in ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75)):
            x = self.follow(z, torch.full((len(z),), a, device=z.device), style, words)
            half = half if a else flow.euler_step(noise, x, 0.0, 0.5)
            z = flow.euler_step(z, x, a, b)
            states.append((z, b))
        states.append((half, 0.5))
        return torch.cat([z for z, _ in states]), torch.cat([torch.full((len(z),), t, device=z.device) for z, t in states])

    def compile_parts(self):
        """The pieces of a step, each compiled on its own."""
        on_gpu, depth = self.world.device.type == "cuda", max(self.layers) + 1
        patch, edge = self.config["patch"], self.options.edge

        def predict(z, t, style, words):
            with torch.autocast(z.device.type, dtype=torch.bfloat16, enabled=on_gpu):
                return self.net(z, t, style, words).float()

        def look(z, t, style, words):
            with torch.autocast(z.device.type, dtype=torch.bfloat16, enabled=on_gpu):
                seen = self.teacher.features(z, t, style, words, depth)
            return [seen[layer] for layer in self.layers]

        def judged(x, other, noise, t, style, words, weights):
            """weights [2]: of the perceptual distance and of the critic's verdict; also the tokens, for the critic."""
            seen = look(noisy(x, noise, t), t, style, words)
            distance = sum(((unit(a) - unit(b)) ** 2).sum(-1).mean() for a, b in zip(seen, other)) / len(seen)
            return weights[0] * distance - weights[1] * self.critic(seen).mean(), [tokens.detach() for tokens in seen]

        def critic_loss(real, fake):
            return F.relu(1 - self.critic(real)).mean() + F.relu(1 + self.critic(fake)).mean()

        # power 1: the first steps, which choose the shape, count more than for many-step sampling
        self.pixels = self.compiled(lambda predicted, x, t: pixel_loss(predicted, x, t, patch, edge, power=1.0))
        self.surfaces = self.compiled(lambda predicted, x: flat_loss(predicted, x, patch))
        self.borders = self.compiled(lambda predicted: seam_loss(predicted, patch))
        self.predict, self.follow = self.compiled(predict), self.compiled(lambda *given: predict(*given))
        self.look, self.judged = self.compiled(look), self.compiled(judged)
        self.critic_loss = self.compiled(critic_loss)

    def gradient(self, predicted, x, t, style, words):
        """(gradient of everything with respect to the predicted icons, pixel loss)."""
        predicted.requires_grad_()
        loss = self.pixels(predicted, x, t)
        gradient, = torch.autograd.grad(loss, predicted)
        size = gradient.norm()
        if self.options.flat:
            gradient = gradient + sized(self.surfaces(predicted, x), predicted, self.options.flat * size)
        if self.options.seam:
            weave = self.borders(predicted)
            share = (weave.detach() / WEAVE).clamp(max=1)
            gradient = gradient + sized(weave, predicted, self.options.seam * share * size)
        if self.options.perceptual or self.options.critic:
            some = slice(max(1, round(len(x) * self.options.seen_share)))
            part = predicted[some].detach().requires_grad_()
            gradient[some] += self.seen_gradient(part, x[some], style[some], words[some], size * self.options.seen_share ** 0.5)
        return gradient, loss.detach()

    def seen_gradient(self, predicted, x, style, words, size):
        """The gradient by the teacher's eyes and by the critic, in proportion to `size`, the pixels' gradient."""
        options, count = self.options, len(x)
        # mostly at the noise that hides texture but not shape
        t = torch.sigmoid(torch.randn(count, device=x.device) + 0.5).clamp(0.1, 0.97)
        noise = torch.randn_like(x)
        with torch.no_grad():
            other = self.look(noisy(x, noise, t), t, style, words)
        call = lambda *weights: self.judged(predicted, other, noise, t, style, words,
                                            torch.stack([torch.as_tensor(w, device=x.device) for w in weights]))
        count = self.step - self.first_step
        ramp = min(1.0, count / CRITIC_FROM)
        share = {"perceptual": options.perceptual, "critic": options.critic * ramp}
        if count % CALIBRATE == 0 or not self.scale:
            for name, weights in (("perceptual", (1.0, 0.0)), ("critic", (0.0, 1.0))):
                ratio = size / torch.autograd.grad(call(*weights)[0], predicted)[0].norm().clamp(min=1e-12)
                self.world.average(ratio)
                self.scale[name] = 0.7 * self.scale[name] + 0.3 * ratio if name in self.scale else ratio
        total, seen = call(*(share[name] * self.scale[name] for name in ("perceptual", "critic")))
        gradient, = torch.autograd.grad(total, predicted)
        if options.critic:
            self.teach_critic(seen)
        return gradient

    def teach_critic(self, fake):
        """One step of the critic: real icons of the data set against the student's."""
        x, style, words = self.batches.draw(fake[0].shape[0])
        t = torch.sigmoid(torch.randn(len(x), device=x.device) + 0.5).clamp(0.1, 0.97)
        with torch.no_grad():
            real = self.look(noisy(x, torch.randn_like(x), t), t, style, words)
        self.critic_gradients.zero_()
        loss = self.critic_loss(real, fake)
        loss.backward()
        self.world.average(self.critic_gradients)
        self.critic_adam.step()
        if (self.step - self.first_step) % 500 == 0:
            self.say(f"critic {loss.item():.3f}, scales {[f'{k} {v.item():.3g}' for k, v in self.scale.items()]}")


def smoke(options):
    """Paint a few pairs with an untrained tiny network and distil it."""
    folder = tempfile.mkdtemp()
    options.data, options.out, options.work = synthetic.write(folder), folder, folder
    options.patch, options.window, options.dim, options.depth, options.heads, options.cond_dim = 16, 24, 32, 1, 2, 16
    options.batch, options.max_steps, options.critic, options.flat, options.seam, options.fade = 8, 3, 0.3, 0.5, 0.5, True
    options.own = 0.6
    teacher = Trainer(options, World(cpu=True))
    options.teacher = teacher.save()[1]
    painting = argparse.Namespace(batch=2, seconds=0, seed=0, rank=0, guidance=2.5, roll=2, composed=0.35)
    painted.paint(teacher.net, teacher.icons, folder, painting, "cpu")
    options.pairs = folder
    distiller = Distiller(options, World(cpu=True))
    distiller.run()
    print("smoke run passed:", *distiller.save())


def main():
    parser = arguments(__doc__)
    parser.set_defaults(figures=[1, 2, 4, 8])
    parser.add_argument("--teacher")
    parser.add_argument("--pairs", help="folder with files of paint.py")
    parser.add_argument("--flat", type=float, default=0.0, help="size of the surfaces' gradient, in those of the pixels")
    parser.add_argument("--seam", type=float, default=0.0, help="the same for the weave at patch borders")
    parser.add_argument("--perceptual", type=float, default=1.0, help="the same for the teacher's eyes")
    parser.add_argument("--seen-share", type=float, default=0.5, help="share of a batch that teacher and critic look at")
    parser.add_argument("--critic", type=float, default=0.0, help="the same for the critic")
    parser.add_argument("--own", type=float, default=0.0, help="share of a batch that stands on the student's own way")
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
