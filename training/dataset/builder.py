# SPDX-License-Identifier: MIT
"""Sets of a package -> pictures and rows: read, chosen, labelled, drawn, measured; colour icons here, glyphs below.

Builder has what both need: one set after another, each kept when it is finished, and twins dropped over all of them.
"""
import collections
import concurrent.futures
import io
import json
import re
import time

import numpy as np

import choose
import glyphs
import labels
import render
from packages import SourceError

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


def draw_mask(icon):
    """Alpha of one glyph, or None."""
    return render.mask_from_svg(*icon["svg"])


class Builder:
    """One set after another: what `set_part` makes of them, in this order, with twins dropped."""
    shape, twin_limit = (64, 64, 4), choose.TWINS

    def __init__(self, packages, finished, jobs):
        self.packages, self.finished, self.jobs = packages, finished, jobs
        self.dropped = collections.defaultdict(collections.Counter)

    def draw_all(self, function, source, icons):
        """[function(icon)]; the processes are this set's own, so that art which kills one costs this set alone."""
        try:
            with concurrent.futures.ProcessPoolExecutor(self.jobs) as pool:
                return list(pool.map(function, icons, chunksize=16))
        except concurrent.futures.process.BrokenProcessPool as error:
            raise SourceError(f"set {source['set']}: a drawing process died (memory, or librsvg); the same command goes on "
                              f"from here") from error

    def sets(self, sources):
        """(pictures, rows) of all sets, drawn now or by an earlier, cut off build."""
        pictures, rows, start, drawn = [np.zeros((0, *self.shape), np.uint8)], [], time.time(), 0
        for source in sources:
            begin, name = time.time(), source["set"]
            part = self.finished.load(source)
            if part:
                self.dropped[name], said = part[2], "drawn before"
            else:
                some, some_rows = self.set_part(source)
                some = np.stack(some) if some else pictures[0]
                part = some, some_rows, self.dropped[name]
                self.finished.save(source, *part)
                seconds = time.time() - begin
                drawn, said = drawn + len(some), f"{seconds:5.1f} s, {len(some) / seconds:5.0f} a second"
            why = ", ".join(f"{reason} {count}" for reason, count in (+part[2]).items())
            print(f"{name:28s} {len(part[0]):5d} kept, {said}; left out: {why or 'none'}", flush=True)
            pictures.append(part[0])
            rows += part[1]
        if drawn:
            seconds = time.time() - start
            print(f"{drawn} icons in {seconds:.0f} s: {drawn / seconds:.0f} a second, {self.jobs} processes", flush=True)
        return np.concatenate(pictures), rows

    def build(self, sources):
        """(pictures uint8 [n, *shape], rows) without twins; a row says by what other names its picture goes."""
        pictures, rows = self.sets(sources)
        same = choose.twins(pictures.reshape(len(pictures), 64, 64, -1), self.twin_limit)
        for row, first in zip(rows, same):
            if first >= 0:
                self.dropped[row["set"]]["twin"] += 1
                self.twin(rows[first], row["name"])
        return pictures[same < 0], [row for row, first in zip(rows, same) if first < 0]

    @staticmethod
    def twin(row, name):
        row.setdefault("aka", []).append(name)


class IconBuilder(Builder):
    """Colour icons: straight RGBA, labelled by emoji list, categories, and measured colours."""

    def __init__(self, sources, packages, finished, jobs):
        super().__init__(packages, finished, jobs)
        self.sources, self.rules, self.icons = sources, labels.load_rules(), {}

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
        if icon["set"] in self.rules["flag_sets"]:
            return labels.flag_label(icon, self.emojis, self.rules)
        if tier == "emoji":
            return labels.emoji_label(icon, self.emojis, self.rules, self.segment, self.fluent)
        return labels.ui_label(icon, self.rules)

    def set_part(self, source):
        """(pictures, rows) of one set."""
        icons = self.icons[source["set"]]
        chosen = best_sizes(icons) if source["set"] == "fluent-color" else None
        kept = []
        for icon in icons:
            label = "other size" if chosen is not None and icon["id"] not in chosen else self.label(icon, source["tier"])
            if isinstance(label, str):
                self.dropped[source["set"]][label] += 1
            else:
                kept.append((icon, {"set": source["set"], "id": icon["id"], "license": source["license"],
                                    "tier": source["tier"], **label}))
        drawn = self.draw_all(draw, source, [icon for icon, _ in kept])
        pictures, rows = [], []
        for result, (_, row) in zip(drawn, kept):
            if result is None or not choose.is_visible(result[0]):
                self.dropped[source["set"]]["cannot be drawn" if result is None else "invisible on white"] += 1
                continue
            pictures.append(result[0])
            rows.append({**row, "fill": [round(float(share), 3) for share in result[1]]})
        return pictures, rows

    def build(self, sources):
        wanted = {source["set"] for source in sources}
        self.icons = {source["set"]: self.icons_of(source) for source in self.sources["sets"]
                      if source["tier"] != "glyph" and source["set"] in (*wanted, *TEACHERS)}
        self.prepare_labels(self.icons)
        pictures, rows = super().build(sources)
        choose.guess_groups(rows)
        for row, picture in zip(rows, pictures):
            row["colors"], row["shape"] = choose.colour_names(picture), choose.outline(picture)
        return pictures, rows


class GlyphBuilder(Builder):
    """Glyphs: alpha alone, one look of each thing a row. Names are folded before drawing, looks are measured after it."""
    shape, twin_limit = (64, 64), choose.GLYPH_TWINS

    def __init__(self, packages, finished, jobs):
        super().__init__(packages, finished, jobs)
        self.rules = glyphs.load_rules()

    def set_part(self, source):
        name, dropped = source["set"], self.dropped[source["set"]]
        data = json.loads(self.packages.read(source["package"], source["path"]))
        check_licence(source, data.get("info", {}).get("license", {}).get("spdx"))
        icons = glyphs.choose_icons(name, data, self.rules, dropped)
        masks = self.draw_all(draw_mask, source, icons)
        dropped["cannot be drawn"] += sum(mask is None for mask in masks)
        kept = [(icon, mask) for icon, mask in zip(icons, masks) if mask is not None and choose.shows(mask)]
        dropped["too faint"] += len(icons) - len(kept) - dropped["cannot be drawn"]
        masks = [mask for _, mask in kept]
        measured = choose.drawn_as(masks)
        rows = [{"set": name, "id": icon["id"], "name": icon["name"], **glyphs.look(icon["looks"], *drawn, self.rules),
                 "cut": icon["cut"], "cat": icon["cat"], "license": source["license"]}
                for (icon, _), drawn in zip(kept, measured)]
        return masks, rows

    @staticmethod
    def twin(row, name):
        """Other names are kept as words that mean the same, each once."""
        known = row.setdefault("aka", [])
        if name != row["name"] and name not in known:
            known.append(name)
