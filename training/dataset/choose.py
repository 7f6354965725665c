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


def shows(mask):
    """Whether a glyph [64,64] is more than a hair."""
    return mask.mean() >= 0.03 * 255 and (mask > 127).mean() >= 0.01


def thumbnails(icons, block=2000):
    """Premultiplied 16x16 means [n,16,16,c] in [0,255]; alpha alone for one channel."""
    out = np.zeros((len(icons), 16, 16, icons.shape[-1]), np.float32)
    for begin in range(0, len(icons), block):
        small = icons[begin:begin + block].reshape(-1, 16, 4, 16, 4, icons.shape[-1]).astype(np.float32)
        if icons.shape[-1] == 4:
            small[..., :3] *= small[..., 3:] / 255
        out[begin:begin + block] = small.mean((2, 4))
    return out


def twins(icons, limit=TWINS, block=1000):
    """For each icon [n,64,64,c] the index of an earlier one that is the same picture, or -1.

    Means are no farther apart than what they are means of: pictures whose means of all, or of 4x4 thumbnails, differ by more than
    the limit need no closer look, which leaves few of a hundred thousand squared pairs."""
    small, same = thumbnails(icons), np.full(len(icons), -1)
    flat = small.reshape(len(small), small[0].size if len(small) else 1)
    coarse = small.reshape(-1, 4, 4, 4, 4, icons.shape[-1]).mean((2, 4)).reshape(len(small), 16 * icons.shape[-1])
    mean, pairs = coarse.mean(1), []
    order = np.argsort(mean, kind="stable")
    coarse, mean = coarse[order], mean[order]
    square, near = (coarse * coarse).sum(1), coarse.shape[1] * (limit + 0.1) ** 2
    for begin in range(0, len(order), block):
        end = min(begin + block, len(order))
        last = np.searchsorted(mean, mean[end - 1] + limit + 0.1)
        distance = square[begin:end, None] + square[begin:last] - 2 * coarse[begin:end] @ coarse[begin:last].T
        one, other = np.nonzero(np.triu(distance < near, 1))
        for some in range(0, len(one), 100_000):
            a, b = order[begin + one[some:some + 100_000]], order[begin + other[some:some + 100_000]]
            close = np.square(flat[a] - flat[b]).mean(1) < limit ** 2
            pairs.append(np.stack([np.minimum(a, b), np.maximum(a, b)], 1)[close])
    for first, j in sorted(map(tuple, np.concatenate(pairs).tolist())) if pairs else ():
        if same[first] < 0 and same[j] < 0:
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


def neighbours(masks, worst):
    """Of each pixel of masks [n,64,64] the smallest (np.minimum) or largest (np.maximum) of itself and its eight neighbours."""
    padded = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    rows = worst(worst(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    return worst(worst(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])


def drawn_as(masks, block=1000):
    """How masks [64,64] are drawn, each: share of the ink that is grey, share thicker than a line, width of lines in pixels.

    Grey is even and neither clear nor full, so it is no edge. What is left when four rings of pixels are taken off and put on again
    is thicker than eight pixels: no line of an icon. A line's width is its area by half of its outline."""
    out = []
    for begin in range(0, len(masks), block):
        some = np.stack(masks[begin:begin + block])
        even = neighbours(some, np.maximum) - neighbours(some, np.minimum) <= 10
        grey = (even & (some > 25) & (some < 230)).sum((1, 2)) / np.maximum((some > 25).sum((1, 2)), 1)
        thick, ink, alpha = (some > 25).astype(np.uint8), some > 127, some.astype(np.float32) / 255
        for worst in (np.minimum,) * 4 + (np.maximum,) * 4:
            thick = neighbours(thick, worst)
        outline_ = np.hypot(np.diff(alpha, axis=1, append=0), np.diff(alpha, axis=2, append=0)).sum((1, 2))
        out += zip(grey.tolist(), ((thick * ink).sum((1, 2)) / np.maximum(ink.sum((1, 2)), 1)).tolist(),
                   (2 * alpha.sum((1, 2)) / np.maximum(outline_, 1)).tolist())
    return out
