# SPDX-License-Identifier: MIT
"""Losses, optimisers, the training loop, pairs for distillation."""
