# SPDX-License-Identifier: MIT
"""Write one step of a weight file's network as an ONNX graph, for comparison with other runtimes.

    export_onnx.py --weights models/icons.safetensors --out icons.onnx [--batch 8]

Inputs: x [R,C,H,W]; modulation [M], the tables that the engine makes once per label (every icon has the same label);
with a context also prompts [depth,L,2,D], keys (normed) and values of the label's rows for each block; a, b [1], a row of
the solver. Outputs: prediction, and next = a x + b prediction. Needs numpy and onnx alone.
"""
import argparse
import json
import math

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

from icons.network import safetensors_io

OPSET, IR_VERSION = 17, 8


class Graph:
    """Nodes and initializers in order; every method returns the name of its result."""

    def __init__(self):
        self.nodes, self.initializers, self.count = [], {}, 0

    def constant(self, name, value):
        self.initializers.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def floats(self, name, value):
        return self.constant(name, np.asarray(value, np.float32))

    def integers(self, values):
        return self.constant("i" + "_".join(map(str, values)), np.asarray(values, np.int64))

    def add(self, kind, *inputs, outputs=1, name=None, **attributes):
        self.count += 1
        names = [name or f"{kind}_{self.count}"] if outputs == 1 else [f"{kind}_{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def reshape(self, x, *shape):
        return self.add("Reshape", x, self.integers(shape))


class Exporter:
    """The network of `dit.py`, with the conditioning already tabulated."""

    def __init__(self, config, tensors, batch):
        self.c, self.tensors, self.batch, self.graph = config, tensors, batch, Graph()
        self.rows, self.columns = config["height"] // config["patch"], config["width"] // config["patch"]
        self.tokens = self.rows * self.columns
        self.window = config.get("window") or config["patch"]
        self.head_dim = config.get("head_dim") or config["dim"] // config["heads"]
        gated = "blocks.0.modulation.weight" not in tensors or \
            tensors["blocks.0.modulation.weight"].shape[0] == 6 * config["dim"]
        self.chunks = 6 if gated else 4
        self.prompt_rows = config["context"] + 1 if config.get("context") else 0
        self.detail = config.get("detail")
        self.features = self.detail["channels"] if self.detail else config["channels"]

    def tensor(self, name):
        return self.tensors[name].astype(np.float32)

    def linear(self, x, name):
        g = self.graph
        y = g.add("MatMul", x, g.floats(name + ".weight", self.tensor(name + ".weight").T))
        if name + ".bias" in self.tensors:
            y = g.add("Add", y, g.floats(name + ".bias", self.tensor(name + ".bias")))
        return y

    def norm(self, x, scale, shift):
        """Layer norm whose weight and bias are the modulation: 1 + scale and shift."""
        one = self.graph.floats("one", [1])
        return self.graph.add("LayerNormalization", x, self.graph.add("Add", scale, one), shift, axis=-1,
                              epsilon=float(self.c.get("norm_eps", 1e-5)))

    def rms_norm(self, x, name):
        g = self.graph
        mean = g.add("ReduceMean", g.add("Mul", x, x), axes=[-1], keepdims=1)
        root = g.add("Sqrt", g.add("Add", mean, g.floats("qk_eps", [self.c["qk_norm_eps"]])))
        return g.add("Mul", g.add("Div", x, root), g.floats(name, self.tensor(name)))

    def with_prompt(self, k, v, block):
        """Keys and values [R,T,N,D] with those of the label behind them."""
        g, heads, dim = self.graph, self.c["heads"], self.head_dim
        parts = g.add("Split", g.add("Gather", "prompts", g.integers([block]), axis=0), g.integers([1, 1]), outputs=2, axis=2)
        for_all = g.integers([self.batch, self.prompt_rows, heads, dim])
        return (g.add("Concat", own, g.add("Expand", g.reshape(part, 1, self.prompt_rows, heads, dim), for_all), axis=1)
                for own, part in zip((k, v), parts))

    def attention(self, x, name, block):
        """softmax(q k^T / sqrt(D)) v; the scale sits in q's norm weight or on q."""
        g, heads, dim = self.graph, self.c["heads"], self.head_dim
        parts = g.add("Split", self.linear(x, name + ".qkv"), g.integers([heads * dim] * 3), outputs=3, axis=-1)
        q, k, v = (g.reshape(part, self.batch, self.tokens, heads, dim) for part in parts)
        if self.c.get("qk_norm"):
            q = self.rms_norm(q, name + ".q_norm.weight")
            k = self.rms_norm(k, name + ".k_norm.weight")
        if self.prompt_rows:
            k, v = self.with_prompt(k, v, block)
        q = g.add("Mul", q, g.floats("scale", [1 / math.sqrt(dim)]))
        scores = g.add("MatMul", g.add("Transpose", q, perm=[0, 2, 1, 3]), g.add("Transpose", k, perm=[0, 2, 3, 1]))
        y = g.add("MatMul", g.add("Softmax", scores, axis=-1), g.add("Transpose", v, perm=[0, 2, 1, 3]))
        y = g.reshape(g.add("Transpose", y, perm=[0, 2, 1, 3]), self.batch, self.tokens, heads * dim)
        return self.linear(y, name + ".out")

    def activate(self, x):
        return self.graph.add("Mul", x, self.graph.add("Sigmoid", x))

    def residual(self, x, gate, y):
        return self.graph.add("Add", x, self.graph.add("Mul", y, gate) if gate else y)

    def block(self, x, index, tables):
        """tables: shift, scale, gate of attention, then of the MLP; without gates two and two."""
        half, name = len(tables) // 2, f"blocks.{index}."
        for part, (shift, scale, *gate) in (("attn", tables[:half]), ("mlp", tables[half:])):
            y = self.norm(x, scale, shift)
            if part == "attn":
                y = self.attention(y, name + "attn", index)
            else:
                y = self.linear(self.activate(self.linear(y, name + "mlp.fc1")), name + "mlp.fc2")
            x = self.residual(x, gate[0] if gate else None, y)
        return x

    def modulation_size(self):
        return self.c["dim"] * (self.chunks * self.c["depth"] + 2)

    def strides(self):
        margin = (self.window - self.c["patch"]) // 2
        return {"kernel_shape": [self.window] * 2, "strides": [self.c["patch"]] * 2, "pads": [margin] * 4}

    def embed_windows(self):
        """Windows around the patches, zero outside the picture, through patch_embed: a convolution. [R,T,D]"""
        g, dim, window = self.graph, self.c["dim"], self.window
        weight = self.tensor("patch_embed.weight").reshape(dim, self.c["channels"], window, window)
        inputs = ["x", g.floats("patch_embed.weight", weight)]
        if "patch_embed.bias" in self.tensors:
            inputs.append(g.floats("patch_embed.bias", self.tensor("patch_embed.bias")))
        x = g.reshape(g.add("Conv", *inputs, **self.strides()), self.batch, dim, self.tokens)
        return g.add("Transpose", x, perm=[0, 2, 1])

    def add_windows(self, x):
        """final.linear's windows, added up where they overlap: a transposed convolution. [R,C,H,W]"""
        g, c, window = self.graph, self.c, self.window
        weight = self.tensor("final.linear.weight").T.reshape(c["dim"], c["channels"], window, window)
        x = g.reshape(g.add("Transpose", x, perm=[0, 2, 1]), self.batch, c["dim"], self.rows, self.columns)
        x = g.add("ConvTranspose", x, g.floats("final.linear.weight", weight), **self.strides())
        if "final.linear.bias" not in self.tensors:
            return x
        # A bias differs along a window, so what all of them add up to is a picture of its own.
        patch, margin = c["patch"], (window - c["patch"]) // 2
        bias = self.tensor("final.linear.bias").reshape(c["channels"], window, window)
        total = np.zeros((c["channels"], c["height"] + 2 * margin, c["width"] + 2 * margin), np.float32)
        for row in range(0, c["height"], patch):
            for column in range(0, c["width"], patch):
                total[:, row:row + window, column:column + window] += bias
        inside = total[:, margin:margin + c["height"], margin:margin + c["width"]]
        return g.add("Add", x, g.floats("final.bias", inside))

    def convolutions(self, features):
        """The head: channels of the tokens and the picture to the prediction. [R,C,H,W]"""
        g, h, last = self.graph, self.graph.add("Concat", features, "x", axis=1), self.detail["layers"] - 1
        for i in range(last + 1):
            name = f"detail.convs.{i}"
            weights = (g.floats(f"{name}.{kind}", self.tensor(f"{name}.{kind}")) for kind in ("weight", "bias"))
            y = g.add("Conv", h, *weights, kernel_shape=[3, 3], pads=[1] * 4)
            y = y if i == last else self.activate(y)
            h = y if i in (0, last) else g.add("Add", h, y)
        return h

    def network(self):
        g, c = self.graph, self.c
        p, channels = c["patch"], c["channels"]
        chunks = self.chunks * c["depth"] + 2
        tables = g.add("Split", "modulation", g.integers([c["dim"]] * chunks), outputs=chunks, axis=0)
        if self.window > p:
            x = self.embed_windows()
        else:
            x = g.reshape("x", self.batch, channels, self.rows, p, self.columns, p)
            x = g.reshape(g.add("Transpose", x, perm=[0, 2, 4, 1, 3, 5]), self.batch, self.tokens, channels * p * p)
            x = self.linear(x, "patch_embed")
        x = g.add("Add", x, g.floats("pos_embed", self.tensor("pos_embed")))
        for i in range(c["depth"]):
            x = self.block(x, i, tables[i * self.chunks:(i + 1) * self.chunks])
        x = self.norm(x, tables[-1], tables[-2])
        if self.window > p:
            x = self.add_windows(x)
        else:
            x = g.reshape(self.linear(x, "final.linear"), self.batch, self.rows, self.columns, self.features, p, p)
            x = g.add("Transpose", x, perm=[0, 3, 1, 4, 2, 5])
        if self.detail:
            x = self.convolutions(g.reshape(x, self.batch, self.features, c["height"], c["width"]))
        x = g.add("Reshape", x, g.integers([self.batch, channels, c["height"], c["width"]]), name="prediction")
        g.add("Add", g.add("Mul", "x", "a"), g.add("Mul", x, "b"), name="next")

    def model(self):
        self.network()
        image = [self.batch, self.c["channels"], self.c["height"], self.c["width"]]
        f32 = TensorProto.FLOAT
        inputs = [helper.make_tensor_value_info("x", f32, image),
                  helper.make_tensor_value_info("modulation", f32, [self.modulation_size()]),
                  helper.make_tensor_value_info("a", f32, [1]), helper.make_tensor_value_info("b", f32, [1])]
        if self.prompt_rows:
            prompts = [self.c["depth"], self.prompt_rows, 2, self.c["heads"] * self.head_dim]
            inputs.append(helper.make_tensor_value_info("prompts", f32, prompts))
        outputs = [helper.make_tensor_value_info(name, f32, image) for name in ("prediction", "next")]
        graph = helper.make_graph(self.graph.nodes, "step", inputs, outputs, list(self.graph.initializers.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="ditsrc")
        model.ir_version = IR_VERSION
        return model


def export(weights, out, batch=1):
    """Write the graph of a weight file; returns its configuration."""
    tensors, metadata = safetensors_io.load(weights)
    config = json.loads(metadata["config"])
    if config.get("activation", "silu") != "silu" or config.get("norm", "layer") != "layer":
        raise ValueError(f"{weights}: expected SiLU and layer norm, found {config['activation']} and {config['norm']}")
    model = Exporter(config, tensors, batch).model()
    checker.check_model(model)
    save(model, out)
    return config


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    config = export(options.weights, options.out, options.batch)
    print(f"{options.out}: one step of '{config['name']}' for {options.batch} icons")


if __name__ == "__main__":
    main()
