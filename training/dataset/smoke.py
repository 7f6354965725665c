# SPDX-License-Identifier: MIT
"""A made-up npm package of six icons for build.py --smoke: the whole way from archive to folder, and the failures on it."""
import hashlib
import io
import json
import os
import tarfile
import tempfile

import data

BOX = '<path fill="{}" d="M{} {}h{}v{}h-{}z"/>'
ICONS = {"tw": {"red-ball": '<circle cx="16" cy="16" r="12" fill="#d22"/>', "green-box": BOX.format("#2a4", 4, 6, 24, 20, 24),
                "green-box-twin": BOX.format("#2a4", 4, 6, 24, 20, 24), "1f600": '<circle cx="16" cy="16" r="9" fill="#fc3"/>',
                "nothing": "", "snow": BOX.format("#fff", 4, 4, 24, 24, 24)},
         "ph": {"key-fill": BOX.format("#000", 6, 8, 20, 12, 20), "key": BOX.format("#000", 6, 8, 20, 2, 20)}}


def archive(path):
    """A tar of two sets and an emoji list; returns its SHA-256."""
    files = {f"json/{name}.json": {"width": 32, "height": 32, "icons": {key: {"body": body} for key, body in icons.items()},
                                   "chars": {"1f600": "1f600"} if name == "tw" else {}} for name, icons in ICONS.items()}
    files |= {"en/data.json": [{"hexcode": "1F600", "label": "grinning face", "tags": ["face", "grin"], "subgroup": 0}],
              "en/shortcodes/cldr.json": {}, "meta/groups.json": {"subgroups": {"0": "face-smiling"}}}
    with tarfile.open(path, "w:gz") as file:
        for name, value in files.items():
            text = json.dumps(value).encode()
            entry = tarfile.TarInfo("package/" + name)
            entry.size = len(text)
            file.addfile(entry, io.BytesIO(text))
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def run(build_all):
    folder, out = tempfile.mkdtemp(), tempfile.mkdtemp()
    digest = archive(os.path.join(folder, "made-up.tgz"))
    sources = {"packages": [{"name": "made-up", "version": "1.0.0", "file": "made-up.tgz", "sha256": digest}],
               "emoji_list": "made-up", "emoji_notice": "Emoji names: made up", "licences": ["MIT: made up"],
               "sets": [{"set": name, "tier": tier, "license": "MIT", "package": "made-up", "path": f"json/{name}.json",
                         "notice": f"{name} by nobody, MIT"} for name, tier in (("tw", "emoji"), ("ph", "glyph"))]}
    counts = build_all(sources, out, folder, ["tw", "ph"], 1)
    assert counts == {"tw": 3, "ph": 1}, counts
    icons = data.IconSet(out)
    by_id = {row["id"]: (row, picture) for row, picture in zip(icons.rows, icons.pixels)}
    assert set(by_id) == {"red-ball", "green-box", "1f600"} and len(icons.glyphs) == 1
    row, picture = by_id["red-ball"]
    assert row["shape"] == "circle" and row["colors"] == ["red"] and picture[3, 32, 32] == 255 and picture[3, 0, 0] == 0
    assert by_id["green-box"][0]["aka"] == ["green box twin"]
    assert by_id["1f600"][0]["name"] == "grinning face" and by_id["1f600"][0]["keywords"] == ["face", "grin"]
    sources["packages"][0]["sha256"] = "0" * 64
    try:
        build_all(sources, tempfile.mkdtemp(), folder, ["tw"], 1)
        raise AssertionError("a package with another hash was used")
    except ValueError as error:
        assert "expected sha256 0000" in str(error), error
    print("smoke run passed:", out)
