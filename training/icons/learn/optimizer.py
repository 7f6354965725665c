# SPDX-License-Identifier: MIT
"""Optimisers over a network whose gradients live in one flat buffer.

Muon (Jordan et al. 2024): the momentum of a weight matrix is orthogonalised before it is applied, so that every
direction learns at the same speed. Matrices inside the blocks use it; embeddings, modulation, norms and the output use AdamW.
"""
import torch


def flat_gradients(parameters):
    """Give every parameter a gradient that is a view of one buffer; returns the buffer [sum of sizes]."""
    parameters = list(parameters)
    buffer = torch.zeros(sum(p.numel() for p in parameters), device=parameters[0].device)
    begin = 0
    for parameter in parameters:
        parameter.grad = buffer[begin:begin + parameter.numel()].view_as(parameter)
        begin += parameter.numel()
    return buffer


def orthogonalise(matrices, steps=5):
    """Newton-Schulz iteration towards U V^T of each matrix [n,rows,columns], quintic coefficients of the Muon authors."""
    dtype = torch.bfloat16 if matrices.is_cuda else torch.float32
    x = matrices.to(dtype)
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    x = x / (x.float().norm(dim=(1, 2), keepdim=True).to(dtype) + 1e-7)
    for _ in range(steps):
        square = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x.transpose(1, 2) if tall else x).float()


class Muon:
    """Muon for matrices [rows,columns]; a stacked matrix (q, k, v; the prompt's k, v) is cut into independent ones.

    The update is scaled so that its root mean square is 0.2 * lr whatever the shape (Liu et al. 2025), about what AdamW
    gives; weight decay is decoupled.
    """

    def __init__(self, named, momentum=0.95, decay=0.01):
        self.momentum, self.decay = momentum, decay
        self.groups = {}
        for name, parameter in named:
            pieces = 3 if "qkv" in name else 2 if "attn.context" in name else 1
            rows, columns = parameter.shape[0] // pieces, parameter.shape[1]
            self.groups.setdefault((pieces, rows, columns), []).append(parameter)
        self.velocity = {shape: [torch.zeros_like(p) for p in group] for shape, group in self.groups.items()}

    @torch.no_grad()
    def step(self, lr):
        for (pieces, rows, columns), group in self.groups.items():
            gradients = [p.grad for p in group]
            velocity = self.velocity[pieces, rows, columns]
            torch._foreach_mul_(velocity, self.momentum)
            torch._foreach_add_(velocity, gradients)
            ahead = torch._foreach_add(gradients, velocity, alpha=self.momentum)
            update = orthogonalise(torch.stack(ahead).view(-1, rows, columns))
            update = update.view(len(group), pieces * rows, columns) * (0.2 * max(rows, columns) ** 0.5)
            torch._foreach_mul_(group, 1 - lr * self.decay)
            torch._foreach_add_(group, list(update.unbind(0)), alpha=-lr)

    def state(self):
        return self.velocity

    def load(self, state):
        for shape, values in state.items():
            for mine, theirs in zip(self.velocity[shape], values):
                mine.copy_(theirs)


class Optimizer:
    """AdamW for everything, or Muon for block matrices and AdamW for the rest; one learning rate factor for both."""

    def __init__(self, net, lr=6e-4, muon_lr=0.0, decay=0.01):
        self.lr, self.muon_lr = lr, muon_lr
        named = list(net.named_parameters())
        matrices = [(n, p) for n, p in named if self.is_matrix(n) and muon_lr > 0]
        chosen = {id(p) for _, p in matrices}
        rest = [p for _, p in named if id(p) not in chosen]
        fused = {"fused": True} if rest[0].is_cuda else {}
        self.adam = torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.97), weight_decay=decay, **fused)
        self.muon = Muon(matrices, decay=decay) if matrices else None

    @staticmethod
    def is_matrix(name):
        ends = "qkv.weight", "attn.out.weight", "attn.context.weight", "fc1.weight", "fc2.weight"
        return name.startswith("blocks.") and name.endswith(ends)

    def step(self, factor):
        for group in self.adam.param_groups:
            group["lr"] = self.lr * factor
        self.adam.step()
        if self.muon:
            self.muon.step(self.muon_lr * factor)

    def state(self):
        return {"adam": self.adam.state_dict(), "muon": self.muon.state() if self.muon else None}

    def load(self, state):
        self.adam.load_state_dict(state["adam"])
        if self.muon and state["muon"]:
            self.muon.load(state["muon"])
