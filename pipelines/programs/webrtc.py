#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Icons over WebRTC: two peers in one process, the second decodes what the first paints. Needs python3-gst-1.0,
gir1.2-gst-plugins-bad-1.0, gstreamer1.0-plugins-bad and gstreamer1.0-nice.

Offer, answer and candidates go from peer to peer by two calls here; in a service they go through your own signalling.

  pipelines/programs/webrtc.py [PROMPT [FRAMES]]
"""
import os
import pathlib
import sys
import threading

build = os.environ.get("DIT_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")
os.environ["GST_PLUGIN_PATH"] = f"{build}/plugin:" + os.environ.get("GST_PLUGIN_PATH", "")
# Also where Python leaves out a program's own folder (PYTHONSAFEPATH).
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from arguments import given, number, property_text  # noqa: E402
from ending import Interruption, playing, run  # noqa: E402

try:
    import gi
    for name in ("Gst", "GstWebRTC", "GstSdp"):
        gi.require_version(name, "1.0")
    from gi.repository import GLib, Gst, GstWebRTC  # noqa: E402
except (ImportError, ValueError) as error:
    print(f"skipped: {error}", file=sys.stderr)
    sys.exit(77)


class Call:
    def __init__(self, prompt, frames):
        self.wanted, self.seen, self.error = frames, 0, None
        self.loop, self.kept = GLib.MainLoop(), []
        self.lock, self.over = threading.RLock(), False
        self.pipeline = Gst.parse_launch(
            "ditsrc name=paint style=fluent-emoji emit=steps steps=16 hold=5 background=0xffffff "
            "! video/x-raw,format=RGB,framerate=10/1 ! videoscale method=nearest-neighbour "
            "! video/x-raw,width=256,height=256 ! videoconvert ! queue ! vp8enc deadline=1 ! rtpvp8pay "
            "! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! webrtcbin name=sender "
            "webrtcbin name=receiver")
        self.pipeline.get_by_name("paint").set_property("prompt", prompt)
        self.sender, self.receiver = (self.pipeline.get_by_name(name) for name in ("sender", "receiver"))
        self.sender.connect("on-negotiation-needed", self.offer)
        for peer, other in ((self.sender, self.receiver), (self.receiver, self.sender)):
            peer.connect("on-ice-candidate", self.candidate, other)
        self.receiver.connect("pad-added", self.decode)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.fail)

    def tell(self, peer, signal, *arguments):
        """Answers come in threads of the peers', also when the call is over; a peer that has been stopped takes nothing."""
        with self.lock:
            if not self.over:
                peer.emit(signal, *arguments)

    def candidate(self, _, line, text, other):
        self.tell(other, "add-ice-candidate", line, text)

    def ask(self, peer, signal, then):
        def answered(promise):
            reply = promise.get_reply()
            if not reply:  # the peer has been stopped
                return
            self.kept.append(reply)  # the description lives in it
            then(reply.get_value("offer" if signal == "create-offer" else "answer"))
        with self.lock:
            if not self.over:  # a promise that nobody keeps is complained of
                peer.emit(signal, None, Gst.Promise.new_with_change_func(answered))

    def offer(self, _):
        self.ask(self.sender, "create-offer", self.offered)

    def offered(self, description):
        self.tell(self.sender, "set-local-description", description, None)
        self.tell(self.receiver, "set-remote-description", description, None)
        self.ask(self.receiver, "create-answer", self.answered)

    def answered(self, description):
        self.tell(self.receiver, "set-local-description", description, None)
        self.tell(self.sender, "set-remote-description", description, None)

    def decode(self, _, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        bin_ = Gst.parse_bin_from_description(
            "rtpvp8depay ! vp8dec ! fakesink name=out sync=false signal-handoffs=true", True)
        bin_.get_by_name("out").connect("handoff", self.count)
        self.pipeline.add(bin_)
        bin_.sync_state_with_parent()
        pad.link(bin_.get_static_pad("sink"))

    def count(self, *_):
        self.seen += 1
        if self.seen == self.wanted:
            self.loop.quit()

    def fail(self, _, message):
        self.error = message.parse_error()[0].message
        self.loop.quit()

    def run(self, limit_s=60):
        GLib.timeout_add_seconds(limit_s, self.loop.quit)
        interruption = Interruption(self.loop)
        with playing(self.pipeline):
            self.loop.run()
            with self.lock:
                self.over = True
        return interruption.status


def main(prompt="rocket", frames="20"):
    frames, prompt = number("FRAMES", frames, 1, 1000000), property_text("PROMPT", prompt)
    Gst.init(None)
    missing = [name for name in ("webrtcbin", "nicesrc", "vp8enc") if not Gst.ElementFactory.find(name)]
    if missing:
        print(f"skipped: no element {', '.join(missing)}", file=sys.stderr)
        sys.exit(77)
    call = Call(prompt, frames)
    interrupted = call.run()
    if interrupted:
        return interrupted
    print(f"{call.seen} frames received")
    return f"webrtc.py: {call.error or 'too few frames came'}" if call.error or call.seen < call.wanted else 0


run(main, *given("PROMPT", "FRAMES"))
