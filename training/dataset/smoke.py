# SPDX-License-Identifier: MIT
"""A made-up npm package of six icons for build.py --smoke: the whole way from archive to folder, resuming, and the failures."""
import copy
import hashlib
import io
import json
import os
import tarfile
import tempfile

import data
from packages import SourceError

BOX = '<path fill="{}" d="M{} {}h{}v{}h-{}z"/>'
ICONS = {"tw": {"red-ball": '<circle cx="16" cy="16" r="12" fill="#d22"/>', "green-box": BOX.format("#2a4", 4, 6, 24, 20, 24),
                "green-box-twin": BOX.format("#2a4", 4, 6, 24, 20, 24), "1f600": '<circle cx="16" cy="16" r="9" fill="#fc3"/>',
                "nothing": "", "snow": BOX.format("#fff", 4, 4, 24, 24, 24)},
         "ph": {"key-fill": BOX.format("#000", 6, 8, 20, 12, 20), "key": BOX.format("#000", 6, 8, 20, 2, 20)}}


def archive(path):
    """A tar of two sets and an emoji list; returns its SHA-256."""
    files = {f"json/{name}.json": {"width": 32, "height": 32, "icons": {key: {"body": body} for key, body in icons.items()},
                                   "chars": {"1f600": "1f600"} if name == "tw" else {}, "info": {"license": {"spdx": "MIT"}}}
             for name, icons in ICONS.items()}
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


def made_up(folder):
    """Sources that name a made-up package, which is in the folder."""
    digest = archive(os.path.join(folder, "made-up.tgz"))
    return {"packages": [{"name": "made-up", "version": "1.0.0", "file": "made-up.tgz", "sha256": digest}],
            "emoji_list": "made-up", "emoji_notice": "Emoji names: made up", "licences": ["MIT: made up"],
            "sets": [{"set": name, "tier": tier, "license": "MIT", "author": "nobody", "package": "made-up",
                      "path": f"json/{name}.json", "notice": f"{name} by nobody, MIT"}
                     for name, tier in (("tw", "emoji"), ("ph", "glyph"))]}


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
    again, draw_all = tempfile.mkdtemp(), build.Builder.draw_all

    def cut_off(self, source, icons):
        if source["set"] == "ph":
            raise KeyboardInterrupt
        return draw_all(self, source, icons)

    def rest(self, source, icons):
        assert source["set"] == "ph", "a finished set was drawn again"
        return draw_all(self, source, icons)

    try:
        build.Builder.draw_all = cut_off
        try:
            build.build_all(sources, again, folder, ["tw", "ph"], 1)
        except KeyboardInterrupt:
            pass
        assert not os.path.exists(os.path.join(again, "manifest.json")) and os.listdir(os.path.join(again, "parts"))
        build.Builder.draw_all = rest
        build.build_all(sources, again, folder, ["tw", "ph"], 2)
    finally:
        build.Builder.draw_all = draw_all
    assert sorted(os.listdir(again)) == sorted(os.listdir(out)), os.listdir(again)
    for name in os.listdir(out):
        with open(os.path.join(out, name), "rb") as one, open(os.path.join(again, name), "rb") as other:
            assert one.read() == other.read(), f"{name} differs between two builds"


def run(build):
    """`build`: the module build.py, whichever name it runs under."""
    folder, out = tempfile.mkdtemp(), tempfile.mkdtemp()
    sources = made_up(folder)
    counts = build.build_all(sources, out, folder, ["tw", "ph"], 1)
    assert counts == {"tw": 3, "ph": 1}, counts
    icons = data.IconSet(out)
    by_id = {row["id"]: (row, picture) for row, picture in zip(icons.rows, icons.pixels)}
    assert set(by_id) == {"red-ball", "green-box", "1f600"} and len(icons.glyphs) == 1
    row, picture = by_id["red-ball"]
    assert row["shape"] == "circle" and row["colors"] == ["red"] and picture[3, 32, 32] == 255 and picture[3, 0, 0] == 0
    assert by_id["green-box"][0]["aka"] == ["green box twin"]
    assert by_id["1f600"][0]["name"] == "grinning face" and by_id["1f600"][0]["keywords"] == ["face", "grin"]
    with open(os.path.join(out, "NOTICE")) as file:
        assert "| tw | 3 | MIT | nobody | made-up 1.0.0 |" in file.read()
    assert build.build_all(sources, tempfile.mkdtemp(), folder, ["tw"], 1) == {"tw": 3}
    check_resuming(build, sources, folder, out)
    check_failures(build, sources, folder)
    print("smoke run passed:", out)
