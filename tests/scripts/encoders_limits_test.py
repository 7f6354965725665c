# SPDX-License-Identifier: MIT
"""Encoders at the ends: no frame, ten thousand, an interrupted stream, a full disk, and what cannot become a file."""
import io
import signal
import subprocess
import unittest

import numpy
from PIL import Image

from support.encoder_case import MS, EncoderCase, Failed, Gst, feed, flat_frames, many_colours
from support.places import TINY, environment, run, wait_until_caught


class EncodersAtTheirLimits(EncoderCase):
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
            wait_until_caught(process, signal.SIGINT, then_s=1.5)
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
                           (good[:8] + good[33:], "expected chunk IHDR first"),
                           (good + good, f"found {len(good)} bytes after its end"), (good + b"x", "found 1 bytes after its end")):
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
