# SPDX-License-Identifier: MIT
"""The judge, the figures, the sheets."""
