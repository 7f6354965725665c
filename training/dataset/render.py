# SPDX-License-Identifier: MIT
"""Pictures at 64x64: SVG through librsvg and cairo (called by ctypes, so no binding is needed), raster files through Pillow.

Every icon is cropped to what is visible and scaled until its longer side fills the square but for MARGIN pixels, at most
by LARGEST over its own grid, so that a full stop does not become a disc. Results are straight RGBA uint8 [64,64,4], RGB 0 where
alpha is 0.
"""
import ctypes
import ctypes.util

import numpy as np
from PIL import Image

SIZE, MARGIN, LARGEST, OVER = 64, 2.5, 1.6, 4
PROBE = 128         # pixels of the first, small rendering that finds what is visible
VISIBLE = 12        # of 255
FORMAT_ARGB32 = 0   # cairo: premultiplied, native byte order (BGRA on little-endian machines)


class Rectangle(ctypes.Structure):
    _fields_ = [(name, ctypes.c_double) for name in ("x", "y", "width", "height")]


def library(name):
    found = ctypes.util.find_library(name)
    if not found:
        raise OSError(f"lib{name}: expected the shared library, found none (Debian: librsvg2-2, libcairo2)")
    return ctypes.CDLL(found)


def load_libraries():
    """(librsvg, libcairo, libgobject) with their signatures set."""
    rsvg, cairo, gobject = library("rsvg-2"), library("cairo"), library("gobject-2.0")
    pointer = ctypes.c_void_p
    for function, result, arguments in (
            (rsvg.rsvg_handle_new_from_data, pointer, [ctypes.c_char_p, ctypes.c_size_t, pointer]),
            (rsvg.rsvg_handle_render_document, ctypes.c_int, [pointer, pointer, ctypes.POINTER(Rectangle), pointer]),
            (cairo.cairo_image_surface_create_for_data, pointer, [pointer] + [ctypes.c_int] * 4),
            (cairo.cairo_create, pointer, [pointer]), (cairo.cairo_destroy, None, [pointer]),
            (cairo.cairo_surface_flush, None, [pointer]), (cairo.cairo_surface_destroy, None, [pointer]),
            (gobject.g_object_unref, None, [pointer])):
        function.restype, function.argtypes = result, arguments
    return rsvg, cairo, gobject


LIBRARIES = []


def draw_svg(svg, pixels):
    """SVG bytes -> premultiplied BGRA uint8 [pixels,pixels,4], or None where librsvg refuses."""
    if not LIBRARIES:
        LIBRARIES.extend(load_libraries())
    rsvg, cairo, gobject = LIBRARIES
    handle = rsvg.rsvg_handle_new_from_data(svg, len(svg), None)
    if not handle:
        return None
    canvas = np.zeros((pixels, pixels, 4), np.uint8)
    surface = cairo.cairo_image_surface_create_for_data(canvas.ctypes.data, FORMAT_ARGB32, pixels, pixels, 4 * pixels)
    context = cairo.cairo_create(surface)
    drawn = rsvg.rsvg_handle_render_document(handle, context, ctypes.byref(Rectangle(0, 0, pixels, pixels)), None)
    cairo.cairo_surface_flush(surface)
    cairo.cairo_destroy(context)
    cairo.cairo_surface_destroy(surface)
    gobject.g_object_unref(handle)
    return canvas if drawn else None


def document(body, box, pixels):
    """An icon's body as an SVG document that shows the box (x, y, width, height)."""
    view = " ".join(f"{value:.6g}" for value in box)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" color="#111" '
            f'width="{pixels}" height="{pixels}" viewBox="{view}">{body}</svg>').encode()


def visible(alpha):
    """(x0, y0, x1, y1) of pixels that can be seen, ends excluded; None if there are none."""
    columns, rows = np.flatnonzero((alpha > VISIBLE).any(0)), np.flatnonzero((alpha > VISIBLE).any(1))
    return (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if len(columns) else None


def straight(mean):
    """Premultiplied float [h,w,4] -> straight uint8."""
    alpha = mean[..., 3:]
    colour = np.where(alpha > 0, mean[..., :3] * 255 / np.maximum(alpha, 1e-6), 0)
    out = np.concatenate([colour, alpha], -1).round().clip(0, 255).astype(np.uint8)
    out[out[..., 3] == 0] = 0
    return out


def cropped(body, grid, probe, pixels):
    """What is visible of an icon's body, found by a first, small rendering of `probe` pixels, drawn on a canvas of `pixels`.

    grid: (left, top, width, height) of the body. Returns (premultiplied BGRA [pixels,pixels,4], share of the grid filled [2])
    or None."""
    left, top, width, height = grid
    grid = max(width, height)
    x, y = left - (grid - width) / 2, top - (grid - height) / 2
    small = draw_svg(document(body, (x, y, grid, grid), probe), probe)
    box = None if small is None else visible(small[..., 3])
    if box is None:
        return None
    unit = grid / probe
    wide, high = (box[2] - box[0]) * unit, (box[3] - box[1]) * unit
    side = max(max(wide, high) * SIZE / (SIZE - 2 * MARGIN), grid / LARGEST)
    centre = x + (box[0] + box[2]) / 2 * unit, y + (box[1] + box[3]) / 2 * unit
    large = draw_svg(document(body, (centre[0] - side / 2, centre[1] - side / 2, side, side), pixels), pixels)
    return large, (wide / grid, high / grid)


def icon_from_svg(body, *grid):
    """(straight RGBA [64,64,4], share of its grid that is filled [2]) or None."""
    drawn = cropped(body, grid, PROBE, SIZE * OVER)
    if drawn is None:
        return None
    mean = drawn[0][..., [2, 1, 0, 3]].astype(np.float32).reshape(SIZE, OVER, SIZE, OVER, 4).mean((1, 3))
    return straight(mean), drawn[1]


def mask_from_svg(body, *grid):
    """Alpha of an icon, uint8 [64,64], or None. Sharp edges of one colour need half the samples, which is a third of the time."""
    drawn = cropped(body, grid, PROBE // 2, SIZE * OVER // 2)
    if drawn is None:
        return None
    return drawn[0][..., 3].reshape(SIZE, OVER // 2, SIZE, OVER // 2).mean((1, 3)).round().astype(np.uint8)


def icon_from_picture(path):
    """The same for a raster file with alpha."""
    picture = np.asarray(Image.open(path).convert("RGBA")).astype(np.float32)
    box = visible(picture[..., 3])
    if box is None:
        return None
    height, width = picture.shape[:2]
    part = picture[box[1]:box[3], box[0]:box[2]]
    part[..., :3] *= part[..., 3:] / 255
    scale = min((SIZE - 2 * MARGIN) / max(part.shape[:2]), LARGEST * SIZE / width)
    size = [max(1, round(length * scale)) for length in (part.shape[1], part.shape[0])]
    # Pillow filters one float plane at a time
    planes = [np.asarray(Image.fromarray(part[..., k]).resize(size, Image.BICUBIC)) for k in range(4)]
    out = np.zeros((SIZE, SIZE, 4), np.float32)
    begin = (SIZE - size[0]) // 2, (SIZE - size[1]) // 2
    out[begin[1]:begin[1] + size[1], begin[0]:begin[0] + size[0]] = np.stack(planes, -1).clip(0, 255)
    out[..., :3] = np.minimum(out[..., :3], out[..., 3:])
    return straight(out), (part.shape[1] / width, part.shape[0] / height)
