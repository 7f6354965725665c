# SPDX-License-Identifier: MIT
"""Build the training data from npm packages: the folder that data.py reads.

    build.py --out DIR [--packages DIR] [--sets twemoji noto ...] [--jobs 2]
    build.py --smoke                       a made-up package of a few icons, no network

sources.json pins each package's version and SHA-256, names the sets with their licences, and holds the texts that go into NOTICE.
A package is fetched with `npm pack` into --packages (where it may lie already) and is not used if its hash differs.
Needs npm, numpy, Pillow with WebP, librsvg.
"""
import argparse
import collections
import concurrent.futures
import hashlib
import io
import json
import lzma
import os
import re
import subprocess
import sys
import tarfile
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import choose  # noqa: E402
import labels  # noqa: E402
import render  # noqa: E402
from synthetic import encode  # noqa: E402

SIZES = {"32": 0, "48": 1, "28": 2, "24": 3, "20": 4, "16": 5}      # of fluent-color, best first


class Packages:
    """Files of pinned npm packages."""

    def __init__(self, sources, folder):
        self.folder, self.archives = folder, {}
        self.pinned = {package["name"]: package for package in sources["packages"]}

    def open(self, name):
        if name not in self.archives:
            package = self.pinned[name]
            path = os.path.join(self.folder, package["file"])
            if not os.path.exists(path):
                subprocess.run(["npm", "pack", "--silent", f"{name}@{package['version']}"], cwd=self.folder, check=True,
                               stdout=subprocess.DEVNULL)
            with open(path, "rb") as file:
                found = hashlib.sha256(file.read()).hexdigest()
            if found != package["sha256"]:
                raise ValueError(f"{path}: expected sha256 {package['sha256']}, found {found}")
            self.archives[name] = tarfile.open(path)
        return self.archives[name]

    def read(self, name, path):
        return self.open(name).extractfile("package/" + path).read()

    def names(self, name, folder):
        prefix = f"package/{folder}/"
        return sorted(member.name[len(prefix):] for member in self.open(name) if member.name.startswith(prefix))


def svg_icons(source, packages):
    """Icons of a set in Iconify's JSON: dicts with id, set, codes, categories, aliases, tones, and what to draw."""
    data = json.loads(packages.read(source["package"], source["path"]))
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
    def __init__(self, sources, packages, jobs):
        self.sources, self.packages, self.jobs = sources, packages, jobs
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
        with concurrent.futures.ProcessPoolExecutor(self.jobs) as pool:
            drawn = list(pool.map(draw, [icon for icon, _ in kept], chunksize=16))
        pictures, rows = [], []
        for result, (_, row) in zip(drawn, kept):
            if result is None or not self.shows(result[0], source["tier"]):
                self.dropped[source["set"]]["cannot be drawn" if result is None else "invisible on white"] += 1
                continue
            pictures.append(result[0])
            rows.append({**row, "fill": [round(float(share), 3) for share in result[1]]})
        return pictures, rows

    @staticmethod
    def shows(picture, tier):
        return (picture[..., 3] > 127).mean() >= 0.06 if tier == "glyph" else choose.is_visible(picture)

    def build(self, kind, wanted):
        """(pictures uint8 [n,64,64,C], rows) of "icons" or "glyphs"."""
        sources = [s for s in self.sources["sets"] if (s["tier"] == "glyph") == (kind == "glyphs") and s["set"] in wanted]
        icons = {source["set"]: self.icons_of(source) for source in sources}
        if kind == "icons":
            self.prepare_labels(icons)
        pictures, rows = [], []
        for source in sources:
            more, labelled = self.set_rows(source, icons[source["set"]])
            print(f"{source['set']:28s} {len(icons[source['set']]):5d} -> {len(more):5d}  "
                  f"{dict(self.dropped[source['set']])}", flush=True)
            pictures, rows = pictures + more, rows + labelled
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


def write_pack(folder, kind, pictures, rows):
    """The files of data.py; returns their SHA-256 by name."""
    index, begin = [], 0
    for name, count in collections.Counter(row["set"] for row in rows).items():
        planes = np.ascontiguousarray(pictures[begin:begin + count].transpose(0, 3, 1, 2))
        with open(os.path.join(folder, f"{kind}-{name}.xz"), "wb") as file:
            file.write(encode(planes, 6))
        index.append({"set": name, "lo": begin, "hi": begin + count, "channels": planes.shape[1]})
        begin += count
    with open(os.path.join(folder, f"{kind}.index.json"), "w") as file:
        json.dump(index, file)
    with lzma.open(os.path.join(folder, f"{kind}.jsonl.xz"), "wt") as file:
        for i, row in enumerate(rows):
            kept = {key: value for key, value in row.items() if value not in (None, [], "")}
            file.write(json.dumps({"i": i, **kept}, ensure_ascii=False) + "\n")
    return {entry["set"]: entry["hi"] - entry["lo"] for entry in index}


def write_notice(folder, sources, wanted):
    with open(os.path.join(folder, "NOTICE"), "w") as file:
        file.write("Icons from these works, rasterised, cropped and scaled to 64x64.\n\n")
        notices = [source["notice"] for source in sources["sets"] if source["set"] in wanted] + [sources["emoji_notice"]]
        file.write("\n".join(dict.fromkeys(notices)) + "\n\n" + "\n".join(sources["licences"]) + "\n")


def build_all(sources, out, folder, wanted, jobs):
    os.makedirs(out, exist_ok=True)
    os.makedirs(folder, exist_ok=True)
    builder = Builder(sources, Packages(sources, folder), jobs)
    counts = {}
    for kind in ("icons", "glyphs"):
        pictures, rows = builder.build(kind, wanted)
        if rows:
            counts |= write_pack(out, kind, pictures, rows)
    write_notice(out, sources, counts)
    files = {}
    for name in sorted(os.listdir(out)):
        if name != "manifest.json":
            with open(os.path.join(out, name), "rb") as file:
                files[name] = hashlib.sha256(file.read()).hexdigest()
    manifest = {"packages": sources["packages"], "kept": counts, "dropped": builder.dropped, "files": files}
    with open(os.path.join(out, "manifest.json"), "w") as file:
        json.dump(manifest, file, indent=1)
    print(f"{out}: {sum(counts.values())} pictures of {len(counts)} sets")
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
        return smoke.run(build_all)
    with open(os.path.join(HERE, "sources.json")) as file:
        sources = json.load(file)
    wanted = options.sets or [source["set"] for source in sources["sets"]]
    unknown = set(wanted) - {source["set"] for source in sources["sets"]}
    if unknown or not options.out:
        parser.error(f"unknown sets {sorted(unknown)}" if unknown else "--out is needed")
    build_all(sources, options.out, options.packages or os.path.join(options.out, "packages"), wanted, options.jobs)


if __name__ == "__main__":
    main()
