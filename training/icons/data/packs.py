# SPDX-License-Identifier: MIT
"""Packs of pictures on disk.

A data folder holds
  icons.index.json, icons-<set>.xz     [{"set","lo","hi","channels"}], per set n icons as planar uint8 [n,4,64,64], straight RGBA;
                                       green is subtracted from red and blue, then both axes are delta-coded modulo 256, then xz
  icons.jsonl.xz                       one line an icon: name, keywords, group, colors, shape, style, tier, set, id
  glyphs*.index.json, glyphs*-<set>.xz, glyphs*.jsonl.xz   the same for alpha-only masks (1 channel), optional, in any number of packs;
                                       with "bits": 4 in the index two pixels a byte, not delta-coded: half the size, for transfers
"""
import concurrent.futures
import json
import lzma
import os

import numpy as np


def read_lines(path):
    with lzma.open(path) as file:
        return [json.loads(line) for line in file]


def read_pack(folder, kind):
    """(planar uint8 [n,channels,64,64], rows) of all sets of a kind ("icons", "glyphs", ...)."""
    with open(os.path.join(folder, f"{kind}.index.json")) as file:
        index = json.load(file)
    lines = read_lines(os.path.join(folder, f"{kind}.jsonl.xz"))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        parts = list(pool.map(lambda entry: read_planes(folder, kind, entry), index))
    return np.concatenate(parts), [row for entry in index for row in lines[entry["lo"]:entry["hi"]]]


def read_planes(folder, kind, entry):
    """The pixels of one set, decoded."""
    with lzma.open(os.path.join(folder, f"{kind}-{entry['set']}.xz")) as file:
        coded = np.frombuffer(file.read(), np.uint8)
    if entry.get("bits") == 4:
        return unpack_nibbles(coded)
    coded = coded.reshape(entry["hi"] - entry["lo"], entry["channels"], 64, 64)
    planes = coded.cumsum(2, dtype=np.uint8).cumsum(3, dtype=np.uint8)
    if entry["channels"] == 4:
        planes[:, 0] += planes[:, 1]
        planes[:, 2] += planes[:, 1]
    return planes


def pack_nibbles(masks):
    """Masks uint8 [n,1,64,64] -> uint8 [n,1,64,32]: 16 levels, two pixels a byte."""
    levels = ((masks.astype(np.uint16) + 8) // 17).astype(np.uint8)
    return levels[..., ::2] << 4 | levels[..., 1::2]


def unpack_nibbles(coded):
    """The bytes of pack_nibbles -> masks uint8 [n,1,64,64]."""
    return (np.stack([coded >> 4, coded & 15], -1) * np.uint8(17)).reshape(-1, 1, 64, 64)


def premultiply(planes):
    """Straight RGBA uint8 [n,4,h,w] -> RGB times alpha; the colour behind alpha 0 would leak at edges otherwise."""
    alpha = planes[:, 3:].astype(np.uint16)
    colour = (planes[:, :3] * alpha + 127) // 255
    return np.concatenate([colour.astype(np.uint8), planes[:, 3:]], 1)
