# SPDX-License-Identifier: MIT
"""Times whole icons in PyTorch on the weights of a file: what `dit bench` is held against on the same machine.

Every variant gets the conditioning as tables made beforehand and runs all Euler steps without guidance: eager; eager as
one CUDA graph; torch.compile with max-autotune, every step and the whole icon as one CUDA graph.
`--write-seed FILE` writes random weights of the favicon diffusor's shape first: 64 tokens, one head of 128, no gates.
"""
import argparse
import json
import math
import statistics
import struct
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

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


def write_seed(path):
    """10.9 M parameters like the favicon diffusor's: patch 8, dim 512, depth 4, one head of 128, MLP of 2048."""
    config = {"name": "seed-shape", "channels": 3, "height": 64, "width": 64, "alpha": "none", "patch": 8, "dim": 512,
              "depth": 4, "heads": 1, "head_dim": 128, "mlp_dim": 2048, "cond_dim": 128, "time_dim": 128,
              "time_scale": 1000.0, "norm": "layer", "norm_eps": 1e-5, "qk_norm": False, "activation": "gelu_tanh",
              "bias": False, "gated": False, "prediction": "x", "schedule": {"type": "flow"}, "default_steps": 32,
              "default_sampler": "euler", "default_guidance": 1.0}
    random, tensors = np.random.default_rng(1), {}

    def matrix(name, out, inside, bias=False, scale=1.0):
        tensors[name + ".weight"] = (scale * random.standard_normal((out, inside)) / math.sqrt(inside)).astype(np.float16)
        if bias:
            tensors[name + ".bias"] = (0.1 * random.standard_normal(out)).astype(np.float16)

    matrix("patch_embed", 512, 192, True)
    tensors["pos_embed"] = (0.5 * random.standard_normal((64, 512))).astype(np.float16)
    matrix("time_mlp.0", 128, 128, True)
    matrix("time_mlp.2", 128, 128, True)
    for i in range(4):
        block = f"blocks.{i}."
        matrix(block + "modulation", 2048, 128, True, 0.3)
        matrix(block + "attn.qkv", 384, 512)
        matrix(block + "attn.out", 512, 128, scale=0.5)
        matrix(block + "mlp.fc1", 2048, 512)
        matrix(block + "mlp.fc2", 512, 2048, scale=0.5)
    matrix("final.modulation", 1024, 128, True, 0.3)
    matrix("final.linear", 192, 512, True, 0.3)
    header, chunks, offset = {"__metadata__": {"format": "ditsrc/1", "config": json.dumps(config)}}, [], 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F16", "shape": list(values.shape), "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
        chunks.append(values.tobytes())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))


class Icon:
    """The network as functions of tensors on the GPU, in `dtype`; sums of norms and the solver in f32."""

    def __init__(self, config, tensors, batch, steps, dtype):
        self.c, self.batch, self.steps, self.dtype = config, batch, steps, dtype
        self.heads = config["heads"]
        self.head = config.get("head_dim", config["dim"] // self.heads)
        self.w = {name: value.cuda().to(dtype) for name, value in tensors.items()}
        act = {"silu": F.silu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "gelu_erf": F.gelu, "none": lambda x: x}
        self.act = act[config["activation"]]
        # The values of the tables do not change the time, so any condition does.
        condition = torch.randn(steps, config["cond_dim"], device="cuda") * 0.5
        names = [f"blocks.{i}.modulation" for i in range(config["depth"])] + ["final.modulation"]
        self.tables = [F.linear(condition, tensors[n + ".weight"].cuda(), tensors[n + ".bias"].cuda()).to(dtype) for n in names]
        self.x = torch.randn(batch, config["channels"], config["height"], config["width"], device="cuda")
        self.t = [1 - k / steps for k in range(steps)] + [0.0]

    def norm(self, x, scale, shift):
        return F.layer_norm(x, x.shape[-1:], eps=self.c["norm_eps"]) * (1 + scale) + shift

    def rms(self, x, weight):
        return x * torch.rsqrt((x.float() ** 2).mean(-1, keepdim=True) + 1e-6).to(x.dtype) * weight

    def network(self, x, *rows):
        c, w, p = self.c, self.w, self.c["patch"]
        b, (gy, gx) = x.shape[0], (c["height"] // p, c["width"] // p)
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
            y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, -1, self.heads * self.head)
            y = F.linear(y, w[n + "attn.out.weight"])
            h = h + (parts[2] * y if half == 3 else y)
            y = F.linear(self.act(F.linear(self.norm(h, parts[half + 1], parts[half]), w[n + "mlp.fc1.weight"])),
                         w[n + "mlp.fc2.weight"])
            h = h + (parts[5] * y if half == 3 else y)
        shift, scale = rows[-1].chunk(2)
        y = F.linear(self.norm(h, scale, shift), w["final.linear.weight"], w["final.linear.bias"])
        y = y.view(b, gy, gx, c["channels"], p, p).permute(0, 3, 1, 4, 2, 5)
        return y.reshape(b, c["channels"], c["height"], c["width"]).float()

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


def milliseconds(work, runs):
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
    parser.add_argument("--write-seed", action="store_true", help="write MODEL, then stop")
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--batch", default="1,64,256")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--dtype", default="bf16,f16")
    parser.add_argument("--variants", default="eager,graph,compile")
    parser.add_argument("--json")
    a = parser.parse_args()
    if a.write_seed:
        return write_seed(a.model)
    torch.set_grad_enabled(False)
    config, tensors = load(a.model)
    results = []
    for dtype in a.dtype.split(","):
        for batch in map(int, a.batch.split(",")):
            icon = Icon(config, tensors, batch, a.steps, {"bf16": torch.bfloat16, "f16": torch.float16}[dtype])
            for variant in a.variants.split(","):
                start = time.time()
                network = icon.network
                if variant == "compile":
                    torch._dynamo.reset()
                    network = torch.compile(network, mode="max-autotune-no-cudagraphs", dynamic=False)
                work = lambda: icon.icon(network)
                if variant != "eager":
                    work = graphed(work)
                median, deviation = milliseconds(work, a.runs if variant != "eager" else min(a.runs, 20))
                print(f"torch {torch.__version__} {config['name']} {dtype} {variant:8} batch {batch:4}: "
                      f"{median / batch:9.4f} ms an icon, deviation {deviation / batch:.4f}, "
                      f"{1e3 * batch / median:9.1f} icons/s  (ready in {time.time() - start:.0f} s)", flush=True)
                results.append({"dtype": dtype, "variant": variant, "batch": batch, "ms": median, "deviation": deviation})
    if a.json:
        with open(a.json, "w") as file:
            json.dump({"torch": torch.__version__, "device": torch.cuda.get_device_name(), "model": config["name"],
                       "steps": a.steps, "runs": a.runs, "results": results}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
