# SPDX-License-Identifier: MIT
"""Icons as bytes and contact sheets."""
import numpy as np
from PIL import Image


def over_white(z):
    """z [R,4,H,W] premultiplied in [-1,1] (torch) -> uint8 [R,H,W,3] composed over white."""
    z = (z.float().clamp(-1, 1) + 1) / 2
    rgb = z[:, :3] + 1 - z[:, 3:] if z.shape[1] == 4 else z
    return (rgb.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def sheet(pictures, columns, path, gap=0):
    """Write uint8 [R,H,W,3] as a PNG of `columns` columns; a last row that is not full is filled with white."""
    rows = -(-len(pictures) // columns)
    count, height, width, channels = pictures.shape
    canvas = np.full((rows * columns, height + gap, width + gap, channels), 255, np.uint8)
    canvas[:count, :height, :width] = pictures
    canvas = canvas.reshape(rows, columns, height + gap, width + gap, channels).transpose(0, 2, 1, 3, 4)
    Image.fromarray(canvas.reshape(rows * (height + gap), columns * (width + gap), channels)).save(path, optimize=True)
