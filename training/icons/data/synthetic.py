# SPDX-License-Identifier: MIT
"""A tiny data folder in the real format (see data.py), for smoke runs: coloured discs, squares, rings and bars."""
import json
import lzma
import os

import numpy as np

from icons.data.packs import pack_nibbles

SHAPES = ("ball", "box", "ring", "bar", "cross", "wedge")
RADII = range(18, 29)
COLOURS = {"red": (220, 40, 40), "green": (40, 170, 70), "blue": (40, 90, 220)}
SETS = (("twemoji", "emoji"), ("flat-ui", "colour-ui"), ("noto", "emoji"), ("fluent-color", "colour-ui"),
        ("streamline-cyber-color", "duotone-ui"))


def mask(shape, radius):
    y, x = np.mgrid[:64, :64] - 31.5
    return {"ball": x * x + y * y < radius ** 2, "box": np.maximum(abs(x), abs(y)) < radius,
            "ring": abs(np.hypot(x, y) - radius) < 6, "bar": (abs(x) < radius) & (abs(y) < 9),
            "cross": (np.minimum(abs(x), abs(y)) < 7) & (np.maximum(abs(x), abs(y)) < radius),
            "wedge": (x > -radius) & (abs(y) < (radius - x) / 2) & (x < radius)}[shape]


def icon(shape, colour, radius):
    """Straight RGBA planar uint8 [4,64,64]."""
    alpha = mask(shape, radius)
    return np.concatenate([np.where(alpha, np.array(colour)[:, None, None], 0), 255 * alpha[None]]).astype(np.uint8)


def encode(planes, preset=0):
    """The inverse of packs.read_planes: the bytes of one set's file."""
    planes = planes.copy()
    if planes.shape[1] == 4:
        planes[:, 0] -= planes[:, 1]
        planes[:, 2] -= planes[:, 1]
    planes = np.diff(planes, axis=3, prepend=np.uint8(0))
    return lzma.compress(np.diff(planes, axis=2, prepend=np.uint8(0)).tobytes(), preset=preset)


def outline(shape, radius):
    """The mask without its inside."""
    solid = mask(shape, radius)
    inside = solid.copy()
    for axis in (0, 1):
        for shift in (-4, 4):
            inside &= np.roll(solid, shift, axis)
    return solid & ~inside


def write_kind(folder, kind, sets, bits=8):
    """sets: [(name, planes, rows)]."""
    index, lines, low = [], [], 0
    for name, planes, rows in sets:
        index.append({"set": name, "lo": low, "hi": low + len(rows), "channels": planes.shape[1]} | ({"bits": 4} if bits == 4 else {}))
        low += len(rows)
        lines += [json.dumps(row) for row in rows]
        with open(os.path.join(folder, f"{kind}-{name}.xz"), "wb") as file:
            file.write(lzma.compress(pack_nibbles(planes).tobytes(), preset=0) if bits == 4 else encode(planes))
    with open(os.path.join(folder, f"{kind}.index.json"), "w") as file:
        json.dump(index, file)
    with lzma.open(os.path.join(folder, f"{kind}.jsonl.xz"), "wt") as file:
        file.write("\n".join(lines))


def write(folder):
    """Write the data set; returns the folder."""
    os.makedirs(folder, exist_ok=True)
    sets = []
    for number, (name, tier) in enumerate(SETS):
        rows, planes = [], []
        for shape in SHAPES:
            for colour, value in COLOURS.items():
                colour, value = ("blue", COLOURS["blue"]) if tier == "duotone-ui" else (colour, value)
                planes.append(icon(shape, value, 20 + 2 * number))
                rows.append({"id": f"{colour}-{shape}", "set": name, "style": name, "tier": tier, "group": "tools",
                             "name": f"{colour} {shape}", "colors": [colour], "shape": "free", "keywords": ["toy"]})
        sets.append((name, np.stack(planes), rows))
    write_kind(folder, "icons", sets)
    # enough drawings of each name for the judge to learn it
    for kind, name, draw, bits in (("glyphs", "ph", mask, 8), ("glyphs-more", "tabler", outline, 4)):
        planes = np.stack([255 * draw(shape, radius)[None].astype(np.uint8) for shape in SHAPES for radius in RADII])
        rows = [{"id": f"{shape}-{radius}", "set": name, "name": shape} for shape in SHAPES for radius in RADII]
        write_kind(folder, kind, [(name, planes, rows)], bits)
    return folder
