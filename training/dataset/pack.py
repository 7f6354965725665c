# SPDX-License-Identifier: MIT
"""What the build leaves behind: finished sets kept while it runs, then the packed folder with its notices and manifest."""
import collections
import concurrent.futures
import hashlib
import json
import lzma
import os

import numpy as np

from packages import sha256_of
from icons.data.synthetic import encode

HERE = os.path.dirname(os.path.abspath(__file__))


def place(path, write, mode="wb"):
    """Have `write(file)` make the file, which appears whole or not at all."""
    with open(path + ".part", mode) as file:
        write(file)
    os.replace(path + ".part", path)


def recipe():
    """A digest of everything here that decides what a set's pictures and labels are."""
    digest = hashlib.sha256()
    for name in sorted(os.listdir(HERE)):
        if name.endswith((".py", ".json")) and name not in ("smoke.py", "pack.py"):
            with open(os.path.join(HERE, name), "rb") as file:
                digest.update(file.read())
    return digest


class Finished:
    """Sets that are drawn and labelled, and files that are packed, so that a build which is cut off goes on from there.

    A part is found again only under the digest of what made it: packages, rules, code."""

    def __init__(self, folder, packages):
        self.folder = os.path.join(folder, "parts")
        os.makedirs(self.folder, exist_ok=True)
        digest = recipe()
        digest.update(json.dumps(packages, sort_keys=True).encode())
        self.made_from = digest.hexdigest()[:16]

    def path(self, source):
        what = hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()[:16]
        return os.path.join(self.folder, f"{source['set']}-{self.made_from}-{what}.npz")

    def load(self, source):
        """(pictures, rows, dropped) of a set, or None."""
        if not os.path.exists(self.path(source)):
            return None
        with np.load(self.path(source)) as part:
            return part["pictures"], json.loads(str(part["rows"])), collections.Counter(json.loads(str(part["dropped"])))

    def save(self, source, pictures, rows, dropped):
        texts = {"rows": json.dumps(rows), "dropped": json.dumps(dropped)}
        place(self.path(source), lambda file: np.savez(file, pictures=pictures, **texts))

    def packed(self, planes):
        """The path of the encoded planes, written unless it is there already. Masks at preset 3 take a
        fifth of the time of 6 and a ninth more bytes."""
        path = os.path.join(self.folder, hashlib.sha256(planes.tobytes()).hexdigest()[:32] + ".xz")
        if not os.path.exists(path):
            place(path, lambda file: file.write(encode(planes, 3 if planes.shape[1] == 1 else 6)))
        return path

    def remove(self):
        for name in os.listdir(self.folder):
            os.remove(os.path.join(self.folder, name))
        os.rmdir(self.folder)


def write_pack(folder, kind, pictures, rows, finished, jobs):
    """The files of data.py from pictures [n,64,64,c] or masks [n,64,64]; returns how many each set has."""
    pictures = pictures.reshape(len(pictures), 64, 64, -1)
    index, parts, begin = [], [], 0
    for name, count in collections.Counter(row["set"] for row in rows).items():
        parts.append(np.ascontiguousarray(pictures[begin:begin + count].transpose(0, 3, 1, 2)))
        index.append({"set": name, "lo": begin, "hi": begin + count, "channels": pictures.shape[-1]})
        begin += count
    # xz leaves Python's lock while it works
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        packed = list(pool.map(finished.packed, parts))
    for entry, path in zip(index, packed):
        os.replace(path, os.path.join(folder, f"{kind}-{entry['set']}.xz"))
    lines = []
    for i, row in enumerate(rows):
        kept = {key: value for key, value in row.items() if value not in (None, [], "")}
        lines.append(json.dumps({"i": i, **kept}, ensure_ascii=False) + "\n")
    place(os.path.join(folder, f"{kind}.jsonl.xz"), lambda file: file.write(lzma.compress("".join(lines).encode())))
    place(os.path.join(folder, f"{kind}.index.json"), lambda file: json.dump(index, file), "w")
    return {entry["set"]: entry["hi"] - entry["lo"] for entry in index}


def notice(sources, counts):
    """The notices that must travel with the icons and with weights trained on them, and a table of who made what."""
    used = [source for source in sources["sets"] if source["set"] in counts]
    package = {entry["name"]: f"{entry['name']} {entry['version']}" for entry in sources["packages"]}
    lines = ["Icons from these works, rasterised, cropped and scaled to 64x64.", ""]
    lines += dict.fromkeys([source["notice"] for source in used] + [sources["emoji_notice"]])
    lines += ["", "| set | pictures | licence | made by | from |", "|---|---|---|---|---|"]
    lines += [f"| {source['set']} | {counts[source['set']]} | {source['license']} | {source['author']} | {package[source['package']]} |"
              for source in used]
    total = collections.Counter()
    for source in used:
        total[source["license"]] += counts[source["set"]]
    lines += ["", "Pictures by licence: " + ", ".join(f"{name} {count}" for name, count in sorted(total.items())) + ".", ""]
    return "\n".join(lines + sources["licences"]) + "\n"


def write_manifest(folder, sources, counts, dropped):
    """What was made from what, what was left out and why, and the SHA-256 of every file beside it."""
    place(os.path.join(folder, "NOTICE"), lambda file: file.write(notice(sources, counts)), "w")
    made = [name for name in sorted(os.listdir(folder)) if name.endswith((".xz", ".index.json")) or name == "NOTICE"]
    manifest = {"packages": sources["packages"], "kept": counts, "dropped": dropped, "left_out": sources["left_out"],
                "files": {name: sha256_of(os.path.join(folder, name)) for name in made}}
    place(os.path.join(folder, "manifest.json"), lambda file: json.dump(manifest, file, indent=1), "w")
