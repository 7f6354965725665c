#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Icons as motion JPEG for any browser's <img>, one pipeline for all who watch. Needs python3-gst-1.0.

  pipelines/programs/mjpeg.py [PROMPT [PORT]]      then open http://127.0.0.1:8080/
"""
import contextlib
import os
import pathlib
import socket
import sys
import threading
import time

build = os.environ.get("DIT_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")
os.environ["GST_PLUGIN_PATH"] = f"{build}/plugin:" + os.environ.get("GST_PLUGIN_PATH", "")
# Also where Python leaves out a program's own folder (PYTHONSAFEPATH).
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import gi  # noqa: E402
from arguments import given, number, property_text  # noqa: E402
from ending import Interruption, playing, run  # noqa: E402

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

# multipartmux writes the parts and multifdsink feeds every socket; only HTTP's first lines are missing.
HEAD = b"HTTP/1.0 200 OK\r\nCache-Control: no-store\r\nContent-Type: multipart/x-mixed-replace;boundary=icon\r\n\r\n"
MOST_WATCHERS, MOST_OF_AN_ADDRESS = 64, 32
HEAD_SECONDS = 5
#: Who takes fewer bytes in that time, while there are more, is dropped; after the shorter time he gives his place to
#: whoever waits for it. The kernel holds some for him that he has not read.
LEAST_BYTES, PATIENCE_S, SHORT_S, KERNEL_BYTES = 20000, 10, 2, 65536


class Watchers:
    """Who is connected, by descriptor: from where, and when he last took enough of what there was."""

    def __init__(self, sink):
        self.sink, self.lock, self.known = sink, threading.Lock(), {}

    def take_in(self, descriptor, address):
        """Returns whether there is a place for one more from there."""
        with self.lock:
            alike = [one for one in self.known.items() if one[1]["address"] == address]
            crowd = alike if len(alike) >= MOST_OF_AN_ADDRESS else list(self.known.items())
            full = len(alike) >= MOST_OF_AN_ADDRESS or len(self.known) >= MOST_WATCHERS
            now = time.monotonic()
            idle = [one for one in crowd if one[1]["watches"] and now - one[1]["since"] > SHORT_S]
            if full and not idle:
                return False
            self.known[descriptor] = {"address": address, "watches": False, "since": now, "taken": 0, "served": 0}
        if full:
            self.sink.emit("remove", min(idle, key=lambda one: one[1]["since"])[0])
        return True

    def watch(self, descriptor):
        with self.lock:
            self.known[descriptor]["watches"] = True
            self.known[descriptor]["since"] = time.monotonic()
        self.sink.emit("add", descriptor)

    def forget(self, descriptor):
        with self.lock:
            self.known.pop(descriptor, None)
        os.close(descriptor)

    def check(self):
        served, now = self.sink.props.bytes_to_serve, time.monotonic()
        with self.lock:
            watching = [(descriptor, one) for descriptor, one in self.known.items() if one["watches"]]
        for descriptor, one in watching:
            stats = self.sink.emit("get-stats", descriptor)
            taken = stats.get_uint64("bytes-sent").value if stats and stats.has_field("bytes-sent") else 0
            # A slow engine is nobody's fault.
            if taken - one["taken"] >= LEAST_BYTES or served - one["served"] < 4 * LEAST_BYTES:
                one.update(taken=taken, served=served, since=now)
            elif now - one["since"] > PATIENCE_S:
                self.sink.emit("remove", descriptor)
        return True


def read_head(connection):
    """The request's first lines, in bounded bytes and time."""
    head, end = b"", time.monotonic() + HEAD_SECONDS
    while b"\r\n\r\n" not in head:
        connection.settimeout(max(end - time.monotonic(), 0.001))
        part = connection.recv(4096)
        if not part or len(head) > 8192:
            raise OSError("not a request")
        head += part
    return head.decode("latin-1").split("\r\n")


def refusal(lines):
    """A page of any site may show the icons, but none may read them: a name of the web that leads here is not ours."""
    hosts = [value.strip().lower() for name, _, value in (line.partition(":") for line in lines[1:])
             if name.lower() == "host"]
    if len(hosts) != 1:
        return "400 Bad Request"
    name, _, port = hosts[0].partition(":")
    if name.removesuffix(".") not in ("127.0.0.1", "localhost") or not (port == "" or port.isdecimal()):
        return "403 Forbidden"
    return "" if lines[0].split(" ")[0] in ("GET", "HEAD") else "405 Method Not Allowed\r\nAllow: GET, HEAD"


def welcome(connection, watchers):
    descriptor = connection.fileno()
    try:
        lines = read_head(connection)
        refused = refusal(lines)
        if refused:
            connection.sendall(f"HTTP/1.0 {refused}\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            connection.sendall(HEAD)
        if refused or lines[0].startswith("HEAD "):
            raise OSError("answered")
        connection.setblocking(False)
        watchers.watch(connection.detach())
    except OSError:
        connection.detach()
        watchers.forget(descriptor)


def main(prompt="rocket", port="8080"):
    port, prompt = number("PORT", port, 0, 65535), property_text("PROMPT", prompt)
    Gst.init(None)
    pipeline = Gst.parse_launch(
        "ditsrc name=paint style=fluent-emoji emit=steps steps=16 hold=10 background=0xffffff "
        "! video/x-raw,format=RGB,framerate=10/1 ! videoscale method=nearest-neighbour "
        "! video/x-raw,width=512,height=512 ! videoconvert ! jpegenc ! multipartmux boundary=icon "
        # Starts a new watcher at the newest part, moves one who is half a second behind to a later part.
        "! multifdsink name=sink sync=true recover-policy=latest buffers-soft-max=5 buffers-max=50")
    pipeline.get_by_name("paint").set_property("prompt", prompt)
    sink, loop, failed = pipeline.get_by_name("sink"), GLib.MainLoop(), []
    watchers = Watchers(sink)
    sink.connect("client-fd-removed", lambda _, descriptor: watchers.forget(descriptor))
    GLib.timeout_add_seconds(1, watchers.check)

    def stop(_, message):
        failed.append(message.parse_error()[0].message)
        loop.quit()
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::error", stop)

    try:
        server = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        sys.exit(f"mjpeg.py: port {port}: {error}")
    def accept():
        while True:
            try:
                connection, (address, _) = server.accept()
            except OSError:  # no descriptors left, for now
                time.sleep(0.1)
                continue
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
            if watchers.take_in(connection.fileno(), address):
                threading.Thread(target=welcome, args=(connection, watchers), daemon=True).start()
            else:
                with connection, contextlib.suppress(OSError):
                    connection.sendall(b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n")

    Interruption(loop)
    # Before the first watcher: the sink takes none until it has left NULL, and would keep the socket in silence.
    with playing(pipeline):
        print(f"open http://127.0.0.1:{server.getsockname()[1]}/", flush=True)
        threading.Thread(target=accept, daemon=True).start()
        loop.run()
    return f"mjpeg.py: {failed[0]}" if failed else 0


run(main, *given("PROMPT", "PORT"))
