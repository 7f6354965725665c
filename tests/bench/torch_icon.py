# SPDX-License-Identifier: MIT
"""Times whole icons in PyTorch on the weights of a file: what `dit bench` is held against on the same machine.

Every variant gets the conditioning as tables made beforehand and runs all Euler steps without guidance: eager; eager as
one CUDA graph; torch.compile with max-autotune, every step and the whole icon as one CUDA graph. `--device cpu` tries the
script out where there is no GPU: eager alone, timed by the wall clock.
"""
import argparse
import json
import statistics
import struct
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
KINDS = {"F32": np.float32, "F16": np.float16}


def load(path):
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack_from("<Q", data)[0]
    header, body = json.loads(data[8:8 + size]), memoryview(data)[8 + size:]
    config = json.loads(header.pop("__metadata__")["config"])
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(body[begin:end], KINDS[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.astype(np.float32))
    return config, tensors


class Icon:
    """The network as functions of tensors on the GPU, in `dtype`; sums of norms and the solver in f32."""

    def __init__(self, config, tensors, batch, steps, dtype, device):
        self.c, self.batch, self.steps, self.dtype = config, batch, steps, dtype
        self.heads = config["heads"]
        self.head = config.get("head_dim", config["dim"] // self.heads)
        self.w = {name: value.to(device, dtype) for name, value in tensors.items()}
        act = {"silu": F.silu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "gelu_erf": F.gelu, "none": lambda x: x}
        self.act = act[config["activation"]]
        # The values of the tables do not change the time, so any condition does.
        condition = torch.randn(steps, config["cond_dim"], device=device) * 0.5
        names = [f"blocks.{i}.modulation" for i in range(config["depth"])] + ["final.modulation"]
        self.tables = [F.linear(condition, tensors[n + ".weight"].to(device), tensors[n + ".bias"].to(device)).to(dtype) for n in names]
        self.x = torch.randn(batch, config["channels"], config["height"], config["width"], device=device)
        # What the prompt gives every block: its keys and values, made once an icon.
        rows = (2, batch, self.heads, config.get("context", 0) + 1, self.head)
        self.prompt = [torch.randn(rows, device=device).to(dtype) for _ in range(config["depth"])] if config.get("context") else []
        self.detail = config.get("detail")
        for name in [name for name in self.w if name.startswith("detail.convs.") and name.endswith("weight")]:
            self.w[name] = self.w[name].contiguous(memory_format=torch.channels_last)
        self.t = [1 - k / steps for k in range(steps)] + [0.0]

    def norm(self, x, scale, shift):
        return F.layer_norm(x, x.shape[-1:], eps=self.c["norm_eps"]) * (1 + scale) + shift

    def rms(self, x, weight):
        return x * torch.rsqrt((x.float() ** 2).mean(-1, keepdim=True) + 1e-6).to(x.dtype) * weight

    def network(self, x, *rows):
        c, w, p = self.c, self.w, self.c["patch"]
        b, (gy, gx) = x.shape[0], (c["height"] // p, c["width"] // p)
        window = c.get("window", p)
        margin = (window - p) // 2
        if margin:
            tokens = F.unfold(x.to(self.dtype), window, padding=margin, stride=p).transpose(1, 2)
        else:
            tokens = x.to(self.dtype).view(b, c["channels"], gy, p, gx, p).permute(0, 2, 4, 1, 3, 5).reshape(b, gy * gx, -1)
        h = F.linear(tokens, w["patch_embed.weight"], w["patch_embed.bias"]) + w["pos_embed"]
        for i in range(c["depth"]):
            n = f"blocks.{i}."
            parts = rows[i].chunk(6 if c.get("gated", True) else 4)
            half = len(parts) // 2
            qkv = F.linear(self.norm(h, parts[1], parts[0]), w[n + "attn.qkv.weight"])
            q, k, v = qkv.view(b, -1, 3, self.heads, self.head).permute(2, 0, 3, 1, 4)
            if c["qk_norm"]:
                q, k = self.rms(q, w[n + "attn.q_norm.weight"]), self.rms(k, w[n + "attn.k_norm.weight"])
            if self.prompt:
                k, v = (torch.cat(pair, 2) for pair in zip((k, v), self.prompt[i]))
            y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, -1, self.heads * self.head)
            y = F.linear(y, w[n + "attn.out.weight"])
            h = h + (parts[2] * y if half == 3 else y)
            y = F.linear(self.act(F.linear(self.norm(h, parts[half + 1], parts[half]), w[n + "mlp.fc1.weight"])),
                         w[n + "mlp.fc2.weight"])
            h = h + (parts[5] * y if half == 3 else y)
        shift, scale = rows[-1].chunk(2)
        y = F.linear(self.norm(h, scale, shift), w["final.linear.weight"], w["final.linear.bias"])
        if margin:
            return F.fold(y.transpose(1, 2), (c["height"], c["width"]), window, padding=margin, stride=p).float()
        y = y.view(b, gy, gx, -1, p, p).permute(0, 3, 1, 4, 2, 5).reshape(b, -1, c["height"], c["width"])
        return (self.head_of_convolutions(y, x) if self.detail else y).float()

    def head_of_convolutions(self, features, x):
        """Tokens' channels a pixel and the noisy picture -> the prediction, [b,*,h,w]."""
        h = torch.cat([features, x.to(self.dtype)], 1).contiguous(memory_format=torch.channels_last)
        for i in range(self.detail["layers"]):
            n = f"detail.convs.{i}."
            y = F.conv2d(h, self.w[n + "weight"], self.w[n + "bias"], padding=1)
            h = y if i + 1 == self.detail["layers"] else F.silu(y) if i == 0 else h + F.silu(y)
        return h

    def icon(self, network):
        """Euler steps of x ← x + (t' − t)·(x − x̂)/t."""
        x = self.x
        for k in range(self.steps):
            ratio = self.t[k + 1] / self.t[k]
            x = ratio * x + (1 - ratio) * network(x, *[table[k] for table in self.tables])
        return x


def graphed(work):
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def milliseconds_on_the_host(work, runs):
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[1:]), statistics.pstdev(times[1:])


def milliseconds(work, runs, device):
    if device == "cpu":
        return milliseconds_on_the_host(work, runs)
    for _ in range(3):
        work()
    times = []
    for _ in range(runs):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times), statistics.pstdev(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--batch", default="1,64,256")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--dtype", default="f32,bf16,f16")
    parser.add_argument("--variants", default="eager,graph,compile")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--json")
    a = parser.parse_args()
    torch.set_grad_enabled(False)
    config, tensors = load(a.model)
    results = []
    for dtype in a.dtype.split(","):
        for batch in map(int, a.batch.split(",")):
            icon = Icon(config, tensors, batch, a.steps, DTYPES[dtype], a.device)
            for variant in a.variants.split(","):
                # f32 says what a user without any care gets; on a CPU there are no graphs.
                if variant != "eager" and (dtype == "f32" or a.device == "cpu"):
                    continue
                start = time.time()
                network = icon.network
                if variant == "compile":
                    torch._dynamo.reset()
                    network = torch.compile(network, mode="max-autotune-no-cudagraphs", dynamic=False)
                work = lambda: icon.icon(network)
                if variant != "eager":
                    work = graphed(work)
                median, deviation = milliseconds(work, a.runs if variant != "eager" else min(a.runs, 20), a.device)
                print(f"torch {torch.__version__} {config['name']} {dtype} {variant:8} batch {batch:4}: "
                      f"{median / batch:9.4f} ms an icon, deviation {deviation / batch:.4f}, "
                      f"{1e3 * batch / median:9.1f} icons/s  (ready in {time.time() - start:.0f} s)", flush=True)
                results.append({"dtype": dtype, "variant": variant, "batch": batch, "ms": median, "deviation": deviation})
    if a.json:
        with open(a.json, "w") as file:
            json.dump({"torch": torch.__version__, "device": torch.cuda.get_device_name() if a.device == "cuda" else "cpu", "model": config["name"],
                       "steps": a.steps, "runs": a.runs, "results": results}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
