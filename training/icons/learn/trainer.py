# SPDX-License-Identifier: MIT
"""The training loop of train.py and distill.py: one GPU, several (torchrun), or none; resumable."""
import argparse
import os
import time

import torch
import torch.distributed as dist

from icons.data.augment import COMPOSED_SHARE, Batches
from icons.network.checkpoint import load_small, save_small
from icons.data.captions import word_groups
from icons.data.icon_set import IconSet
from icons.network.dit import DiT, make_config
from icons.learn.eyes import Eyes, sized
from icons.learn.losses import noisy, pixel_loss
from icons.learn.optimizer import Optimizer, flat_gradients
from icons.measure import bench as benches
from icons.measure import judge as judges
from icons.measure.sheets import contact_sheets
from icons.network.taper import fit, scaled, use_taper
from icons.network.vocabulary import build_aliases
from icons.network.weights import widen

EMA_EVERY, EMA_DECAY = 4, 0.9985
WARM_UP = 300
UNIFORM = 0.35
FIT_ROUNDS = 40
SYNC_EVERY = 20     # steps between readings of rank 0's clock


def arguments(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data")
    add("--out", default=".")
    add("--work", default="/tmp", help="folder for the large checkpoint")
    add("--name", default="icons")
    add("--resume", default="")
    add("--judge", default="")
    add("--seconds", type=float, default=450)
    add("--max-steps", type=int, default=1 << 40)
    add("--batch", type=int, default=512, help="icons a step and GPU")
    for size, value in (("patch", 8), ("window", 16), ("dim", 512), ("depth", 7), ("heads", 8), ("mlp-dim", 0), ("cond-dim", 256)):
        add("--" + size, type=int, default=value)
    add("--context", type=int, default=0, help="words of the prompt that every block's attention sees")
    add("--detail", type=int, nargs=3, metavar=("CHANNELS", "HIDDEN", "LAYERS"), help="a head instead of overlapping windows")
    add("--lr", type=float, default=6e-4)
    add("--muon-lr", type=float, default=0.0, help="above 0: Muon for the block matrices")
    add("--edge", type=float, default=0.2, help="weight of the loss on differences of neighbouring pixels")
    add("--eyes", default="", help="a judge that does not measure: a perceptual loss on its features beside the pixels'")
    add("--eyes-size", type=float, default=0.5, help="size of its gradient, in those of the pixels")
    add("--eyes-share", type=float, default=0.25, help="share of a batch that it looks at")
    add("--decay-from", type=float, default=0.5, help="share of the time after which the learning rate falls to 0")
    add("--fade", action="store_true", help="taper the first layer's windows too; a resumed network computes what it did")
    add("--fit", action="store_true", help="on resuming, fit the last layer anew to its tapered windows")
    add("--composed", type=float, default=COMPOSED_SHARE, help="share of icons composed of glyphs: tile, line, solid")
    add("--seed", type=int, default=0)
    add("--until", type=float, default=0.0, help="seconds since 1970 at which to have trained, however long compiling takes")
    add("--keep", type=float, default=0.0, help="seconds between small checkpoints on the way; 0: only at the end")
    add("--eight-bits", action="store_true", help="small checkpoints with the blocks' matrices in int8: half the size to carry")
    add("--quick", action="store_true", help="no sheets and figures at the end")
    add("--figures", type=int, nargs="+", default=[4, 8, 32], help="numbers of steps to measure at the end, with --judge")
    add("--after", default="", help="wait, compiled, for this file: runs that share a GPU one after the other")
    add("--smoke", action="store_true", help="train, save, resume and measure a tiny network on the CPU")
    return parser


class World:
    """This process among those of torchrun; alone without it."""

    def __init__(self, cpu=False):
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        local = int(os.environ.get("LOCAL_RANK", 0))
        self.device = torch.device("cuda", local) if torch.cuda.is_available() and not cpu else torch.device("cpu")
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
            torch.backends.cuda.matmul.allow_tf32 = True
            torch.backends.cudnn.allow_tf32 = True
        if self.size > 1:
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")

    def share(self, tensor):
        """Rank 0's values for everybody."""
        if self.size > 1:
            dist.broadcast(tensor, 0)
        return tensor

    def average(self, tensor):
        if self.size > 1:
            dist.all_reduce(tensor)
            tensor /= self.size

    def close(self):
        if self.size > 1:
            dist.destroy_process_group()


def draw_times(count, device):
    """Mostly logit-normal(-0.6, 1), where most is learnt; a share is uniform so that the last steps are learnt too."""
    normal = torch.sigmoid(torch.randn(count, device=device) - 0.6)
    return torch.where(torch.rand(count, device=device) < UNIFORM, torch.rand(count, device=device), normal)


def rate(step, done, decay_from):
    """Learning rate factor: warm-up, flat, then straight down to 0."""
    return min(1.0, (step + 1) / WARM_UP) * min(1.0, (1 - done) / (1 - decay_from))


class Average:
    """Exponential moving average of the parameters (f32), updated every EMA_EVERY steps."""

    def __init__(self, net, decay=EMA_DECAY):
        self.decay = decay
        self.live = list(net.parameters())
        self.names = [name for name, _ in net.named_parameters()]
        self.values = [p.detach().clone() for p in self.live]

    @torch.no_grad()
    def update(self, step):
        decay = min(self.decay, (1 + step) / (20 + step))
        torch._foreach_mul_(self.values, decay)
        torch._foreach_add_(self.values, [p.detach() for p in self.live], alpha=1 - decay)

    def state(self, net):
        return {**net.state_dict(), **dict(zip(self.names, self.values))}


class Trainer:
    def __init__(self, options, world):
        self.options, self.world = options, world
        resumed = self.read_resume()
        known = resumed["config"] if resumed else {}
        self.icons = IconSet(options.data, known.get("words"), known.get("styles"))
        self.config = make_config(**known) if known else self.new_config()
        # a checkpoint's are those of the day on which its first ancestor was begun
        self.config["aliases"] = build_aliases(self.config["words"], word_groups(self.icons.rows, self.config["words"]))
        torch.manual_seed(options.seed)
        self.net = DiT(self.config).to(world.device)
        self.step = self.images = 0
        self.seconds = 0.0
        if resumed:
            self.net.load_state_dict(resumed["net"])
        use_taper(self.net, options.fade)
        if resumed:
            if options.fit or resumed["grown"]:
                self.fit_last_layer()
            self.step, self.images, self.seconds = (resumed["training"].get(k, 0) for k in ("step", "images", "seconds"))
        for tensor in self.net.state_dict().values():
            world.share(tensor)
        self.gradients = flat_gradients(self.net.parameters())
        self.average = Average(self.net)
        self.optimizer = Optimizer(self.net, options.lr, options.muon_lr)
        if resumed and "optimizer" in resumed:
            self.optimizer.load(resumed["optimizer"])
            self.average.values = [value.to(world.device) for value in resumed["average"]]
        self.base_seconds, self.first_step = self.seconds, self.step

    def read_resume(self):
        path = self.options.resume
        if not path:
            return None
        if path.endswith(".full"):
            new = {"weights_only": False} if torch.__version__ >= "2" else {}
            full = torch.load(path, map_location="cpu", **new)
            if full["training"]["arguments"].get("fade", False) != self.options.fade:
                raise SystemExit(f"{path}: its moments are those of training {'without' if self.options.fade else 'with'} --fade; "
                                 f"expected the same here, or the small checkpoint beside it")
            return {"grown": False, **full}
        config, state, training = load_small(path)
        old = make_config(**config)["window"]
        config, state = widen(config, state, max(self.options.window, old))
        return {"config": config, "net": state, "training": training, "grown": config["window"] > old}

    def fit_last_layer(self):
        """The last layer for windows that overlap, from what the tokens know."""
        batches = Batches(self.icons, self.world.device, self.options.composed)

        def draw():
            x, style, words = batches.draw(self.options.batch)
            t = draw_times(len(x), x.device)
            return x, noisy(x, torch.randn_like(x), t), t, style, words, (1 - t).clamp(min=0.05) ** -2

        fit(self.net, draw, FIT_ROUNDS if self.world.device.type == "cuda" else 2)

    def new_config(self):
        o = self.options
        detail = dict(zip(("channels", "hidden", "layers"), o.detail)) if o.detail else None
        head = {"detail": detail, "window": 0} if detail else {"window": o.window}
        return make_config(
            **head, context=o.context, name=o.name, patch=o.patch, dim=o.dim, depth=o.depth, heads=o.heads, mlp_dim=o.mlp_dim or 4 * o.dim,
            cond_dim=o.cond_dim, styles=self.icons.styles, words=self.icons.words,
            description="64x64 RGBA icons by style and words")

    def prepare(self):
        """A function that adds the gradients of one batch to the parameters' and returns its loss."""
        batches = Batches(self.icons, self.world.device, self.options.composed)
        patch, edge, on_gpu = self.config["patch"], self.options.edge, self.world.device.type == "cuda"

        def loss_of(x, noise, t, style, words):
            with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=on_gpu):
                predicted = self.net(noisy(x, noise, t), t, style, words)
            return pixel_loss(predicted, x, t, patch, edge)

        if self.options.eyes:
            return self.prepare_with_eyes(batches, patch, edge)
        loss_of = self.compiled(loss_of)

        def accumulate():
            x, style, words = batches.draw_next(self.options.batch)
            loss = loss_of(x, torch.randn_like(x), draw_times(len(x), x.device), style, words)
            loss.backward()
            return loss.detach()

        return accumulate

    def prepare_with_eyes(self, batches, patch, edge):
        """The same, the pixels' gradient and the eyes' added up at the prediction: their sizes are then known."""
        options, device = self.options, self.world.device
        eyes = Eyes(options.eyes, device)

        def predict(z, t, style, words):
            with torch.autocast(z.device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
                return self.net(z, t, style, words).float()

        def seen(x, other, t):
            with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
                return eyes.distance(x, other, t)

        predict, seen = self.compiled(predict), self.compiled(seen)
        pixels = self.compiled(lambda predicted, x, t: pixel_loss(predicted, x, t, patch, edge))
        some = slice(max(1, round(options.batch * options.eyes_share)))

        def accumulate():
            x, style, words = batches.draw_next(options.batch)
            t = draw_times(len(x), device)
            predicted = predict(noisy(x, torch.randn_like(x), t), t, style, words)
            point = predicted.detach().requires_grad_()
            loss = pixels(point, x, t)
            gradient, = torch.autograd.grad(loss, point)
            part = predicted[some].detach().requires_grad_()
            gradient[some] += sized(seen(part, x[some], t[some]), part, options.eyes_size * gradient[some].norm())
            predicted.backward(gradient)
            return loss.detach()

        return accumulate

    def compiled(self, function):
        return torch.compile(function, dynamic=False) if self.world.device.type == "cuda" else function

    def run(self):
        """Train for the given seconds, counted from the end of the first (compiling) step."""
        options, device = self.options, self.world.device
        torch.manual_seed(options.seed + 1000 * self.world.rank + self.step + 1)
        accumulate = self.prepare()
        clock, total, done, began = torch.zeros(1, device=device), torch.zeros((), device=device), 0.0, time.time()
        start, last_print, kept = None, began, 0.0
        while done < 1:
            self.gradients.zero_()
            total += accumulate()
            self.update(done)
            if start is None:
                torch.cuda.synchronize() if device.type == "cuda" else None
                self.wait_for_turn()
                start = last_print = time.time()
                if options.until:
                    options.seconds = max(1.0, min(options.seconds, options.until - start))
                    # one length for all: a rank that stops a step before the others leaves them waiting
                    options.seconds = self.world.share(clock.fill_(options.seconds)).item()
                self.say(f"first step after {start - began:.0f} s")
            count = self.step - self.first_step
            if count % SYNC_EVERY == 0 or count >= options.max_steps:
                clock.fill_(time.time() - start)
                elapsed = self.world.share(clock).item()
                done = min(1.0, max(elapsed / options.seconds, count / options.max_steps))
                self.seconds = self.base_seconds + elapsed
                if options.keep and elapsed - kept > options.keep and done < 1 and self.world.rank == 0:
                    kept = elapsed
                    self.save_small()
            if count % 1000 == 0:
                # ranks compute the same update; this only stops rounding differences from growing
                for parameter in self.average.live:
                    self.world.share(parameter.data)
                self.say(f"step {self.step} {self.seconds:.0f} s loss {total.item() / 1000:.4f} "
                         f"{1000 * options.batch * self.world.size / (time.time() - last_print):.0f} icons/s")
                total.zero_()
                last_print = time.time()
        self.say(f"{count} steps, {self.images / self.icons.weight.astype(bool).sum():.0f} epochs in all")

    def wait_for_turn(self):
        """Until the run before this one is done with the GPU; memory that only compiling needed is given back meanwhile."""
        if self.options.after and not os.path.exists(self.options.after):
            if self.world.device.type == "cuda":
                torch.cuda.empty_cache()
            while not os.path.exists(self.options.after):
                time.sleep(0.1)

    def update(self, done):
        self.world.average(self.gradients)
        norm = self.gradients.norm()
        self.gradients *= (1.0 / norm.clamp(min=1.0))
        self.optimizer.step(rate(self.step - self.first_step, done, self.options.decay_from))
        self.step += 1
        self.images += self.options.batch * self.world.size
        if self.step % EMA_EVERY == 0:
            self.average.update(self.step - self.first_step)

    def say(self, text):
        if self.world.rank == 0:
            print(f"[{self.options.name}] {text}", flush=True)

    def training_state(self):
        return {"step": self.step, "images": self.images, "seconds": round(self.seconds, 1),
                "arguments": {k: v for k, v in vars(self.options).items() if k not in ("data", "out", "work", "resume", "until")}}

    def weights(self):
        """The averaged weights as a weight file holds them."""
        return self.plain(self.average.state(self.net))

    def plain(self, state):
        """A state dict without tapers: their shares multiplied in."""
        return scaled(state, self.config, 1, self.options.fade)

    def save(self):
        """Both checkpoints; rank 0 only."""
        full = os.path.join(self.options.work, self.options.name + ".full")
        torch.save({"config": self.config, "net": self.plain(self.net.state_dict()), "average": self.average.values,
                    "optimizer": self.optimizer.state(), "training": self.training_state()}, full)
        return full, self.save_small()

    def save_small(self):
        path = os.path.join(self.options.out, self.options.name + ".safetensors")
        save_small(path, self.config, self.weights(), self.training_state(), eight_bits=self.options.eight_bits)
        self.say(f"kept at step {self.step}")
        return path

    def report(self):
        """Sheets and figures of the averaged weights; rank 0 only."""
        net = DiT(self.config).to(self.world.device)
        net.load_state_dict(self.weights())
        net.eval()
        prefix = os.path.join(self.options.out, self.options.name)
        contact_sheets(net, prefix + "_", self.config["default_guidance"])
        if os.path.exists(self.options.judge):
            self.figures(net)

    def figures(self, net):
        """The tables of evaluate.py for this network, beside the sheets."""
        judge, names, styles = judges.load(self.options.judge, self.world.device)
        icons = self.icons if self.icons.styles == styles else IconSet(self.options.data, styles=styles)
        bench = benches.Bench(icons, judge, names, self.world.device)
        bench.restrict(net.config["styles"])
        out, name = self.options.out, self.options.name
        results = {"real": bench.real_figures()} | benches.evaluate(bench, net, name, self.settings, out)
        benches.write(results, os.path.join(out, name + "_figures"))

    @property
    def settings(self):
        """(steps, guidance) of the table."""
        return [(steps, self.config["default_guidance"]) for steps in self.options.figures]
