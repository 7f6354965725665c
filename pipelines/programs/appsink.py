#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Icons as arrays of bytes in Python: prints each one in the terminal's colours. Needs python3-gst-1.0.

  pipelines/programs/appsink.py [PROMPT [COUNT]]
"""
import os
import pathlib
import sys

build = os.environ.get("DIT_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")
os.environ["GST_PLUGIN_PATH"] = f"{build}/plugin:" + os.environ.get("GST_PLUGIN_PATH", "")
# Also where Python leaves out a program's own folder (PYTHONSAFEPATH).
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import gi  # noqa: E402
from arguments import given, number, property_text  # noqa: E402
from ending import Interruption, playing, run  # noqa: E402

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import Gst, GstVideo  # noqa: E402


def show(pixels, width, height):
    """Two rows of pixels become one of text: the upper half block in the upper pixel's colour, on the lower one's."""
    for y in range(0, height - 1, 2):
        for x in range(width):
            upper, lower = (pixels[3 * (row * width + x):][:3] for row in (y, y + 1))
            print("\x1b[38;2;%d;%d;%dm\x1b[48;2;%d;%d;%dm\u2580" % (*upper, *lower), end="")
        print("\x1b[0m")


def main(prompt="rocket", count="1"):
    count, prompt = number("COUNT", count, 1, 999999999), property_text("PROMPT", prompt)
    Gst.init(None)
    # RGB: the element composes the icon over `background`, here a dark terminal's.
    pipeline = Gst.parse_launch("ditsrc name=paint style=fluent-emoji seed=1 background=0x101010 "
                                "! video/x-raw,format=RGB ! appsink name=out sync=false max-buffers=2")
    paint, out = pipeline.get_by_name("paint"), pipeline.get_by_name("out")
    paint.set_property("prompt", prompt)
    paint.set_property("num-buffers", count)
    frames, error, bus, interruption = 0, None, pipeline.get_bus(), Interruption()
    with playing(pipeline):
        # A pipeline that cannot start sends neither a frame nor an end, so waiting has to look at the bus now and then.
        while not error and not interruption.status and not out.get_property("eos"):
            sample = out.emit("try-pull-sample", 100 * Gst.MSECOND)
            if not sample:
                error = bus.pop_filtered(Gst.MessageType.ERROR)
                continue
            # Not the caps' structure: Debian 13 wraps it in a context manager, which Debian 12 does not know.
            info, buffer = GstVideo.VideoInfo.new_from_caps(sample.get_caps()), sample.get_buffer()
            # 64 RGB pixels are a multiple of 4 bytes, so rows have no padding.
            show(buffer.extract_dup(0, buffer.get_size()), info.width, info.height)
            frames += 1
    if interruption.status:
        return interruption.status
    print(f"{frames} frames", file=sys.stderr)
    return f"appsink.py: {error.parse_error()[0].message}" if error else 0


run(main, *given("PROMPT", "COUNT"))
