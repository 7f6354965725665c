# SPDX-License-Identifier: MIT
"""A made-up npm package of a few icons for build.py --smoke: the whole way from archive to folder, resuming, and the failures."""
import copy
import hashlib
import io
import json
import lzma
import os
import tarfile
import tempfile

import numpy as np

import choose
from icons.data.packs import read_pack
from packages import SourceError

LINE = '<path fill="none" stroke="currentColor" stroke-width="{}" d="{}"/>'
BOX = '<path fill="{}" d="M{} {}h{}v{}h-{}z"/>'
ICONS = {"tw": {"red-ball": '<circle cx="16" cy="16" r="12" fill="#d22"/>', "green-box": BOX.format("#2a4", 4, 6, 24, 20, 24),
                "green-box-twin": BOX.format("#2a4", 4, 6, 24, 20, 24), "1f600": '<circle cx="16" cy="16" r="9" fill="#fc3"/>',
                "nothing": "", "snow": BOX.format("#fff", 4, 4, 24, 24, 24)},
         "gl": {"key-24-filled": BOX.format("currentColor", 6, 8, 20, 12, 20),
                "key-16-filled": BOX.format("currentColor", 6, 8, 20, 13, 20),
                "key-24-regular": LINE.format(2, "M6 8h20v12H6z"), "traffic-light-2-24-regular": LINE.format(1, "M12 4h8v24h-8z"),
                "lock-24-regular": LINE.format(2, "M6 6h20v20H6z") + BOX.format('currentColor" opacity=".4', 6, 6, 20, 20, 20),
                "github-24-filled": BOX.format("#000", 2, 2, 9, 9, 9), "spin-24-regular": '<path d="M0 0h9v9z"><animate/></path>',
                "hair-24-regular": LINE.format(0.1, "M6 8h20v12H6z"),
                "arch-24-filled": BOX.format("currentColor", 6, 6, 14, 20, 14),
                "door-24-filled": BOX.format("currentColor", 6, 8, 20, 12.02, 20)}}
CATEGORIES = {"gl": {"": ["key-24-filled", "key-24-regular"], "Brand / Logo": ["arch-24-filled"]}}
SUFFIXES = {"gl": {"24-filled": "24 Filled", "16-filled": "16 Filled", "24-regular": "24 Regular"}}


def archive(path):
    """A tar of two sets and an emoji list; returns its SHA-256."""
    files = {f"json/{name}.json": {"width": 32, "height": 32, "icons": {key: {"body": body} for key, body in icons.items()},
                                   "chars": {"1f600": "1f600"} if name == "tw" else {}, "suffixes": SUFFIXES.get(name),
                                   "categories": CATEGORIES.get(name, {}),
                                   "info": {"license": {"spdx": "MIT"}}}
             for name, icons in ICONS.items()}
    files |= {"collections.json": {"tw": {}, "gl": {}, "gone": {}},
              "en/data.json": [{"hexcode": "1F600", "label": "grinning face", "tags": ["face", "grin"], "subgroup": 0}],
              "en/shortcodes/cldr.json": {}, "meta/groups.json": {"subgroups": {"0": "face-smiling"}}}
    with tarfile.open(path, "w:gz") as file:
        for name, value in files.items():
            text = json.dumps(value).encode()
            entry = tarfile.TarInfo("package/" + name)
            entry.size = len(text)
            file.addfile(entry, io.BytesIO(text))
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def made_up(folder):
    """Sources that name a made-up package, which is in the folder."""
    digest = archive(os.path.join(folder, "made-up.tgz"))
    return {"packages": [{"name": "made-up", "version": "1.0.0", "file": "made-up.tgz", "sha256": digest}],
            "collections": "made-up", "left_out": {"licence GPL": ["gone"]},
            "emoji_list": "made-up", "emoji_notice": "Emoji names: made up", "licences": ["MIT: made up"],
            "sets": [{"set": name, "tier": tier, "license": "MIT", "author": "nobody", "package": "made-up",
                      "path": f"json/{name}.json", "notice": f"{name} by nobody, MIT"}
                     for name, tier in (("tw", "emoji"), ("gl", "glyph"))]}


def expect(text, call, *arguments):
    try:
        call(*arguments)
    except SourceError as error:
        assert text in str(error), error
    else:
        raise AssertionError(f"expected an error with '{text}', found none")


def check_failures(build, sources, folder):
    """Wrong packages, licences and files are refused by name; without npm and without the package, both are named."""
    def broken(package=(), source=()):
        changed = copy.deepcopy(sources)
        changed["packages"][0].update(package)
        changed["sets"][0].update(source)
        return changed, tempfile.mkdtemp(), folder, ["tw"], 1

    expect("expected sha256 0000", build.build_all, *broken({"sha256": "0" * 64}))
    expect("expected the licence GPL, the package states MIT", build.build_all, *broken((), {"license": "GPL"}))
    unknown = copy.deepcopy(sources)
    del unknown["left_out"]["licence GPL"]
    expect("expected sets that sources.json uses or leaves out, found ['gone']", build.build_all, unknown, tempfile.mkdtemp(),
           folder, ["tw"], 1)
    expect("made-up.tgz: expected the file json/none.json", build.build_all, *broken((), {"path": "json/none.json"}))
    path, os.environ["PATH"] = os.environ["PATH"], tempfile.mkdtemp()
    try:
        expect("npm: expected on PATH to fetch made-up@1.0.0, found none", build.build_all, *broken({"file": "absent.tgz"}))
        with open(os.path.join(os.environ["PATH"], "npm"), "w") as file:
            file.write("#!/bin/sh\necho 'no such host' >&2\nexit 1\n")
        os.chmod(file.name, 0o755)
        expect("npm says: no such host; check the network", build.build_all, *broken({"file": "absent.tgz"}))
    finally:
        os.environ["PATH"] = path


def check_resuming(build, sources, folder, out):
    """A build cut off while it draws its second set does not draw the first again, and makes the same files."""
    again, made = tempfile.mkdtemp(), build.builder.Builder
    draw_all = made.draw_all

    def cut_off(self, function, source, icons):
        if source["set"] == "gl":
            raise KeyboardInterrupt
        return draw_all(self, function, source, icons)

    def rest(self, function, source, icons):
        assert source["set"] == "gl", "a finished set was drawn again"
        return draw_all(self, function, source, icons)

    try:
        made.draw_all = cut_off
        try:
            build.build_all(sources, again, folder, ["tw", "gl"], 1)
        except KeyboardInterrupt:
            pass
        assert not os.path.exists(os.path.join(again, "manifest.json")) and os.listdir(os.path.join(again, "parts"))
        made.draw_all = rest
        build.build_all(sources, again, folder, ["tw", "gl"], 2)
    finally:
        made.draw_all = draw_all
    assert sorted(os.listdir(again)) == sorted(os.listdir(out)), os.listdir(again)
    for name in os.listdir(out):
        with open(os.path.join(out, name), "rb") as one, open(os.path.join(again, name), "rb") as other:
            assert one.read() == other.read(), f"{name} differs between two builds"


def check_glyphs(out):
    """Things and looks told apart, one of two sizes, twins as other names, what moves or is a mark left out."""
    with lzma.open(os.path.join(out, "glyphs.jsonl.xz")) as file:
        rows = {row["id"]: row for row in map(json.loads, file)}
    assert set(rows) == {"key-24-filled", "key-24-regular", "traffic-light-2-24-regular", "lock-24-regular"}, set(rows)
    assert rows["key-24-filled"] == {"i": 0, "set": "gl", "id": "key-24-filled", "name": "key", "look": "solid", "license": "MIT",
                                     "aka": ["door"]}, rows["key-24-filled"]
    drawn = {key: (row["name"], row["look"], row.get("weight")) for key, row in rows.items()}
    assert drawn["key-24-regular"] == ("key", "line", None), drawn
    assert drawn["traffic-light-2-24-regular"] == ("traffic light", "line", "thin"), drawn
    assert drawn["lock-24-regular"] == ("lock", "duotone", None), drawn
    with open(os.path.join(out, "manifest.json")) as file:
        manifest = json.load(file)
    reasons = ("other size", "brand", "category", "moves, or has a filter", "too faint", "twin")
    assert manifest["dropped"]["gl"] == dict.fromkeys(reasons, 1), manifest
    assert manifest["left_out"] == {"licence GPL": ["gone"]}


def check_twins():
    """Twins are those that comparing every pair finds, at limits from none to many."""
    random = np.random.default_rng(0)
    masks = random.integers(0, 256, (8, 4, 4)).repeat(16, 1).repeat(16, 2)[random.integers(0, 8, 60)]
    noise = random.normal(0, 1, (60, 16, 16)).repeat(4, 1).repeat(4, 2) * random.integers(1, 9, (60, 1, 1))
    masks = (masks + noise).clip(0, 255).astype(np.uint8)
    small = choose.thumbnails(masks[..., None]).reshape(60, -1)
    far = np.sqrt(np.square(small[:, None] - small).mean(2))
    for limit in (0.5, 3, 6, 200):
        same = np.full(60, -1)
        for first, j in zip(*np.nonzero(far < limit)):
            if first < j and same[first] < 0 and same[j] < 0:
                same[j] = first
        found = choose.twins(masks[..., None], limit, block=7)
        assert (found == same).all(), (limit, found, same)


def check_flags(build):
    """Circle flags of the countries that are kept, by the emoji list's names."""
    rules = build.builder.labels.load_rules()
    list_ = [{"hexcode": f"1F1{a}-1F1{b}", "label": f"flag: {name}", "tags": [name], "subgroup": 0}
             for a, b, name in (("EB", "F7", "France"), ("F2", "F4", "Monaco"))]
    emojis = build.builder.labels.EmojiList(list_, {}, {"subgroups": {"0": "country-flag"}}, rules)
    named = [build.builder.labels.flag_label({"id": key, "set": "flag"}, emojis, rules) for key in ("fr-1x1", "fr-4x3", "mc-1x1")]
    assert named[0]["name"] == "flag: france" and named[1:] == ["flag of a region, or a rectangle", "flag"], named


def run(build):
    """`build`: the module build.py, whichever name it runs under."""
    folder, out = tempfile.mkdtemp(), tempfile.mkdtemp()
    sources = made_up(folder)
    counts = build.build_all(sources, out, folder, ["tw", "gl"], 1)
    assert counts == {"tw": 3, "gl": 4}, counts
    (planes, rows), (masks, _) = (read_pack(out, kind) for kind in ("icons", "glyphs"))
    by_id = {row["id"]: (row, picture) for row, picture in zip(rows, planes)}
    assert set(by_id) == {"red-ball", "green-box", "1f600"} and masks.shape == (4, 1, 64, 64)
    row, picture = by_id["red-ball"]
    assert row["shape"] == "circle" and row["colors"] == ["red"] and picture[3, 32, 32] == 255 and picture[3, 0, 0] == 0
    assert by_id["green-box"][0]["aka"] == ["green box twin"]
    assert by_id["1f600"][0]["name"] == "grinning face" and by_id["1f600"][0]["keywords"] == ["face", "grin"]
    with open(os.path.join(out, "NOTICE")) as file:
        assert "| tw | 3 | MIT | nobody | made-up 1.0.0 |" in file.read()
    assert build.build_all(sources, tempfile.mkdtemp(), folder, ["tw"], 1) == {"tw": 3}
    check_glyphs(out)
    check_twins()
    check_flags(build)
    check_resuming(build, sources, folder, out)
    check_failures(build, sources, folder)
    print("smoke run passed:", out)
