# SPDX-License-Identifier: MIT
"""What the encoders write is what went in: pixels, alpha, durations and loop counts, read back by other programs."""
import base64
import io
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import tempfile
import time
import unittest

import numpy
from PIL import Image, ImageSequence

import support.browser
from support.places import BUILD, TINY, environment, run

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


class Encoders(unittest.TestCase):
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

    # One test an element

    durations = [100, 40, 250, 1000, 60]

    def test_webp(self):
        frames = flat_frames(4) + flat_frames(1)  # the last is the first again
        feed(f"ditwebpenc loop-count=3 ! filesink location={self.file('a.webp')}", frames,
             [d * MS for d in self.durations])
        info = run(["webpmux", "-info", "a.webp"], self.scratch).stdout
        self.assertIn("Loop Count : 3", info)
        self.assertIn("transparency", info)
        self.assertEqual(re.findall(r"^ *\d+: .* (\d+) +\w+ +\w+ +\d+ +lossless$", info, re.M),
                         [str(d) for d in self.durations])
        self.assertShown(self.pillow("a.webp", 3), frames, self.durations, "Pillow")
        decoded = self.chromium("a.webp", "image/webp", 2, (17, 11))
        if decoded:
            self.assertShown(decoded, frames, self.durations, "Chromium")

    def test_lossy_webp_is_near_and_smaller(self):
        random = numpy.random.default_rng(1)
        frames = [many_colours(), many_colours()[::-1].copy()]
        for frame in frames:
            frame[..., :3] = numpy.clip(frame[..., :3] + random.normal(0, 4, frame[..., :3].shape), 0, 255)
        for name, options in (("exact.webp", ""), ("near.webp", "lossless=false quality=60")):
            feed(f"ditwebpenc {options} ! filesink location={self.file(name)}", frames, [100 * MS] * 2)
        self.assertLess(self.file("near.webp").stat().st_size, self.file("exact.webp").stat().st_size)
        with Image.open(self.file("near.webp")) as image:
            self.assertTrue(image.is_animated)
            pixels = numpy.array(image.convert("RGBA")).astype(int)
        seen = frames[0][..., 3] == 255
        self.assertLess(numpy.abs(pixels - frames[0])[seen].mean(), 6)
        self.assertTrue(numpy.array_equal(pixels[..., 3], frames[0][..., 3]), "alpha is lossless even so")

    def test_apng(self):
        frames = flat_frames(5)
        feed(f"pngenc ! ditapngmux loop-count=3 ! filesink location={self.file('a.png')}", frames,
             [d * MS for d in self.durations])
        self.assertShown(self.pillow("a.png", 3), frames, self.durations, "Pillow")
        self.assertShown(self.ffmpeg("a.png", (17, 11)), frames, self.durations, "ffmpeg")
        decoded = self.chromium("a.png", "image/png", 2, (17, 11))
        if decoded:
            self.assertShown(decoded, frames, self.durations, "Chromium")
        # Into a pipe nothing can be written twice: all is held, and the file is the same.
        run(["mkfifo", "pipe"], self.scratch)
        reader = subprocess.Popen(["cat", "pipe"], cwd=self.scratch, stdout=subprocess.PIPE)
        feed(f"pngenc ! ditapngmux loop-count=3 ! filesink location={self.file('pipe')}", frames,
             [d * MS for d in self.durations])
        self.assertEqual(reader.communicate(timeout=20)[0], self.file("a.png").read_bytes())

    def test_gif(self):
        frames = flat_frames(5)
        feed(f"ditgifenc loop-count=3 ! filesink location={self.file('a.gif')}", frames,
             [d * MS for d in self.durations])
        hard = []
        for frame in frames:
            solid = frame[..., 3:] >= 128
            hard.append(numpy.where(solid, numpy.concatenate([frame[..., :3], numpy.full_like(frame[..., 3:], 255)], 2),
                                    numpy.zeros_like(frame)))
        self.assertShown(self.ffmpeg("a.gif", (17, 11)), hard, self.durations, "ffmpeg")
        self.assertShown(self.pillow("a.gif", 2), hard, self.durations, "Pillow")
        decoded = self.chromium("a.gif", "image/gif", 2, (17, 11))
        if decoded:
            self.assertShown(decoded, hard, self.durations, "Chromium")

    def test_gif_of_many_colours_stays_near(self):
        frame = many_colours()
        feed(f"ditgifenc ! filesink location={self.file('a.gif')}", [frame], [100 * MS])
        [(pixels, _)] = self.ffmpeg("a.gif", (64, 64))
        self.assertTrue(numpy.array_equal(pixels[..., 3], frame[..., 3]))
        seen = frame[..., 3] == 255
        wrong = numpy.abs(pixels.astype(int) - frame)[seen][:, :3]
        self.assertLess(wrong.mean(), 7)
        self.assertLess(wrong.max(), 40)

    def test_gif_warns_of_what_browsers_slow_down(self):
        warnings = feed(f"ditgifenc ! filesink location={self.file('a.gif')}", flat_frames(3), [10 * MS] * 3)
        self.assertEqual(len(warnings), 1)
        self.assertIn("20 ms", warnings[0])

    def test_ico(self):
        frame = many_colours()
        feed(f"diticomux ! filesink location={self.file('a.ico')}", [frame], [None])
        listed = run(["icotool", "-l", "a.ico"], self.scratch).stdout
        sizes = [16, 32, 48, 64, 128, 256]
        found = re.findall(r"--width=(\d+) --height=(\d+) --bit-depth=32", listed)
        self.assertEqual(found, [(str(size), str(size)) for size in sizes])
        self.assertIn("6 icons", run(["file", "a.ico"], self.scratch).stdout)
        run(["icotool", "-x", "a.ico"], self.scratch)
        entries = {}
        for path in self.scratch.glob("a_*.png"):
            picture = numpy.array(Image.open(path))
            entries[picture.shape[0]] = picture
        self.assertEqual(sorted(entries), sizes)
        numpy.testing.assert_array_equal(entries[64], numpy.where(frame[..., 3:] > 0, frame, 0))
        for size in (128, 256):
            times = size // 64
            numpy.testing.assert_array_equal(entries[size], entries[64].repeat(times, 0).repeat(times, 1))
        for size in (16, 32):
            self.assert_mean(entries[size], frame, 64 // size)
        self.check_ico_in_chromium(self.file("a.ico").read_bytes(), sizes)

    def assert_mean(self, small, frame, times):
        """Each pixel: linear light, weighted by alpha, over times×times pixels."""
        value = frame.astype(float) / 255
        linear = numpy.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
        alpha = value[..., 3:]
        def blocks(a):
            return a.reshape(small.shape[0], times, small.shape[1], times, -1).mean((1, 3))
        mean_alpha = blocks(alpha)
        mean = blocks(linear[..., :3] * alpha) / numpy.maximum(mean_alpha, 1e-12)
        coded = numpy.where(mean <= 0.0031308, 12.92 * mean, 1.055 * mean ** (1 / 2.4) - 0.055)
        wanted = numpy.concatenate([coded, mean_alpha], 2) * 255
        wanted = numpy.where(mean_alpha > 0, wanted, 0)
        self.assertLessEqual(numpy.abs(small - wanted).max(), 0.51)

    def check_ico_in_chromium(self, data, sizes):
        if not self.browser:
            print(f"skipped Chromium for a.ico: {browser.MISSING}")
            return
        load = """new Promise((done, failed) => {{
          const image = new Image();
          image.onload = () => done([image.naturalWidth, image.naturalHeight]);
          image.onerror = () => failed("Chromium cannot read it");
          image.src = "data:image/x-icon;base64,{}";
        }})"""
        self.assertEqual(self.page.run(load.format(base64.b64encode(data).decode())), [256, 256])
        for k, size in enumerate(sizes):  # each entry alone, as a browser takes the one that it needs
            entry = bytearray(data[6 + 16 * k:22 + 16 * k])
            length, offset = struct.unpack_from("<II", entry, 8)
            struct.pack_into("<I", entry, 12, 22)
            alone = struct.pack("<HHH", 0, 1, 1) + bytes(entry) + data[offset:offset + length]
            self.assertEqual(self.page.run(load.format(base64.b64encode(alone).decode())), [size, size])

    def test_ico_of_an_oblong_picture_and_chosen_sizes(self):
        frame = numpy.full((8, 16, 4), 255, numpy.uint8)
        feed(f"diticomux sizes=24,16 ! filesink location={self.file('a.ico')}", [frame], [None])
        with Image.open(self.file("a.ico")) as image:
            self.assertEqual(image.info["sizes"], {(16, 16), (24, 24)})
            image.size = (16, 16)
            pixels = numpy.array(image.convert("RGBA"))
        self.assertEqual(pixels[3].max(), 0)
        self.assertEqual(pixels[4:12].min(), 255)
        self.assertEqual(pixels[12].max(), 0)

    def test_ico_a_frame_and_snapshot(self):
        feed(f"diticomux ! multifilesink location={self.scratch}/%d.ico", flat_frames(3), [100 * MS] * 3)
        self.assertEqual([run(["icotool", "-l", f"{k}.ico"], self.scratch).stdout.count("--icon") for k in range(3)],
                         [6, 6, 6])
        feed(f"diticomux snapshot=true ! filesink location={self.file('one.ico')}", flat_frames(3), [100 * MS] * 3)
        self.assertEqual(self.file("one.ico").read_bytes(), self.file("0.ico").read_bytes())

    def test_sheet(self):
        frames = flat_frames(5)
        feed(f"ditsheet columns=3 spacing=2 background=0x80ff0010 ! pngenc ! filesink location={self.file('s.png')}",
             frames, [100 * MS] * 5)
        sheet = numpy.array(Image.open(self.file("s.png")))
        wanted = numpy.empty((2 * 13 + 2, 3 * 19 + 2, 4), numpy.uint8)
        wanted[:] = (0xFF, 0x00, 0x10, 0x80)
        for k, frame in enumerate(frames):
            wanted[2 + k // 3 * 13:][:11, 2 + k % 3 * 19:][:, :17] = frame
        numpy.testing.assert_array_equal(sheet, wanted)

    def test_sheets_of_so_many_frames(self):
        frames = flat_frames(5)
        feed(f"ditsheet frames=2 columns=2 ! pngenc ! multifilesink location={self.scratch}/%d.png", frames,
             [100 * MS] * 5)
        sheets = [numpy.array(Image.open(self.file(f"{k}.png"))) for k in range(3)]
        self.assertFalse(self.file("3.png").exists())
        for k, frame in enumerate(frames):
            numpy.testing.assert_array_equal(sheets[k // 2][:, k % 2 * 17:][:, :17], frame)
        self.assertEqual(sheets[2][:, 17:].max(), 0)

    # Times

    def test_durations_come_from_the_next_time_if_not_set(self):
        frames, starts = flat_frames(4), [7000 * MS, 7100 * MS, 7140 * MS, 7500 * MS]
        feed(f"tee name=t ! queue ! ditwebpenc ! filesink async=false location={self.file('a.webp')} "
             f"t. ! queue ! ditgifenc ! filesink async=false location={self.file('a.gif')}", frames, [None] * 4, starts)
        info = run(["webpmux", "-info", "a.webp"], self.scratch).stdout
        self.assertEqual(re.findall(r" (\d+) +\w+ +\w+ +\d+ +lossless$", info, re.M), ["100", "40", "360", "360"])
        self.assertEqual([d for _, d in self.ffmpeg("a.gif", (17, 11))], [100, 40, 360, 360])

    def test_rounding_does_not_drift(self):
        frames = flat_frames(2) * 30
        durations = [Gst.util_uint64_scale(k + 1, Gst.SECOND, 30) - Gst.util_uint64_scale(k, Gst.SECOND, 30)
                     for k in range(60)]
        feed(f"tee name=t ! queue ! ditwebpenc ! filesink async=false location={self.file('a.webp')} "
             f"t. ! queue ! ditgifenc ! filesink async=false location={self.file('a.gif')} "
             f"t. ! queue ! pngenc ! ditapngmux ! filesink async=false location={self.file('a.png')}", frames, durations,
             rate="30/1")
        info = run(["webpmux", "-info", "a.webp"], self.scratch).stdout
        times = [int(d) for d in re.findall(r" (\d+) +\w+ +\w+ +\d+ +lossless$", info, re.M)]
        self.assertEqual((sum(times), set(times)), (2000, {33, 34}))
        times = [d for _, d in self.ffmpeg("a.gif", (17, 11))]
        self.assertEqual((sum(times), set(times)), (2000, {30, 40}))
        data = self.file("a.png").read_bytes()
        delays = {data[m.end() + 20:m.end() + 24] for m in re.finditer(b"fcTL", data)}
        self.assertEqual(delays, {struct.pack(">HH", 1, 30)}, "APNG knows 1/30 s exactly")

    # How much and how little

    pipelines = {"a.webp": "ditwebpenc", "a.png": "pngenc ! ditapngmux", "a.gif": "ditgifenc"}

    def test_one_frame_without_a_time(self):
        for name, encoder in self.pipelines.items():
            [frame] = flat_frames(1)
            frame[..., 3] = 255
            feed(f"{encoder} ! filesink location={self.file(name)}", [frame], [None], pts=[Gst.CLOCK_TIME_NONE])
            with Image.open(self.file(name)) as image:
                numpy.testing.assert_array_equal(numpy.array(image.convert("RGBA")), frame, name)

    def test_no_frame(self):
        for encoder in ("ditwebpenc", "pngenc ! ditapngmux", "ditgifenc", "diticomux", "ditsheet ! pngenc"):
            with self.subTest(encoder), self.assertRaisesRegex(Failed, "no frame .*expected at least one"):
                feed(f"{encoder} ! filesink location={self.file('none')}", [], [])

    def test_ten_thousand_frames(self):
        few = flat_frames(16, 16, 16)
        frames = [few[k % 16] for k in range(10000)]
        branches = {**self.pipelines, "a.webp": "ditwebpenc method=0", "s.png": "ditsheet ! pngenc"}
        feed("tee name=t " + " ".join(f"t. ! queue ! {encoder} ! filesink async=false location={self.file(name)}"
                                      for name, encoder in branches.items()),
             frames, [20 * MS] * 10000)
        with Image.open(self.file("s.png")) as image:
            self.assertEqual(image.size, (1600, 1600))
        for name in self.pipelines:
            with Image.open(self.file(name)) as image:
                self.assertEqual(image.n_frames, 10000, name)
                if name != "a.gif":  # Pillow has to decode all of a GIF to get there
                    image.seek(9999)
                    seen = few[9999 % 16][..., 3:] > 0
                    numpy.testing.assert_array_equal(numpy.array(image.convert("RGBA")) * seen, few[9999 % 16] * seen)

    def test_what_is_interrupted_ends_well(self):
        for name, encoder in self.pipelines.items():
            line = f"ditsrc model-location={TINY} device=cpu is-live=true ! video/x-raw,framerate=20/1 ! {encoder} ! "
            process = subprocess.Popen(["gst-launch-1.0", "-q", "-e", *line.split(), "filesink", f"location={name}"],
                                       cwd=self.scratch, env=environment(self.scratch), stdin=subprocess.DEVNULL)
            time.sleep(1.5)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(20), 0)
            with Image.open(self.file(name)) as image:
                self.assertGreater(image.n_frames, 3, name)
                image.load()
                self.assertEqual(round(image.info["duration"]), 50)

    # What cannot be

    def fails(self, description, words, frames=None, durations=None, **more):
        frames = flat_frames(2) if frames is None else frames
        with self.assertRaisesRegex(Failed, words):
            feed(description, frames, durations or [100 * MS] * len(frames), **more)

    def test_full_disk(self):
        frames = [many_colours()] * 200
        for encoder in (*self.pipelines.values(), "diticomux", "ditsheet ! pngenc"):
            with self.subTest(encoder):
                self.fails(f"{encoder} ! filesink buffer-mode=unbuffered location=/dev/full", "No space left", frames)

    def test_a_frame_that_lasts_too_long(self):
        hour = 3600 * Gst.SECOND
        self.fails("ditgifenc ! fakesink", "lasts 360000 cs, and GIF knows at most 65535", durations=[hour, hour])
        self.fails("ditwebpenc ! fakesink", "lasts 18000000 ms", durations=[5 * hour, hour])
        self.fails("pngenc ! ditapngmux ! fakesink", "lasts 72000 s", durations=[20 * hour, hour])
        feed(f"pngenc ! ditapngmux ! filesink location={self.file('a.png')}", flat_frames(2), [hour, 100 * MS])
        with Image.open(self.file("a.png")) as image:
            self.assertEqual(image.info["duration"], 3600000)

    def test_a_time_that_goes_back(self):
        self.fails("ditgifenc ! fakesink", "frame 1: expected a time of at least 500000000 ns, found 100000000 ns",
                   durations=[None, None], pts=[500 * MS, 100 * MS])

    def test_wrong_properties_and_caps(self):
        for sizes in ("", "0", "257", "16,", "16;32", "a", "16,16", "16,-3", "99999999999"):
            with self.subTest(sizes):
                self.fails(f'diticomux sizes="{sizes}" ! fakesink', "sizes: expected")
        self.fails("ditsheet columns=1 frames=40000 ! fakesink", "expected at most 32767 a side")
        for encoder in ("ditwebpenc", "ditgifenc", "diticomux", "ditsheet", "ditapngmux"):
            done = run(["gst-launch-1.0", "-q", "videotestsrc", "num-buffers=1", "!", "video/x-raw,format=I420", "!",
                        encoder, "!", "fakesink"], self.scratch, timeout=30)
            self.assertNotEqual(done.returncode, 0, encoder)
            self.assertIn("could not link", done.stderr, encoder)

    def test_png_files_that_do_not_fit_together(self):
        def png(frame, **more):
            file = io.BytesIO()
            Image.fromarray(frame, "RGBA").save(file, "PNG", **more)
            return file.getvalue()
        good = png(flat_frames(1)[0])
        broken = bytearray(good)
        broken[len(good) // 2] ^= 1
        other = io.BytesIO()
        Image.new("L", (17, 11)).save(other, "PNG")
        for bad, words in ((b"", "found 0 bytes"), (b"GIF89a, not a PNG", "without its signature"),
                           (bytes(broken), "checksum of chunk IDAT"), (good[:-12], "expected chunk IEND"),
                           (png(flat_frames(1, 16, 11)[0]), "first frame's IHDR"), (other.getvalue(), "IHDR"),
                           (good[:8] + good[33:], "expected chunk IHDR first")):
            with self.subTest(words):
                self.file("0").write_bytes(good)
                self.file("1").write_bytes(bad or b"\0")
                if not bad:
                    continue
                done = run(["gst-launch-1.0", "-q", "multifilesrc", "location=%d", "stop-index=1",
                            "caps=image/png,framerate=10/1", "!", "ditapngmux", "!", "filesink", "location=a.png"],
                           self.scratch, timeout=30)
                self.assertNotEqual(done.returncode, 0)
                self.assertRegex(done.stderr, "frame 1: .*" + words)


if __name__ == "__main__":
    unittest.main(verbosity=2)
