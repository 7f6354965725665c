# SPDX-License-Identifier: MIT
"""A tiny data folder in the real format, for smoke runs.

    synthetic.py DIR
"""
import sys

from icons.data.synthetic import encode, write

__all__ = ["encode", "write"]      # dataset/ packs its sets with the same code

if __name__ == "__main__":
    write(sys.argv[1])
