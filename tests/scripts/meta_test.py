# SPDX-License-Identifier: MIT
"""The meta of a buffer is read from Python, without a header of ours."""
import hashlib
import os
import sys
import unittest

from support.places import BUILD, SOURCE

os.environ["GST_PLUGIN_PATH"] = str(BUILD / "plugin")
os.environ["GST_REGISTRY"] = str(BUILD / "tests-registry.bin")

import gi  # noqa: E402

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

MODEL = SOURCE / "tests/golden/tiny.safetensors"


class Meta(unittest.TestCase):
    def test_every_field(self):
        Gst.init(None)
        pipeline = Gst.parse_launch(f"ditsrc model-location={MODEL} device=cpu precision=f32 prompt=\"red fox\" style=flat seed=4 "
                                    "steps=3 emit=steps num-buffers=3 ! fakesink name=sink signal-handoffs=true")
        seen = []

        def handoff(_sink, buffer, _pad):
            meta = buffer.get_custom_meta("GstDitMeta").get_structure()
            seen.append({meta.nth_field_name(i): meta.get_value(meta.nth_field_name(i))
                         for i in range(meta.n_fields())})

        pipeline.get_by_name("sink").connect("handoff", handoff)
        pipeline.set_state(Gst.State.PLAYING)
        message = pipeline.get_bus().timed_pop_filtered(20 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        pipeline.set_state(Gst.State.NULL)
        self.assertEqual(message.type, Gst.MessageType.EOS)
        self.assertEqual([one["step"] for one in seen], [1, 2, 3])
        self.assertGreater(seen[0]["sigma"], seen[2]["sigma"])
        expected = {"seed": 4, "index": 0, "steps": 3, "prompt": "red fox", "style": "flat", "device": "cpu",
                    "precision": "f32", "repeated": False, "sampler": "euler",
                    "model": hashlib.sha256(MODEL.read_bytes()).hexdigest()}
        for one in seen:
            self.assertEqual({key: one.get(key) for key in expected}, expected)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
