# SPDX-License-Identifier: MIT
"""pipelines/live-favicon and pipelines/programs/mjpeg.py under attack: they go on serving, in bounded memory."""
import contextlib
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from requests_table import HOST, NAMES, REQUESTS, ask
from support.places import BUILD, SOURCE, TINY, environment

SERVER = BUILD / "live-favicon"
PATIENCE_S = "4"


class Server:
    """`files`: how many descriptors it may have."""

    def __init__(self, *arguments, files=None, model=TINY, command=None, lines=2):
        self.folder = tempfile.TemporaryDirectory()
        # The tiny model paints at once; the default one gives answers that do not fit into the kernel's buffers.
        command = command or [SERVER, "--port", "0", "--device", "cpu", "--patience", PATIENCE_S,
                              *(["--model", model] if model else [])]
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))) if files else None
        self.process = subprocess.Popen([str(a) for a in (*command, *arguments)], cwd=self.folder.name, env=environment(self.folder.name),
                                        stdout=subprocess.PIPE, preexec_fn=limit, text=True)
        for _ in range(lines):
            line = self.process.stdout.readline()
        host, port = re.search(r"http://(.*):(\d+)/", line).groups()
        self.place = host.strip("[]"), int(port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(30)
        self.process.stdout.close()
        self.folder.cleanup()
        assert status == 0, f"it ended with {status}"

    def connect(self, receive_bytes=None, source=None):
        connection = socket.socket(socket.AF_INET6 if ":" in self.place[0] else socket.AF_INET)
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.settimeout(20)
        if source:
            connection.bind((source, 0))
        connection.connect(self.place)
        return connection

    def exchange(self, request, source=None):
        """All that comes back until the other side closes."""
        with self.connect(source=source) as connection, contextlib.suppress(ConnectionError):
            answer = b""
            connection.sendall(request)
            while part := connection.recv(65536):
                answer += part
        return answer

    def status(self, request=ask(b"GET /status")):
        answer = self.exchange(request)
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None

    def wait_for_visitors(self, count, limit_s=30, source=None):
        end, now = time.monotonic() + limit_s, None
        while now != count:
            assert time.monotonic() < end, f"{now} visitors are there, expected {count}"
            found = re.search(rb'"visitors":(\d+)', self.exchange(ask(b"GET /status"), source))
            now = int(found[1]) if found else None
            time.sleep(0.02)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def check_descriptors(self, most, limit_s=5):
        """Pipelines that were told to end give theirs back a moment later."""
        end = time.monotonic() + limit_s
        while (now := self.descriptors()) > most:
            assert time.monotonic() < end, f"{now} descriptors are open, expected at most {most}"
            time.sleep(0.05)

    def memory_mb(self):
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())[1]) / 1024


def ended_by_server(connections, limit_s):
    """How many of them the other side has closed by then."""
    ended, end = 0, time.monotonic() + limit_s
    for connection in connections:
        connection.settimeout(max(end - time.monotonic(), 0.01))
        with contextlib.suppress(TimeoutError):
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass
            ended += 1
    return ended


def motion_jpeg_server(test):
    """mjpeg.py at a port of its own; the test is skipped where it does not start."""
    try:
        return Server(command=("/usr/bin/python3", SOURCE / "pipelines/programs/mjpeg.py", "rocket", "0"), lines=1)
    except AttributeError:
        return test.skipTest("mjpeg.py did not start: python3-gst-1.0 may be missing")


def close(connections):
    for connection in connections:
        connection.close()


@unittest.skipUnless(SERVER.exists(), "live-favicon is not built")
class Options(unittest.TestCase):
    def said(self, *arguments, status, model=TINY):
        done = subprocess.run([SERVER, "--model", model, "--device", "cpu", *arguments], capture_output=True, timeout=60,
                              stdin=subprocess.DEVNULL, env=environment(tempfile.gettempdir()))
        self.assertEqual(done.returncode, status, (arguments, done.stderr))
        self.assertNotRegex(done.stdout + done.stderr, rb"[\x00-\x08\x0b-\x1f\x7f]", arguments)
        return done.stderr

    def test_numbers(self):
        for option in ("--port", "--connections", "--per-address", "--patience", "--visitors", "--visitors-per-address", "--steps",
                       "--prompt-length"):
            for text in ("010", "0x10", "+5", "1e3", "-1", " 5", "99999999999", "\u0665", "\x1b]0;owned\x07"):
                self.assertIn(b"expected a whole number", self.said(f"{option}={text}", status=2), option)

    def test_text(self):
        evil = "\x1b]0;owned\x07\n"
        self.assertIn(b"--listen", self.said("--port=0", f"--listen={evil}", status=1))
        self.assertIn(b"--host", self.said("--port=0", f"--host={evil}", status=1))
        self.said(evil, status=2)
        tensors = TINY.read_bytes()
        size = int.from_bytes(tensors[:8], "little")
        header = json.loads(tensors[8:8 + size])
        config = json.loads(header["__metadata__"]["config"])
        header["__metadata__"]["config"] = json.dumps({**config, "name": evil})
        text = json.dumps(header).encode()
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "evil.safetensors"
            model.write_bytes(len(text).to_bytes(8, "little") + text + tensors[8 + size:])
            # It has opened the model and named it when it finds that it cannot listen.
            self.said("--port=0", "--listen=192.0.2.1", status=1, model=model)


@unittest.skipUnless(SERVER.exists(), "live-favicon is not built")
class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("--host", "icons.example", "--host", "2001:DB8::7"))

    def test_each_gets_its_status(self):
        for status, request in REQUESTS:
            with self.subTest(request[:90]):
                self.assertEqual(self.server.status(request), status)
        self.server.wait_for_visitors(0)

    def test_names(self):
        more = [(b"icons.example", 200), (b"ICONS.EXAMPLE.:8080", 200), (b"[2001:db8:0::7]:80", 200),
                (b"x.icons.example", 403), (b"icons.example.evil", 403)]
        for host, status in NAMES + more:
            with self.subTest(host):
                self.assertEqual(self.server.status(ask(b"GET /status", host=b"Host: " + host + b"\r\n")), status)
        for name in ("", "a b", "icons.example:80", "[::1", "a/b", "[::1]:80"):
            done = subprocess.run([SERVER, "--port", "0", "--device", "cpu", "--host", name], capture_output=True, text=True,
                                  timeout=60, env=environment(self.server.folder.name))
            self.assertEqual(done.returncode, 1, name)
            self.assertIn("--host: expected", done.stderr)

    def test_every_answer_forbids_frames_and_closes(self):
        for path in (b"/", b"/status", b"/icon.png?steps=1", b"/paint?steps=1", b"/none"):
            head = self.server.exchange(ask(b"GET " + path)).split(b"\r\n\r\n")[0]
            self.assertRegex(head, rb"Content-Security-Policy: default-src 'none';.* frame-ancestors 'none'")
            self.assertIn(b"\r\nConnection: close", head)
        get, head = (self.server.exchange(ask(method + b" /status")) for method in (b"GET", b"HEAD"))
        self.assertEqual(*(re.sub(rb"\r\nDate: [^\r]*", b"", text.split(b"\r\n\r\n")[0]) for text in (get, head)))
        self.assertTrue(head.endswith(b"\r\n\r\n") and not get.endswith(b"\r\n\r\n"))

    def test_a_request_in_single_bytes(self):
        with self.server.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in ask(b"GET /status"):
                connection.sendall(bytes([byte]))
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200 "))

    def test_foreign_pages_leave_nothing_on_the_wall(self):
        paint = b"GET /paint?prompt=fox&steps=1&seed=4711"
        for field in (b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Site: same-site", b"Origin: null", b"Referer: http://evil/"):
            self.assertEqual(self.server.status(ask(paint, field)), 403)
        self.assertEqual(self.server.status(ask(paint, host=b"Host: evil.example\r\n")), 403)
        self.assertNotIn(b'"4711"', self.server.exchange(ask(b"GET /recent")))

    def test_bodies_take_no_memory(self):
        before = self.server.memory_mb()
        for start in (ask(b"POST /", b"Content-Length: 100000000000"), ask(b"POST /", b"Transfer-Encoding: chunked"),
                      ask(b"GET /paint?steps=1", b"Content-Length: 100000000000"), b"GET / HTTP/1.1\r\nA: "):
            with self.server.connect() as connection, contextlib.suppress(ConnectionError):
                connection.sendall(start)
                for _ in range(256):
                    connection.sendall(b"100000\r\n" + b"a" * 0x20000)
        self.assertLess(self.server.memory_mb() - before, 16)

    def test_ranges_are_not_answered(self):
        for seed in range(3):
            self.server.exchange(ask(b"GET /paint?prompt=fox&steps=2&seed=%d" % seed))
        before = self.server.memory_mb()
        ranges = b"Range: bytes=" + b",".join([b"0-"] * 1000)
        whole = self.server.exchange(ask(b"GET /recent"))
        answers = [self.server.exchange(ask(b"GET /recent", field)) for field in (ranges, b"Range: bytes=0-1")]
        self.assertEqual([(a.split(b" ")[1], len(a)) for a in answers], [(b"200", len(whole))] * 2)
        self.assertLess(self.server.memory_mb() - before, 16)

    def test_half_sent_heads(self):
        before = self.server.descriptors()
        connections = [self.server.connect() for _ in range(200)]
        for k, connection in enumerate(connections):
            with contextlib.suppress(ConnectionError):
                connection.sendall(ask(b"GET /status")[:k % 40])
        self.assertEqual(self.server.status(), 200)
        self.assertEqual(ended_by_server(connections, 60), 200)
        close(connections)
        self.server.wait_for_visitors(0)
        self.server.check_descriptors(before + 3)

    def test_a_head_that_drips(self):
        with self.server.connect() as connection, self.assertRaises(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\n")
            end = time.monotonic() + 60
            while time.monotonic() < end:
                connection.sendall(b"A: b\r\n")
                time.sleep(0.1)

    def test_who_comes_and_leaves_at_once(self):
        before = self.server.descriptors()
        for k in range(200):
            with self.server.connect() as connection:
                connection.sendall(ask(b"GET /paint?steps=64" if k % 2 else b"GET /icon.webp?steps=64"))
        self.assertEqual(self.server.status(), 200)
        self.server.wait_for_visitors(0)
        self.assertEqual(self.server.status(ask(b"GET /icon.png?steps=1")), 200)
        self.server.check_descriptors(before + 3)


@unittest.skipUnless(SERVER.exists(), "live-favicon is not built")
class Crowds(unittest.TestCase):
    def test_those_who_do_not_read_lock_nobody_out(self):
        with Server("--visitors", "4", "--visitors-per-address", "4", model=None) as server:
            crowd = []
            for k in range(8):
                crowd.append(server.connect(receive_bytes=4096))
                crowd[-1].sendall(ask(b"GET /icon.webp?steps=32" if k % 2 else b"GET /paint?steps=32"))
            end = time.monotonic() + 30
            while server.status(ask(b"GET /icon.png?steps=1")) != 200:
                self.assertLess(time.monotonic(), end, "nobody else gets an icon")
                time.sleep(0.1)
            server.wait_for_visitors(0)
            close(crowd)

    def test_connections_that_the_other_side_closes(self):
        with Server(files=64) as server:
            before = server.descriptors()
            for _ in range(120):
                with server.connect() as connection:
                    connection.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n")
                    self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200 "))
            self.assertEqual(server.status(ask(b"GET /paint?steps=1")), 200)
            server.check_descriptors(before + 3)

    def test_without_descriptors(self):
        with Server(files=40) as server:
            connections = [server.connect() for _ in range(80)]
            self.assertEqual(server.status(), 200, "while they are there")
            close(connections)
            for request in (ask(b"GET /status"), ask(b"GET /icon.png?steps=1"), ask(b"GET /paint?steps=2")):
                self.assertEqual(server.status(request), 200, request)

    def test_one_address_has_its_share(self):
        with Server("--connections", "8", "--per-address", "4", "--visitors", "8", "--visitors-per-address", "8", model=None) as server:
            painting = [server.connect() for _ in range(4)]
            for connection in painting:
                connection.sendall(ask(b"GET /icon.webp?steps=64"))
            server.wait_for_visitors(4, source="127.0.0.2")
            self.assertIn(server.status(), (503, None), "a fifth of the same address")
            close(painting)
            server.wait_for_visitors(0, source="127.0.0.2")
            self.assertEqual(server.status(), 200)

    def test_over_ipv6(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError as error:
            self.skipTest(f"no IPv6 on this machine: {error}")
        with Server("--listen", "::1") as server:
            for host, status in ((b"[::1]", 200), (b"[0:0::1]:%d" % server.place[1], 200), (b"localhost", 200),
                                 (b"[::2]", 403), (b"127.0.0.1", 403), (b"::1", 400)):
                self.assertEqual(server.status(ask(b"GET /status", host=b"Host: " + host + b"\r\n")), status, host)
        with Server("--listen", "::") as server:
            server.place = ("127.0.0.1", server.place[1])  # arrives as ::ffff:127.0.0.1
            for host, status in ((b"127.0.0.1", 200), (b"[::]", 200), (b"evil", 403)):
                self.assertEqual(server.status(ask(b"GET /status", host=b"Host: " + host + b"\r\n")), status, host)

    def test_motion_jpeg(self):
        with motion_jpeg_server(self) as server:
            for request, status in ((ask(b"GET /", host=b"Host: evil\r\n"), b"403"), (ask(b"GET /", HOST[:-2]), b"400"),
                                    (ask(b"POST /"), b"405")):
                self.assertEqual(server.exchange(request).split(b" ")[1], status)
            halves = [server.connect() for _ in range(20)]
            with server.connect() as connection:
                connection.sendall(ask(b"GET /"))
                self.assertIn(b"multipart/x-mixed-replace", connection.recv(200))
            self.assertEqual(ended_by_server(halves, 60), 20)
            close(halves)
