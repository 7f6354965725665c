# SPDX-License-Identifier: MIT
"""What the pieces of run_gpu.sh left in a folder, as one short table: ours beside PyTorch's fastest, by model and batch."""
import json
import pathlib
import statistics
import sys


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def fastest(rows, milliseconds):
    """The fastest row of each batch."""
    best = {}
    for row in rows:
        if row["batch"] not in best or milliseconds(row) < milliseconds(best[row["batch"]]):
            best[row["batch"]] = row
    return best


def wall(row):
    return row["wall_ms"]["median"]


def lines_of(folder, ours_file):
    name = ours_file.name.removesuffix("-dit.json")
    ours = read(ours_file)
    torch_file = folder / f"{name}-torch.json"
    torch = read(torch_file) if torch_file.exists() else {"results": []}
    theirs = fastest(torch["results"], lambda row: row["ms"])
    # Rows whose pictures are wrong are no results; f16 keeps three digits, and a step more or less of rounding.
    right = [row for row in ours["results"] if row["error"] < 2e-2]
    wrong = len(ours["results"]) - len(right)
    yield f"{name}, {ours['steps']} steps, on {ours['device']} ({ours['driver']}), {ours['date']}"
    if "ceilings" in ours:
        c = ours["ceilings"]
        yield (f"  ceilings: copy {c['copy_gb_s']:.0f} GB/s, f32 {c['f32_tflop_s']:.1f} TFLOP/s, matrices "
               f"{c['matrix_tflop_s']:.0f} TFLOP/s, dispatch {c['dispatch_us']:.2f} us ({c['alternating_us']:.2f} alternating), "
               f"grid barrier {c['grid_barrier_us']:.2f} us, submit {c['submit_us']:.0f} us")
    for batch, row in sorted(fastest(right, wall).items()):
        icon = row["device_ms"]["median"] / batch
        text = (f"  batch {batch:4}  {row['precision']:>10} {row['fusion']:<6} {icon:9.4f} ms an icon on the device, "
                f"{wall(row) / batch:9.4f} by the wall clock, error {row['error']:.0e}")
        if "stream_ms" in row:
            text += f", {row['stream_ms']['median'] / batch:9.4f} in a stream"
        if "share" in row:
            text += f", {100 * row['share']:.0f} % of {row['bound']}"
        if batch in theirs:
            other = theirs[batch]
            text += f";  torch {other['dtype']} {other['variant']} {other['ms'] / batch:9.4f}: ours is {other['ms'] / wall(row):.2f}x"
        yield text
    if wrong:
        yield f"  {wrong} rows left out: error above 2e-2"


def lines_of_start(file):
    yield "from the start of dit generate to its end, seconds (median of rounds that each begin with empty caches)"
    found = read(file)
    for name, values in [*found["seconds"].items(), ("files a second", found["files_a_second"])]:
        yield f"  {name:20} {statistics.median(values):8.2f}  ({min(values):.2f} to {max(values):.2f})"


def main():
    folder = pathlib.Path(sys.argv[1])
    print("\n== summary ==")
    check = folder / "check.json"
    if check.exists():
        result = read(check)
        skipped = sum(test.get("result") == "SKIPPED" for suite in result["testsuites"] for test in suite["testsuite"])
        print(f"checks: {result['tests']} run, {result['failures'] + result.get('errors', 0)} failed, {skipped} skipped")
    else:
        print("checks: not run")
    if (folder / "start.json").exists():
        print("\n".join(lines_of_start(folder / "start.json")))
    for file in sorted(folder.glob("*-dit.json")):
        print("\n".join(lines_of(folder, file)))
    gst = folder / "gst.txt"
    if gst.exists():
        print(gst.read_text(encoding="utf-8").strip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
