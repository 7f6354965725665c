#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Icons as motion JPEG for any browser's <img>, one pipeline for all who watch. Needs python3-gst-1.0.

  pipelines/programs/mjpeg.py [PROMPT [PORT]]      then open http://127.0.0.1:8080/
"""
import os
import pathlib
import socket
import sys
import threading
import time

build = os.environ.get("DIT_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")
os.environ["GST_PLUGIN_PATH"] = f"{build}/plugin:" + os.environ.get("GST_PLUGIN_PATH", "")
import gi  # noqa: E402
from arguments import number, property_text  # noqa: E402

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

# multipartmux writes the parts and multifdsink feeds every socket; only HTTP's first lines are missing.
HEAD = b"HTTP/1.0 200 OK\r\nCache-Control: no-store\r\nContent-Type: multipart/x-mixed-replace;boundary=icon\r\n\r\n"


MOST_WATCHERS = 64
HEAD_SECONDS = 5


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


def welcome(connection, sink, places):
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
        sink.emit("add", connection.detach())
    except OSError:
        connection.close()
        places.release()


def main(prompt="rocket", port="8080"):
    port, prompt = number("PORT", port, 0, 65535), property_text("PROMPT", prompt)
    Gst.init(None)
    pipeline = Gst.parse_launch(
        "ditsrc name=paint style=fluent-emoji emit=steps steps=16 hold=10 background=0xffffff "
        "! video/x-raw,format=RGB,framerate=10/1 ! videoscale method=nearest-neighbour "
        "! video/x-raw,width=512,height=512 ! videoconvert ! jpegenc ! multipartmux boundary=icon "
        # Starts a new watcher at the newest part, drops one who is half a second behind to a later part.
        "! multifdsink name=sink sync=true recover-policy=latest buffers-soft-max=5 buffers-max=50")
    pipeline.get_by_name("paint").set_property("prompt", prompt)
    sink, loop, failed = pipeline.get_by_name("sink"), GLib.MainLoop(), []
    places = threading.Semaphore(MOST_WATCHERS)

    def leave(_, descriptor):
        os.close(descriptor)
        places.release()
    sink.connect("client-fd-removed", leave)

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
    # Before the first watcher: the sink takes none until it has left NULL, and would keep the socket in silence.
    pipeline.set_state(Gst.State.PLAYING)
    print(f"open http://127.0.0.1:{server.getsockname()[1]}/", flush=True)

    def accept():
        while True:
            places.acquire()  # later ones wait in the kernel until somebody leaves
            try:
                connection = server.accept()[0]
            except OSError:  # no descriptors left, for now
                places.release()
                time.sleep(0.1)
                continue
            threading.Thread(target=welcome, args=(connection, sink, places), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    try:
        loop.run()
    except KeyboardInterrupt:
        pass
    pipeline.set_state(Gst.State.NULL)
    if failed:
        sys.exit(f"mjpeg.py: {failed[0]}")


main(*sys.argv[1:3])
