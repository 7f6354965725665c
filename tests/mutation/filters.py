# SPDX-License-Identifier: MIT
"""Filters of GoogleTest for the ops of one executor."""


def on(executor, *tests):
    return ":".join(f"Executors/{test}/{executor}" for test in tests)


def vulkan(*tests):
    return on("vulkan", *(f"Ops.{test}" for test in tests))


def cpu(*tests):
    return on("cpu", *(f"Ops.{test}" for test in tests))


def fused(test, kind="vulkan_block_f32"):
    return f"Fused/Ops.{test}/{kind}"


def lanes(*tests):
    return ":".join(f"MatrixKernels.{test}" for test in tests)


NETWORK_CPU = on("cpu", "Network.EveryLayerMatchesPyTorch")
NETWORK_BLOCK = on("vulkan_block_f32", "Network.EveryLayerMatchesPyTorch")
