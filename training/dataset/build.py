# SPDX-License-Identifier: MIT
"""Build the training data from npm packages: the folder that icons.data.packs reads.

    build.py --out DIR [--packages DIR] [--sets twemoji ph ...] [--only glyphs] [--jobs 2]
    build.py --smoke                       a made-up package of a few icons, no network

sources.json pins each package's version and SHA-256, names the colour sets with their licences, says which sets are left out and
why, and holds the texts that go into NOTICE; glyph_sets.json names the one-colour sets.
A package is fetched with `npm pack` into --packages (where it may lie already) and is not used if its hash differs.
A build that was cut off goes on with the set that it was drawing: give the same command again.
The same packages and librsvg give the same bytes; manifest.json holds the SHA-256 of every file.
Needs npm, numpy, Pillow with WebP, librsvg.
"""
import argparse
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import builder  # noqa: E402
import glyphs  # noqa: E402
import render  # noqa: E402
from pack import Finished, write_manifest, write_pack  # noqa: E402
from packages import Packages, SourceError  # noqa: E402


def load_sources():
    """sources.json with the one-colour sets added."""
    with open(os.path.join(HERE, "sources.json")) as file:
        sources = json.load(file)
    sources["sets"] += glyphs.load_sources()
    return sources


def kind_of(source):
    return "glyphs" if source["tier"] == "glyph" else "icons"


def check_all_known(sources, packages):
    """Every set that the package lists is used, or left out for a reason: a newer package may have others."""
    listed = set(json.loads(packages.read(sources["collections"], "collections.json")))
    known = {source["set"] for source in sources["sets"]} | {name for names in sources["left_out"].values() for name in names}
    if listed - known:
        raise SourceError(f"{sources['collections']}: expected sets that sources.json uses or leaves out, "
                          f"found {sorted(listed - known)}")


def build_all(sources, out, folder, wanted, jobs):
    start = time.time()
    os.makedirs(out, exist_ok=True)
    os.makedirs(folder, exist_ok=True)
    render.load_libraries()
    finished, packages = Finished(out, sources["packages"]), Packages(sources, folder)
    check_all_known(sources, packages)
    counts, dropped = {}, {}
    for kind, made in (("icons", builder.IconBuilder(sources, packages, finished, jobs)),
                       ("glyphs", builder.GlyphBuilder(packages, finished, jobs))):
        chosen = [source for source in sources["sets"] if source["set"] in wanted and kind_of(source) == kind]
        if chosen:
            pictures, rows = made.build(chosen)
            counts |= write_pack(out, kind, pictures, rows, finished, jobs)
            dropped |= {name: +reasons for name, reasons in made.dropped.items()}
    write_manifest(out, sources, counts, dropped)
    finished.remove()
    print(f"{out}: {sum(counts.values())} pictures of {len(counts)} sets in {time.time() - start:.0f} s")
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out")
    parser.add_argument("--packages", default="", help="folder of the fetched packages; default OUT/packages")
    parser.add_argument("--sets", nargs="+", default=[], help="only these sets")
    parser.add_argument("--only", choices=("icons", "glyphs"), help="only the colour sets, or only the one-colour ones")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--smoke", action="store_true", help="a made-up package, no network")
    options = parser.parse_args()
    if options.smoke:
        import smoke
        return smoke.run(sys.modules[__name__])
    sources = load_sources()
    names = [source["set"] for source in sources["sets"] if options.only in (None, kind_of(source))]
    wanted = options.sets or names
    unknown = set(wanted) - set(names)
    if unknown or not options.out:
        parser.error(f"unknown sets {sorted(unknown)}" if unknown else "--out is needed")
    try:
        build_all(sources, options.out, options.packages or os.path.join(options.out, "packages"), wanted, options.jobs)
    except (SourceError, OSError) as error:
        parser.exit(1, f"build.py: {error}\n")


if __name__ == "__main__":
    main()
