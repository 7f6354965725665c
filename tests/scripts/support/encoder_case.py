# SPDX-License-Identifier: MIT
"""Frames into an encoder, and what other programs read in its file. Shared by the tests of the encoders."""
import base64
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy
from PIL import Image, ImageSequence

from support import browser
from support.places import BUILD

os.environ["GST_PLUGIN_PATH"] = str(BUILD / "plugin")
os.environ["GST_REGISTRY"] = str(BUILD / "scripts-registry.bin")
import gi  # noqa: E402

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

Gst.init(None)
MS = Gst.MSECOND
DECODE = """(async () => {
  const data = Uint8Array.from(atob("%s"), c => c.charCodeAt(0));
  const decoder = new ImageDecoder({data, type: "%s", premultiplyAlpha: "none"});
  await decoder.tracks.ready;
  await decoder.completed;
  const track = decoder.tracks.selectedTrack, frames = [];
  for (let frameIndex = 0; frameIndex < track.frameCount; ++frameIndex) {
    const {image} = await decoder.decode({frameIndex});
    const pixels = new Uint8Array(image.allocationSize({format: "RGBA"}));
    await image.copyTo(pixels, {format: "RGBA"});
    frames.push([image.duration, btoa(String.fromCharCode(...pixels))]);
  }
  return [track.repetitionCount, frames];
})()"""


def flat_frames(count, width=17, height=11, seed=5):
    """Icons as they are: flat colours with every kind of alpha, a new picture each."""
    random = numpy.random.default_rng(seed)
    frames = []
    for _ in range(count):
        colours = random.integers(0, 256, (40, 4), dtype=numpy.uint8)
        colours[:10, 3] = [0, 0, 0, 1, 127, 128, 254, 255, 255, 255]
        colours[10:, 3] = 255
        frames.append(colours[random.integers(0, 40, (height, width))])
    return frames


def many_colours(width=64, height=64):
    y, x = numpy.mgrid[:height, :width]
    alpha = numpy.where((x - 32) ** 2 + (y - 32) ** 2 < 900, 255, 0)
    return numpy.stack([x * 4, y * 4, (x + y) * 2, alpha], axis=2).astype(numpy.uint8)


class Failed(Exception):
    pass


def feed(description, frames, durations, pts=None, rate="0/1", expected=Gst.MessageType.EOS):
    """Pushes RGBA frames through `appsrc ! DESCRIPTION`. A duration of None is not set. Returns warnings."""
    pipeline = Gst.parse_launch("appsrc name=in format=time ! " + description)
    source = pipeline.get_by_name("in")
    if frames:
        height, width = frames[0].shape[:2]
        source.set_property("caps", Gst.Caps.from_string(
            f"video/x-raw,format=RGBA,width={width},height={height},framerate={rate}"))
    else:
        source.set_property("caps", Gst.Caps.from_string("video/x-raw,format=RGBA,width=4,height=4,framerate=0/1"))
    pipeline.set_state(Gst.State.PLAYING)
    at = 0
    for k, frame in enumerate(frames):
        buffer = Gst.Buffer.new_wrapped(frame.tobytes())
        buffer.pts = at if pts is None else pts[k]
        if durations[k] is not None:
            buffer.duration = durations[k]
            at += durations[k]
        if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
            break
    source.emit("end-of-stream")
    bus, warnings, error = pipeline.get_bus(), [], None
    while True:
        message = bus.timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR |
                                         Gst.MessageType.WARNING)
        if message is None:
            error = "neither end nor error in 60 s"
        elif message.type == Gst.MessageType.WARNING:
            warnings.append(message.parse_warning()[0].message)
            continue
        elif message.type == Gst.MessageType.ERROR:
            error = message.parse_error()[0].message
        break
    pipeline.set_state(Gst.State.NULL)
    if error:
        raise Failed(error)
    return warnings


def shown(frames, durations):
    """(pixels, duration) with repeated pictures joined, as encoders may do."""
    joined = []
    for frame, duration in zip(frames, durations):
        frame = numpy.where(frame[..., 3:] == 0, 0, frame)  # a colour that nobody sees does not count
        if joined and numpy.array_equal(joined[-1][0], frame):
            joined[-1][1] += duration
        else:
            joined.append([frame, duration])
    return joined


class EncoderCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = browser.Browser() if browser.PROGRAM else None
        if cls.browser:
            # WebCodecs exist in secure contexts only, and a file is one.
            folder = tempfile.TemporaryDirectory()
            cls.addClassCleanup(folder.cleanup)
            cls.addClassCleanup(cls.browser.__exit__)
            page = pathlib.Path(folder.name) / "page.html"
            page.write_text("<!doctype html><title>x</title>")
            cls.page = cls.browser.page(page.as_uri())

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)

    def file(self, name):
        return self.scratch / name

    def assertShown(self, decoded, frames, durations, who):
        """The same pictures for the same times. Chromium keeps pixels premultiplied, so it rounds faint colours."""
        wanted, got = shown(frames, durations), shown(*zip(*decoded))
        self.assertEqual([d for _, d in got], [d for _, d in wanted], f"{who}: durations")
        for k, (a, b) in enumerate(zip(got, wanted)):
            if who == "Chromium":
                numpy.testing.assert_array_equal(a[0][..., 3], b[0][..., 3], f"{who}: alpha of frame {k}")
                faint = a[0][..., 3:] / 255
                self.assertLessEqual(numpy.abs(a[0] * faint - b[0] * faint).max(), 1, f"{who}: frame {k}")
            else:
                numpy.testing.assert_array_equal(a[0], b[0], f"{who}: frame {k}")

    # Readers. Each returns [(pixels, milliseconds)].

    def pillow(self, name, loops):
        with Image.open(self.file(name)) as image:
            self.assertEqual(image.info.get("loop"), loops, "Pillow: loop count")
            frames = []
            for frame in ImageSequence.Iterator(image):
                pixels = numpy.array(frame.convert("RGBA"))
                frames.append((pixels, round(frame.info["duration"])))
            return frames

    def ffmpeg(self, name, size):
        raw = subprocess.run(["ffmpeg", "-v", "error", "-i", self.file(name), "-f", "rawvideo", "-pix_fmt", "rgba",
                              "-vsync", "passthrough", "-"], capture_output=True, check=True).stdout
        probe = json.loads(subprocess.run(["ffprobe", "-v", "error", "-show_entries", "packet=duration_time", "-of",
                                           "json", self.file(name)], capture_output=True, check=True).stdout)
        width, height = size
        pictures = numpy.frombuffer(raw, numpy.uint8).reshape(-1, height, width, 4)
        durations = [round(1000 * float(p["duration_time"])) for p in probe["packets"]]
        self.assertEqual(len(pictures), len(durations))
        return list(zip(pictures, durations))

    def chromium(self, name, kind, repetitions, size):
        if not self.browser:
            print(f"skipped Chromium for {name}: {browser.MISSING}")
            return None
        data = base64.b64encode(self.file(name).read_bytes()).decode()
        count, frames = self.page.run(DECODE % (data, kind))
        self.assertEqual(count, repetitions, "Chromium: repetitions")
        width, height = size
        return [(numpy.frombuffer(base64.b64decode(p), numpy.uint8).reshape(height, width, 4), round(d / 1000))
                for d, p in frames]
