# SPDX-License-Identifier: MIT
"""What the scripts beside this package share: `network`, `data`, `learn`, `measure`."""
