# SPDX-License-Identifier: MIT
"""Players and editors that know nothing of ditsrc play a dit:// URI, and jump about in it."""
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from support.places import TINY, environment, run

URI = "dit://red%20fox?steps=2&device=cpu&num-buffers="
PLAY = ["gst-play-1.0", "--audiosink=fakesink"]
GES_SCRIPT = r"""
import sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GES", "1.0")
from gi.repository import GES, Gst
Gst.init(None)
GES.init()
asset = GES.UriClipAsset.request_sync(sys.argv[1])
print("duration", asset.get_duration())
timeline, track = GES.Timeline.new(), GES.VideoTrack.new()
track.set_restriction_caps(Gst.Caps("video/x-raw,format=RGB,width=8,height=12,framerate=10/1"))
timeline.add_track(track)
layer = timeline.append_layer()
# Two seconds from the first second on, then one second from the third on.
layer.add_asset(asset, 0, 1 * Gst.SECOND, 2 * Gst.SECOND, GES.TrackType.VIDEO)
layer.add_asset(asset, 2 * Gst.SECOND, 3 * Gst.SECOND, 1 * Gst.SECOND, GES.TrackType.VIDEO)
timeline.commit()
pipeline = GES.Pipeline.new()
pipeline.set_timeline(timeline)
pipeline.set_mode(GES.PipelineFlags.VIDEO_PREVIEW)
sink = Gst.ElementFactory.make("fakesink")
pipeline.preview_set_video_sink(sink)
bus = pipeline.get_bus()

def settled():
    message = bus.timed_pop_filtered(40 * Gst.SECOND, Gst.MessageType.ASYNC_DONE | Gst.MessageType.ERROR)
    if message is None or message.type == Gst.MessageType.ERROR:
        sys.exit(message.parse_error().gerror.message if message else "nothing in 40 s")
    sample = sink.props.last_sample
    data = sample.get_buffer()
    return sample.get_segment().to_stream_time(Gst.Format.TIME, data.pts), data.extract_dup(0, data.get_size())

pipeline.set_state(Gst.State.PAUSED)
settled()
for tenths in map(int, sys.argv[2:]):
    pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE, tenths * Gst.SECOND // 10)
    where, data = settled()
    print(tenths, where, data.hex())
pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH, 25 * Gst.SECOND // 10)
settled()
pipeline.set_state(Gst.State.PLAYING)
end = bus.timed_pop_filtered(40 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
print("end", end.type.first_value_nick if end else None)
pipeline.set_state(Gst.State.NULL)
"""

FILTER = "ditfilter device=cpu steps=2 strength=1 seed=0 prompt=\"red fox\""
EFFECT_SCRIPT = r"""
import sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GES", "1.0")
from gi.repository import GES, Gst
Gst.init(None)
GES.init()
timeline, track = GES.Timeline.new(), GES.VideoTrack.new()
track.set_restriction_caps(Gst.Caps("video/x-raw,format=RGB,width=8,height=12,framerate=10/1"))
timeline.add_track(track)
clip = GES.TestClip.new()
clip.set_vpattern(GES.VideoTestPattern.RED)
clip.props.duration = Gst.SECOND // 2
timeline.append_layer().add_clip(clip)
assert clip.add(GES.Effect.new(sys.argv[1]))
timeline.commit()
pipeline = GES.Pipeline.new()
pipeline.set_timeline(timeline)
pipeline.set_mode(GES.PipelineFlags.VIDEO_PREVIEW)
sink = Gst.ElementFactory.make("fakesink")
sink.props.signal_handoffs = True
sink.connect("handoff", lambda _, data, __: print(data.extract_dup(0, data.get_size()).hex()))
pipeline.preview_set_video_sink(sink)
pipeline.set_state(Gst.State.PLAYING)
end = pipeline.get_bus().timed_pop_filtered(40 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
pipeline.set_state(Gst.State.NULL)
if end is None or end.type == Gst.MessageType.ERROR:
    sys.exit(end.parse_error().gerror.message if end else "nothing in 40 s")
"""


def over_black(scratch, count):
    """The first frames of the URI's stream as RGB bytes, the way that an editor's mixer shows them."""
    path = os.path.join(scratch, "frames.raw")
    done = run(["gst-launch-1.0", "-q", "uridecodebin", f"uri={URI}{count}", "!", "video/x-raw,format=RGBA,framerate=10/1", "!",
                "filesink", f"location={path}"], scratch, DIT_MODEL=str(TINY))
    assert done.returncode == 0, done.stderr
    with open(path, "rb") as file:
        data = file.read()
    size = len(data) // count
    pictures = [data[i:i + size] for i in range(0, len(data), size)]
    return [[f[i + k] * f[i + 3] / 255 for i in range(0, size, 4) for k in range(3)] for f in pictures]


class Keyboard:
    """gst-play-1.0 at a terminal of its own."""

    def __init__(self, scratch, *options):
        self.leader, follower = pty.openpty()
        self.process = subprocess.Popen([*PLAY, "--videosink=fakesink sync=true", *options], stdin=follower, stdout=follower,
                                        stderr=follower, start_new_session=True, cwd=scratch,
                                        env=environment(scratch, DIT_MODEL=str(TINY), TERM="xterm"))
        os.close(follower)
        self.text = ""
        self.before = 0.0  # position when a key was pressed, in s

    def until(self, ready, what, limit_s=60):
        """Reads what it prints until ready(positions in s, text) is true."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if select.select([self.leader], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.leader, 65536).decode(errors="replace")
                except OSError:  # it has ended
                    break
            if ready(self.positions(), self.text):
                return
        raise AssertionError(f"{what}: not seen in {self.text[-1500:]!r}")

    def positions(self):
        return [60 * int(m) + float(s) for m, s in re.findall(r"0:(\d\d):(\d\d\.\d) / ", self.text)]

    def press(self, key, times=1):
        self.before = (self.positions() or [self.before])[-1]
        self.text = ""
        for _ in range(times):
            os.write(self.leader, key.encode())
            time.sleep(0.3)  # two at once would be one that it does not know

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.leader)


class Players(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = folder.name

    @unittest.skipUnless(shutil.which(PLAY[0]), "gst-play-1.0 is not installed (gstreamer1.0-plugins-base-apps)")
    def test_gst_play_plays_to_the_end(self):
        done = run([*PLAY, "--no-interactive", "--videosink=checksumsink", URI + "12"], self.scratch, DIT_MODEL=str(TINY))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("ERROR", done.stdout + done.stderr)
        self.assertIn("Reached end of play list", done.stdout)
        sums = re.findall(r"^0:00:0(\d\.\d)0{8} ([0-9a-f]{40})$", done.stdout, re.M)
        self.assertEqual([float(at) for at, _ in sums], [n / 10 for n in range(12)])
        self.assertEqual(len({value for _, value in sums}), 12)

    @unittest.skipUnless(shutil.which(PLAY[0]), "gst-play-1.0 is not installed (gstreamer1.0-plugins-base-apps)")
    def test_gst_play_obeys_its_keys(self):
        player = Keyboard(self.scratch, URI + "3000")  # five minutes
        self.addCleanup(player.close)
        player.until(lambda at, _: at and at[-1] > 0.2, "it plays")
        player.press(" ")
        player.until(lambda _, text: "Paused" in text, "pause")
        player.press(" ")
        player.until(lambda at, _: at and at[-1] > 0.4, "it plays on")
        started = time.monotonic()
        player.press("\x1b[C")  # right: by a part of the duration
        player.until(lambda at, _: at and at[-1] > player.before + time.monotonic() - started + 5, "forward")
        player.press("0")
        player.until(lambda at, _: at and at[-1] < player.before - 5, "to the beginning")
        player.press("+", 3)
        player.until(lambda _, text: "Playback rate: 1.30" in text, "faster")
        player.press("\x1b[C")
        player.until(lambda at, _: at and at[-1] > player.before + 5, "forward at another rate")
        player.press("d")
        player.until(lambda at, text: "rate: -1.30" in text and len(at) > 2 and at[-1] < at[-2], "backwards")
        player.press("q")
        player.until(lambda _, __: player.process.poll() is not None, "quit", 30)
        self.assertEqual(player.process.returncode, 0)

    def python_with_ges(self):
        python = shutil.which("python3", path="/usr/bin")
        probe = subprocess.run([python, "-c", "import gi; gi.require_version('GES', '1.0')"], capture_output=True)
        if probe.returncode != 0:
            self.skipTest("GStreamer's editing services are not installed (gir1.2-ges-1.0)")
        return python

    def test_an_editor_has_the_filter_as_an_effect(self):
        pictures = {}
        scaled = f"videoscale ! {FILTER}"  # since 1.26 a clip comes in its own size, not in the track's
        for effect in ("identity", scaled, scaled.replace("seed=0", "seed=1")):
            done = run([self.python_with_ges(), "-c", EFFECT_SCRIPT, effect], self.scratch, DIT_MODEL=str(TINY))
            self.assertEqual(done.returncode, 0, done.stderr)
            frames = done.stdout.split()[:5]  # the clip's; GES fits them into the frame in a way of its own
            self.assertEqual(len(frames), 5)
            self.assertEqual(len(set(frames)), 1, "what comes in is red, and of strength 1 it does not matter")
            self.assertGreater(max(bytes.fromhex(frames[0])), 100)
            pictures[effect] = frames[0]
        self.assertEqual(len(set(pictures.values())), 3)

    def test_playbin_has_it_as_its_video_filter(self):
        film, seen = self.scratch + "/film.avi", self.scratch + "/seen.rgba"
        done = run(["gst-launch-1.0", "-q", "videotestsrc", "num-buffers=4", "!", "video/x-raw,width=320,height=240,framerate=10/1",
                    "!", "jpegenc", "!", "avimux", "!", "filesink", f"location={film}"], self.scratch)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = run(["gst-launch-1.0", "-q", "playbin", f"uri=file://{film}", f"video-filter=videoscale ! {FILTER}".replace('"red fox"', "fox"),
                    f"video-sink=video/x-raw,format=RGBA ! filesink location={seen}"], self.scratch, DIT_MODEL=str(TINY))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(seen, "rb") as file:
            data = file.read()
        size = 8 * 12 * 4
        self.assertEqual(len(data), 4 * size)
        self.assertEqual(len({data[i:i + size] for i in range(0, 4 * size, size)}), 1, "of strength 1 they are alike")

    def test_an_editor_scrubs_through_clips(self):
        python = self.python_with_ges()
        at = [15, 3, 24, 19, 0, 29, 3]
        done = run([python, "-c", GES_SCRIPT, URI + "40", *map(str, at)], self.scratch, DIT_MODEL=str(TINY))
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.split("\n")
        self.assertEqual(lines[0], "duration 4000000000")
        stream = over_black(self.scratch, 40)
        for tenths, line in zip(at, lines[1:]):
            found, where, data = line.split()
            self.assertEqual([int(found), int(where)], [tenths, tenths * 100000000])
            seen = bytes.fromhex(data)
            alike = [n for n, frame in enumerate(stream) if max(abs(a - b) for a, b in zip(seen, frame, strict=True)) <= 2]
            # Either clip leaves out the first second: 0.5 s of the timeline is 1.5 s of the stream, 2.5 s is 3.5 s.
            self.assertEqual(alike, [tenths + 10])
        self.assertEqual(lines[1 + len(at)], "end eos")


if __name__ == "__main__":
    unittest.main(verbosity=2)
