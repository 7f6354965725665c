# SPDX-License-Identifier: MIT
"""Build the training data from npm packages: the folder that data.py reads.

    build.py --out DIR [--packages DIR] [--sets twemoji noto ...] [--jobs 2]
    build.py --smoke                       a made-up package of a few icons, no network

sources.json pins each package's version and SHA-256, names the sets with their licences, and holds the texts that go into NOTICE.
A package is fetched with `npm pack` into --packages (where it may lie already) and is not used if its hash differs.
A build that was cut off goes on with the set that it was drawing: give the same command again.
The same packages and librsvg give the same bytes; manifest.json holds the SHA-256 of every file.
Needs npm, numpy, Pillow with WebP, librsvg.
"""
import argparse
import collections
import concurrent.futures
import io
import json
import os
import re
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import choose  # noqa: E402
import labels  # noqa: E402
import render  # noqa: E402
from pack import Finished, write_manifest, write_pack  # noqa: E402
from packages import Packages, SourceError  # noqa: E402

SIZES = {"32": 0, "48": 1, "28": 2, "24": 3, "20": 4, "16": 5}      # of fluent-color, best first
# sets whose names or code points serve the labels of others: read even if they are not wanted
TEACHERS = ("noto", "twemoji", "fluent-emoji-flat", "glyphs-poly", "streamline-ultimate-color", "noto-v1", "icon-park")


def check_licence(source, stated):
    """What a package says of a set must be what sources.json says, or what it says that the package says."""
    expected = source.get("license_stated", source["license"])
    if stated != expected:
        raise SourceError(f"set {source['set']}: expected the licence {expected}, the package states {stated}")


def svg_icons(source, packages):
    """Icons of a set in Iconify's JSON: dicts with id, set, codes, categories, aliases, tones, and what to draw."""
    data = json.loads(packages.read(source["package"], source["path"]))
    check_licence(source, data.get("info", {}).get("license", {}).get("spdx"))
    codes, categories, aliases = (collections.defaultdict(list) for _ in range(3))
    for code, name in data.get("chars", {}).items():
        codes[name].append(code)
    for category, names in data.get("categories", {}).items():
        for name in names:
            categories[name].append(category)
    for alias, entry in data.get("aliases", {}).items():
        if not {"rotate", "hFlip", "vFlip"} & set(entry):
            aliases[entry["parent"]].append(alias)
    for name, entry in data["icons"].items():
        if entry.get("hidden"):
            continue
        tones = labels.tone_of(name, data["icons"]) if source["tier"] == "emoji" else []
        if tones and not labels.keep_tone(labels.TONE_IN_ID.sub("", name), tones):
            continue
        box = [entry.get(key, data.get(key, default)) for key, default in
               (("left", 0), ("top", 0), ("width", 16), ("height", 16))]
        yield {"id": name, "set": source["set"], "codes": codes[name], "categories": categories[name],
               "aliases": aliases[name], "tones": tones, "svg": (entry["body"], *box)}


def picture_icons(source, packages):
    """The same for a set of raster files that are named by their code points."""
    for name in packages.names(source["package"], source["path"]):
        code = name.rsplit(".", 1)[0]
        tones = [labels.TONES[part] for part in code.upper().split("-") if part in labels.TONES and "-" in code]
        base = "-".join(part for part in code.split("-") if part.upper() not in labels.TONES)
        if tones and not labels.keep_tone(base, tones):
            continue
        yield {"id": code, "set": source["set"], "codes": [code], "categories": [], "aliases": [], "tones": tones,
               "picture": packages.read(source["package"], f"{source['path']}/{name}")}


def best_sizes(icons):
    """Of fluent-color, which draws each icon in several sizes, the one nearest to 32 pixels."""
    best = {}
    for icon in icons:
        name, _, size = icon["id"].rpartition("-")
        if size in SIZES and (name not in best or SIZES[size] < SIZES[best[name].rpartition("-")[2]]):
            best[name] = icon["id"]
    return set(best.values())


def draw(icon):
    """Straight RGBA and filled share of one icon, or None."""
    if "svg" in icon:
        return render.icon_from_svg(*icon["svg"])
    return render.icon_from_picture(io.BytesIO(icon["picture"]))


class Builder:
    def __init__(self, sources, packages, finished, jobs):
        self.sources, self.packages, self.finished, self.jobs = sources, packages, finished, jobs
        self.rules = labels.load_rules()
        self.dropped = collections.defaultdict(collections.Counter)

    def icons_of(self, source):
        return list((picture_icons if source.get("pictures") else svg_icons)(source, self.packages))

    def prepare_labels(self, icons):
        """The emoji list, and word counts for run-together ids."""
        package = self.sources["emoji_list"]
        data, codes, groups = (json.loads(self.packages.read(package, path)) for path in
                               ("en/data.json", "en/shortcodes/cldr.json", "meta/groups.json"))
        self.emojis = labels.EmojiList(data, codes, groups, self.rules)
        for name in ("noto", "twemoji", "fluent-emoji-flat"):
            self.emojis.learn_names(icons.get(name, []))
        texts = [entry["label"] + " " + " ".join(entry.get("tags") or []) for entry in data]
        texts += [icon["id"] for some in ("glyphs-poly", "streamline-ultimate-color", "noto-v1", "icon-park")
                  for icon in icons.get(some, [])]
        self.segment = labels.Segmenter(texts, self.rules["segment_words"])
        self.fluent = {labels.plain_code(code) for icon in icons.get("fluent-emoji-flat", []) for code in icon["codes"]}

    def label(self, icon, tier):
        if re.match(self.rules["left_out_everywhere"], icon["id"]):
            return "brand"
        if tier == "glyph":
            return labels.glyph_label(icon, self.rules)
        if tier == "emoji":
            return labels.emoji_label(icon, self.emojis, self.rules, self.segment, self.fluent)
        return labels.ui_label(icon, self.rules)

    def set_rows(self, source, icons):
        """(pictures, rows) of one set."""
        chosen = best_sizes(icons) if source["set"] == "fluent-color" else None
        kept = []
        for icon in icons:
            label = "other size" if chosen is not None and icon["id"] not in chosen else self.label(icon, source["tier"])
            if isinstance(label, str):
                self.dropped[source["set"]][label] += 1
            else:
                kept.append((icon, {"set": source["set"], "id": icon["id"], "license": source["license"],
                                    "tier": source["tier"], **label}))
        drawn = self.draw_all(source, [icon for icon, _ in kept])
        pictures, rows = [], []
        for result, (_, row) in zip(drawn, kept):
            if result is None or not self.shows(result[0], source["tier"]):
                self.dropped[source["set"]]["cannot be drawn" if result is None else "invisible on white"] += 1
                continue
            pictures.append(result[0])
            rows.append({**row, "fill": [round(float(share), 3) for share in result[1]]})
        return pictures, rows

    def draw_all(self, source, icons):
        try:
            with concurrent.futures.ProcessPoolExecutor(self.jobs) as pool:
                return list(pool.map(draw, icons, chunksize=16))
        except concurrent.futures.process.BrokenProcessPool as error:
            raise SourceError(f"set {source['set']}: a drawing process died (memory, or librsvg); the same command goes on "
                              f"from here") from error

    @staticmethod
    def shows(picture, tier):
        return (picture[..., 3] > 127).mean() >= 0.06 if tier == "glyph" else choose.is_visible(picture)

    def sets(self, kind, wanted):
        """(pictures, rows) of all wanted sets, drawn now or by an earlier, cut off build."""
        sources = [s for s in self.sources["sets"] if (s["tier"] == "glyph") == (kind == "glyphs")]
        icons = {source["set"]: self.icons_of(source) for source in sources if source["set"] in (*wanted, *TEACHERS)}
        if kind == "icons":
            self.prepare_labels(icons)
        pictures, rows = [], []
        for source in [source for source in sources if source["set"] in wanted]:
            start, name = time.time(), source["set"]
            part = self.finished.load(source)
            if part:
                self.dropped[name] = part[2]
            else:
                part = (*self.set_rows(source, icons[name]), self.dropped[name])
                self.finished.save(source, *part)
            print(f"{name:28s} {len(icons[name]):5d} -> {len(part[0]):5d} in {time.time() - start:4.0f} s  "
                  f"{dict(self.dropped[name])}", flush=True)
            pictures, rows = pictures + part[0], rows + part[1]
        return pictures, rows

    def build(self, kind, wanted):
        """(pictures uint8 [n,64,64,C], rows) of "icons" or "glyphs"."""
        pictures, rows = self.sets(kind, wanted)
        pictures = np.stack(pictures) if pictures else np.zeros((0, 64, 64, 4), np.uint8)
        pictures = pictures[..., 3:] if kind == "glyphs" else pictures
        same = choose.twins(pictures, choose.GLYPH_TWINS if kind == "glyphs" else choose.TWINS)
        for row, first in zip(rows, same):
            if first >= 0:
                self.dropped[row["set"]]["twin"] += 1
                rows[first].setdefault("aka", []).append(row["name"])
        pictures, rows = pictures[same < 0], [row for row, first in zip(rows, same) if first < 0]
        if kind == "icons":
            choose.guess_groups(rows)
            for row, picture in zip(rows, pictures):
                row["colors"], row["shape"] = choose.colour_names(picture), choose.outline(picture)
        return pictures, rows


def build_all(sources, out, folder, wanted, jobs):
    start = time.time()
    os.makedirs(out, exist_ok=True)
    os.makedirs(folder, exist_ok=True)
    render.load_libraries()
    finished = Finished(out, sources["packages"])
    builder = Builder(sources, Packages(sources, folder), finished, jobs)
    counts = {}
    for kind in ("icons", "glyphs"):
        pictures, rows = builder.build(kind, wanted)
        if rows:
            counts |= write_pack(out, kind, pictures, rows, finished, jobs)
    write_manifest(out, sources, counts, builder.dropped)
    finished.remove()
    print(f"{out}: {sum(counts.values())} pictures of {len(counts)} sets in {time.time() - start:.0f} s")
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out")
    parser.add_argument("--packages", default="", help="folder of the fetched packages; default OUT/packages")
    parser.add_argument("--sets", nargs="+", default=[], help="only these sets")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--smoke", action="store_true", help="a made-up package, no network")
    options = parser.parse_args()
    if options.smoke:
        import smoke
        return smoke.run(sys.modules[__name__])
    with open(os.path.join(HERE, "sources.json")) as file:
        sources = json.load(file)
    wanted = options.sets or [source["set"] for source in sources["sets"]]
    unknown = set(wanted) - {source["set"] for source in sources["sets"]}
    if unknown or not options.out:
        parser.error(f"unknown sets {sorted(unknown)}" if unknown else "--out is needed")
    try:
        build_all(sources, options.out, options.packages or os.path.join(options.out, "packages"), wanted, options.jobs)
    except (SourceError, OSError) as error:
        parser.exit(1, f"build.py: {error}\n")


if __name__ == "__main__":
    main()
