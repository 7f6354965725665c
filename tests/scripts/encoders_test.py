# SPDX-License-Identifier: MIT
"""What the encoders write is what went in: pixels, alpha, durations and loop counts, read back by other programs."""
import base64
import re
import shutil
import struct
import subprocess
import unittest

import numpy
from PIL import Image

from support import browser
from support.encoder_case import MS, EncoderCase, Gst, feed, flat_frames, many_colours
from support.places import run


class Encoders(EncoderCase):
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

    def test_ico_entries_are_what_viewers_read(self):
        """BMP with a mask below 256 pixels, which is all that gdk-pixbuf reads, and PNG at 256."""
        frame = many_colours()
        for asked, png in (("auto", {256}), ("bmp", set()), ("png", {16, 31, 256})):
            feed(f"diticomux sizes=16,31,256 entry-format={asked} ! filesink location={self.file('a.ico')}", [frame], [None])
            data = self.file("a.ico").read_bytes()
            end = 6 + 3 * 16
            for k, size in enumerate((16, 31, 256)):
                length, offset = struct.unpack_from("<II", data, 6 + 16 * k + 8)
                self.assertEqual(offset, end, asked)
                end = offset + length
                entry = data[offset:end]
                self.assertEqual(entry.startswith(b"\x89PNG"), size in png, (asked, size))
                if size in png:
                    continue
                mask_row = (size + 31) // 32 * 4
                self.assertEqual(struct.unpack_from("<IiiHHII", entry),
                                 (40, size, 2 * size, 1, 32, 0, size * size * 4 + size * mask_row), asked)
                self.assertEqual(length, 40 + size * size * 4 + size * mask_row)
                for y in range(size):
                    for x in range(size):
                        row = size - 1 - y
                        alpha = entry[40 + (row * size + x) * 4 + 3]
                        bit = entry[40 + size * size * 4 + row * mask_row + x // 8] >> (7 - x % 8) & 1
                        self.assertEqual(bit, int(alpha == 0), (asked, size, x, y))
            self.assertEqual(end, len(data), asked)
            if asked != "png" and shutil.which("gdk-pixbuf-csource"):
                run(["gdk-pixbuf-csource", "a.ico"], self.scratch)

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


if __name__ == "__main__":
    unittest.main(verbosity=2)
