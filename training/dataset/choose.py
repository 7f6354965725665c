# SPDX-License-Identifier: MIT
"""What is measured on the pictures of a set: visible at all, doubled, which colours, which outline; and guessed groups."""
import collections
import math

import numpy as np

TWINS = 3.0         # of 255, root mean square on 16x16 thumbnails: closer icons are the same picture
GLYPH_TWINS = 6.0
# hue in degrees from, to, name
HUES = ((0, 14, "red"), (14, 42, "orange"), (42, 68, "yellow"), (68, 165, "green"), (165, 195, "cyan"), (195, 250, "blue"),
        (250, 290, "purple"), (290, 345, "pink"), (345, 361, "red"))
ROWS, COLUMNS = np.mgrid[0:64, 0:64] + 0.5
FROM_CENTRE = np.hypot(COLUMNS - 32, ROWS - 32)


def is_visible(icon):
    """Whether a straight RGBA icon [64,64,4] can be seen on white."""
    alpha = icon[..., 3:].astype(np.float32) / 255
    contrast = alpha * (255 - icon[..., :3])
    return alpha.mean() >= 0.02 and contrast.max() >= 40 and contrast.mean() >= 1.2


def colour_names(icon):
    """At most three colours with at least an eighth of the area, the largest first."""
    alpha = icon[..., 3].astype(np.float32) / 255
    seen = alpha > 0.3
    if not seen.any():
        return []
    rgb, share = icon[seen][:, :3].astype(np.float32) / 255, alpha[seen]
    value, low = rgb.max(1), rgb.min(1)
    chroma = value - low
    saturation, safe = np.where(value > 0, chroma / np.maximum(value, 1e-6), 0), np.maximum(chroma, 1e-6)
    r, g, b = rgb.T
    hue = 60 * np.where(value == r, ((g - b) / safe) % 6, np.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4))
    name = np.full(len(rgb), "gray", "U8")
    name[(saturation < 0.16) & (value > 0.88)] = "white"
    name[value < 0.25] = "black"
    coloured = (saturation >= 0.16) & (value >= 0.25)
    for begin, end, colour in HUES:
        name[coloured & (hue >= begin) & (hue < end)] = colour
    name[coloured & (hue >= 10) & (hue < 45) & (value < 0.68)] = "brown"
    name[coloured & (saturation < 0.45) & (value > 0.8) & ((hue < 20) | (hue > 330))] = "pink"
    name[(saturation < 0.3) & (saturation >= 0.16) & (hue > 190) & (hue < 250) & (value < 0.8)] = "gray"
    areas = collections.Counter({str(colour): float(share[name == colour].sum() / share.sum()) for colour in np.unique(name)})
    return [colour for colour, area in areas.most_common(3) if area >= 0.12]


def outline(icon):
    """"circle", "square", "rounded-square", or "free"."""
    mask = icon[..., 3] > 127
    if not mask.any():
        return "free"
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    part = mask[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    height, width = part.shape
    if abs(width - height) > 3:
        return "free"
    disc = FROM_CENTRE <= max(width, height) / 2
    if (mask & disc).sum() / max(1, (mask | disc).sum()) > 0.955:
        return "circle"
    if width <= 44:
        return "free"
    corner = int(width * 0.07) + 1
    corners = sum(part[rows_, columns_].mean() for rows_ in (slice(corner), slice(-corner, None))
                  for columns_ in (slice(corner), slice(-corner, None)))
    if part.mean() > 0.985 and corners > 3.2:
        return "square"
    return "rounded-square" if part.mean() > 0.90 else "free"


def thumbnails(icons):
    """Premultiplied 16x16 means [n,k] in [0,255]; alpha alone for one channel."""
    small = icons.reshape(-1, 16, 4, 16, 4, icons.shape[-1]).astype(np.float32)
    if icons.shape[-1] == 4:
        small[..., :3] *= small[..., 3:] / 255
    return small.mean((2, 4)).reshape(len(icons), -1)


def twins(icons, limit=TWINS, block=2000):
    """For each icon the index of an earlier one that is the same picture, or -1."""
    if not len(icons):
        return np.zeros(0, int)
    flat = thumbnails(icons)
    square, same = (flat * flat).sum(1), np.full(len(flat), -1)
    for begin in range(0, len(flat), block):
        distance = square[begin:begin + block, None] + square - 2 * flat[begin:begin + block] @ flat.T
        for i, j in zip(*np.nonzero(distance / flat.shape[1] < limit ** 2)):
            first = begin + i
            if first < j and same[first] < 0 and same[j] < 0:
                same[j] = first
    return same


def words_of(row):
    return set(row["name"].split()) | {word for keyword in row["keywords"] for word in keyword.split()}


def guess_groups(rows):
    """Groups for icons without one: naive Bayes over the words of those that have one; marked as guessed."""
    counts, total = collections.defaultdict(collections.Counter), collections.Counter()
    for row in rows:
        if row["group"]:
            total[row["group"]] += 1
            for word in words_of(row):
                counts[word][row["group"]] += 1
    for row in rows:
        if row["group"] or not total:
            continue
        known = [word for word in row["name"].split() if word in counts]
        score = {group: 0.3 * math.log(total[group]) + sum(
            math.log((counts[word][group] + 0.3) / (sum(counts[word].values()) + 0.3 * len(total))) for word in known)
            for group in total}
        row["group"] = max(score, key=score.get) if known else "interface"
        row["group_auto"] = True
