# SPDX-License-Identifier: MIT
"""A data folder as dataset/ and blind.py read it; icons/data holds the code."""
from icons.data.icon_set import IconSet
from icons.data.packs import read_pack

__all__ = ["IconSet", "read_pack"]
