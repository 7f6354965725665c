# SPDX-License-Identifier: MIT
"""What the benchmarks write: every figure is there and makes sense. How long something took decides nothing."""
import json
import math
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.places import BUILD, DIT, TINY, run  # noqa: E402

CEILINGS = {"copy_gb_s", "f32_tflop_s", "matrix_tflop_s", "dispatch_us", "alternating_us", "grid_barrier_us", "submit_us"}


class Bench(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        devices = run([DIT, "devices"], self.scratch).stdout
        if "vulkan:0" not in devices:
            self.skipTest("no Vulkan device")

    def test_icons_and_dispatches_are_shares_of_ceilings(self):
        done = run([DIT, "bench", TINY, "--precision", "f32,f16-matrix", "--fusion", "op", "--batch", "1,2", "--steps", "2",
                    "--runs", "2", "--kernels", "--statistics", "--json", "out.json"], self.scratch)
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads((self.scratch / "out.json").read_text(encoding="utf-8"))
        self.assertEqual(set(result["ceilings"]), CEILINGS)
        for name in CEILINGS - {"matrix_tflop_s", "grid_barrier_us"}:
            self.assertGreater(result["ceilings"][name], 0, name)
        rows = [row for row in result["results"] if row["precision"] == "f32"]
        self.assertEqual([row["batch"] for row in rows], [1, 2])
        for row in rows:
            self.assertLess(row["error"], 1e-5)
            self.assertIn(row["bound"], ("f32", "copy", "dispatch"))
            self.assertGreater(row["share"], 0)
            for clock in ("device_ms", "wall_ms", "stream_ms"):
                self.assertTrue(all(math.isfinite(row[clock][part]) for part in ("median", "mean", "deviation", "least")))
            labels = {kernel["label"] for kernel in row["kernels"]}
            self.assertLessEqual({"noise", "patch_embed", "blocks.0.attn.attention", "final", "combine"}, labels)
            # The dispatches carry the work of the step, each op's once.
            self.assertAlmostEqual(2 * sum(kernel.get("flop", 0) for kernel in row["kernels"]), row["flop"], delta=1)
        self.assertEqual(2 * rows[0]["flop"], rows[1]["flop"])
        self.assertTrue("statistics" in result and "statistics" in done.stdout)

    def test_kernel_tests_are_benchmarks_too(self):
        done = run([BUILD / "dit_tests", "--bench", "--gtest_brief=1", "--gtest_filter=*/Ops.Noise*"], self.scratch)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        rows = [line.split() for line in done.stdout.splitlines() if line.startswith("bench ")]
        for kind, rates in (("cpu", ("GB/s", "GFLOP/s")), ("vulkan", ("GB/s", "GFLOP/s", "%"))):
            mine = [row for row in rows if row[1:3] == ["noise", kind]]
            self.assertTrue(mine, done.stdout)
            for row in mine:
                self.assertIn("us", row)
                self.assertTrue(all(rate in row for rate in rates), row)


if __name__ == "__main__":
    unittest.main(verbosity=2)
