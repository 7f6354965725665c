# SPDX-License-Identifier: MIT
"""Letters and digits of open fonts as a pack of glyphs, so that "A" on a tile can be read.

    letters.py --out DIR [--packages DIR]
    letters.py --smoke                     no network: a font of this machine

letters.json pins the fonts, all Apache-2.0. Every weight of a font draws A to Z, a to z and 0 to 9, each as large as a glyph may be; DIR
gets glyphs-letters.index.json, its planes and lines, beside what build.py put there, and LETTERS-NOTICE with who made the fonts.
"""
import argparse
import io
import json
import os
import string
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

from icons.data.packs import read_pack  # noqa: E402
from pack import Finished, place, write_pack  # noqa: E402
from packages import Packages, SourceError  # noqa: E402

KIND = "glyphs-letters"
# of 64 pixels, as other glyphs are drawn; drawn OVER times as large and averaged
LONGEST, OVER = 56, 4
# a weight of a font with many is hardly told from its neighbour
WEIGHTS = (100, 300, 400, 500, 700, 900)


def load_fonts():
    with open(os.path.join(HERE, "letters.json")) as file:
        return json.load(file)["fonts"]


def name_of(character):
    """The tokens of a character, its own ("l:a") among them, for both cases of a letter."""
    if character.isdigit():
        return "digit l:" + character
    return f"letter l:{character.lower()}" + (" lowercase" if character.islower() else "")


def draw(font, character):
    """Mask uint8 [64,64] of one character, in the middle, its longer side LONGEST pixels; None if the font has nothing to show."""
    from PIL import Image, ImageDraw
    left, top, right, bottom = font.getbbox(character)
    if right <= left or bottom <= top:
        return None
    large = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(large).text((-left, -top), character, fill=255, font=font)
    scale = LONGEST * OVER / max(large.size)
    large = large.resize([max(1, round(side * scale)) for side in large.size], Image.BICUBIC)
    canvas = Image.new("L", (64 * OVER, 64 * OVER))
    canvas.paste(large, tuple((64 * OVER - side) // 2 for side in large.size))
    mask = np.asarray(canvas, np.float32).reshape(64, OVER, 64, OVER).mean((1, 3)).round().astype(np.uint8)
    return mask if mask.max() > 200 else None


def alphabet(face, data, licence):
    """(masks, rows) of every character that a font file draws."""
    from PIL import ImageFont
    font, masks, rows = ImageFont.truetype(io.BytesIO(data), 400), [], []
    for character in string.ascii_letters + string.digits:
        mask = draw(font, character)
        if mask is not None:
            case = "lower-" if character.islower() else ""
            masks.append(mask)
            rows.append({"set": "letters", "id": f"{face}-{case}{character.lower()}", "name": name_of(character), "license": licence})
    return masks, rows


def read_fonts(fonts, folder):
    """[(face, bytes, licence)] of every weight that a font has among WEIGHTS."""
    packages, found = Packages({"packages": fonts}, folder), []
    for font in fonts:
        base = font["name"].split("/")[1]
        packages.wanted[font["name"]] = ["files/"]
        names = set(packages.names(font["name"], "files"))
        files = [name for weight in WEIGHTS if (name := f"{base}-latin-{weight}-normal.woff") in names]
        if not files:
            raise SourceError(f"{font['file']}: expected {base}-latin-400-normal.woff, found none")
        found += [(name[:-len("-normal.woff")], packages.read(font["name"], f"files/{name}"), font["license"]) for name in files]
    return found


def build(out, faces, fonts):
    """Draw, pack, and say whose fonts they are; returns how many glyphs."""
    masks, rows = [], []
    for face, data, licence in faces:
        some, some_rows = alphabet(face, data, licence)
        masks += some
        rows += some_rows
    os.makedirs(out, exist_ok=True)
    finished = Finished(out, fonts)
    write_pack(out, KIND, np.stack(masks), rows, finished, os.cpu_count())
    finished.remove()
    lines = ["Letters and digits of these fonts, rasterised:", ""]
    lines += [f"{font['family']}: {font['author']}; {font['license']}; {font['name']} {font['version']}" for font in fonts]
    place(os.path.join(out, "LETTERS-NOTICE"), lambda file: file.write("\n".join(lines) + "\n"), "w")
    print(f"{out}: {len(masks)} letters and digits of {len(faces)} faces")
    return len(masks)


def smoke():
    """Any font will do to see that an alphabet is drawn, packed and read again."""
    paths = [os.path.join(folder, name) for folder, _, names in os.walk("/usr/share/fonts") for name in names
             if name.lower().endswith((".ttf", ".otf", ".t1", ".pfb"))]
    if not paths:
        return print("smoke run skipped: no font is installed")
    out = tempfile.mkdtemp()
    with open(sorted(paths)[0], "rb") as file:
        count = build(out, [("some", file.read(), "MIT")],
                      [{"name": "some", "version": "1", "family": "Some", "author": "Somebody", "license": "MIT"}])
    planes, rows = read_pack(out, KIND)
    assert planes.shape == (count, 1, 64, 64) and count == 62, planes.shape
    row = next(i for i, row in enumerate(rows) if row["id"] == "some-h")
    assert rows[row]["name"] == "letter l:h" and 50 <= max((planes[row, 0] > 60).any(axis).sum() for axis in (0, 1)) <= 58
    print("smoke run passed in", out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out")
    parser.add_argument("--packages", default="", help="folder of the fetched packages; default OUT/packages")
    parser.add_argument("--smoke", action="store_true", help="a font of this machine, no network")
    options = parser.parse_args()
    if options.smoke:
        return smoke()
    if not options.out:
        parser.error("--out is needed")
    fonts, folder = load_fonts(), options.packages or os.path.join(options.out, "packages")
    os.makedirs(folder, exist_ok=True)
    try:
        build(options.out, read_fonts(fonts, folder), fonts)
    except (SourceError, OSError) as error:
        parser.exit(1, f"letters.py: {error}\n")


if __name__ == "__main__":
    main()
