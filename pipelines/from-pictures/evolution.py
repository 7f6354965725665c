#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A drawing becomes an icon, evolution.webp: from the drawing itself to what noise alone would give, by strength.

  /usr/bin/python3 pipelines/from-pictures/evolution.py [DRAWING [PROMPT [STYLE [FRAMES]]]]

The drawing is a PNG of 64x64 pixels, or 2 to 64 times that. `strength` is controlled: GStreamer sets it for each frame."""
import os
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "pipelines/programs"))
BUILD = pathlib.Path(os.environ.get("DIT_BUILD", ROOT / "build"))
os.environ["GST_PLUGIN_PATH"] = ":".join(filter(None, [str(BUILD / "plugin"), os.environ.get("GST_PLUGIN_PATH")]))

from arguments import given, number, property_text, refuse  # noqa: E402
from ending import Interruption, playing, run  # noqa: E402

try:
    import gi
    gi.require_version("Gst", "1.0")
    gi.require_version("GstController", "1.0")
    from gi.repository import Gst, GstController
except (ImportError, ValueError) as missing:
    print(f"skipped: {missing}; install Debian's python3-gi and gir1.2-gstreamer-1.0", file=sys.stderr)
    sys.exit(77)

RATE = 10  # frames a second
HELD = 10  # frames that show the last icon


def evolution(drawing, prompt, style, frames):
    pipeline = Gst.parse_launch(
        f"filesrc name=drawing ! pngdec ! imagefreeze num-buffers={frames + HELD} ! video/x-raw,framerate={RATE}/1 "
        "! videoconvert ! ditfilter name=filter seed=1 steps=16 ! ditwebpenc ! filesink name=file")
    pipeline.get_by_name("drawing").props.location = drawing
    painter = pipeline.get_by_name("filter")
    painter.props.prompt, painter.props.style = prompt, style
    strength = GstController.InterpolationControlSource(mode=GstController.InterpolationMode.LINEAR)
    strength.set(0, 0)
    strength.set((frames - 1) * Gst.SECOND // RATE, 1)
    painter.add_control_binding(GstController.DirectControlBinding.new_absolute(painter, "strength", strength))
    # The file gets its name when it is whole; a link stays one, and who may read it may go on.
    wanted = os.path.realpath("evolution.webp")
    with tempfile.TemporaryDirectory(dir=os.path.dirname(wanted), prefix=".evolution-") as folder:
        unfinished = os.path.join(folder, "evolution.webp")
        pipeline.get_by_name("file").props.location = unfinished
        status = play(pipeline)
        if status == 0:
            if os.path.exists(wanted):
                shutil.copymode(wanted, unfinished)
            os.replace(unfinished, wanted)
    return status


def play(pipeline):
    interruption, message, ends = Interruption(), None, Gst.MessageType.EOS | Gst.MessageType.ERROR
    with playing(pipeline):
        while not message and not interruption.status:
            message = pipeline.get_bus().timed_pop_filtered(100 * Gst.MSECOND, ends)
    if message and message.type == Gst.MessageType.ERROR:
        return f"evolution.py: {message.parse_error()[0].message}"
    return interruption.status


def main(*given):
    Gst.init(None)
    frames = number("FRAMES", given[3], 1, 999999) if len(given) > 3 else 24
    for name, text in zip(("DRAWING", "PROMPT", "STYLE"), given):
        property_text(name, text)
    drawing, prompt, style = *given[:3], *[str(ROOT / "pipelines/images/blob.png"), "red apple", "noto"][len(given):]
    if os.path.exists(drawing) and not os.path.isfile(drawing):  # a pipe is waited for
        refuse("DRAWING", "a file", drawing)
    return evolution(drawing, prompt, style, frames)


if __name__ == "__main__":
    run(main, *given("DRAWING", "PROMPT", "STYLE", "FRAMES"))
