# SPDX-License-Identifier: MIT
"""Drawings sent to pipelines/live-favicon by those who mean harm: halves, drips, crowds, more than was announced."""
import contextlib
import re
import socket
import time
import unittest

from requests_table import BODY, DRAW, LENGTH, TYPE, ask, draw
from server_attacks import PATIENCE_S, SERVER, Server, close, ended_by_server

HEAD = ask(DRAW, TYPE, LENGTH)
#: Of the default model, 64 pixels by 64.
LARGE = ask(b"POST /draw.png?prompt=fox&steps=1", TYPE, b"Content-Length: 16384")


@unittest.skipUnless(SERVER.exists(), "live-favicon is not built")
class Bodies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server())

    def check_it_paints(self):
        self.server.wait_for_visitors(0)
        self.assertEqual(self.server.status(draw()), 200)

    def test_a_refusal_says_what_is_allowed(self):
        for request, allowed in ((ask(b"GET /draw.png"), b"POST"), (ask(b"OPTIONS /draw.ico"), b"POST"), (draw(line=b"POST /"), b"GET, HEAD")):
            self.assertEqual(re.findall(rb"\r\nAllow: ([^\r]*)\r\n", self.server.exchange(request)), [allowed])

    def test_it_is_refused_before_the_body_comes(self):
        for request, status in ((ask(DRAW, TYPE, LENGTH, b"Origin: null"), b"403"), (ask(DRAW, LENGTH), b"415"), (ask(DRAW, TYPE), b"411"),
                                (ask(DRAW, TYPE, b"Content-Length: 385"), b"413"), (ask(DRAW, TYPE, b"Content-Length: 1"), b"400")):
            with self.server.connect() as connection:
                connection.sendall(request)
                self.assertEqual(connection.recv(100).split(b" ")[1], status)

    def test_in_single_bytes_and_waiting_to_be_asked(self):
        with self.server.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in ask(DRAW, TYPE, LENGTH, b"Expect: 100-continue"):
                connection.sendall(bytes([byte]))
            self.assertEqual(connection.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            for byte in BODY:
                connection.sendall(bytes([byte]))
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200 "))
        # Who sends it at once is not asked for it.
        self.assertTrue(self.server.exchange(draw(b"Expect: 100-continue")).startswith(b"HTTP/1.1 200 "))

    def test_a_body_that_ends_too_early_paints_nothing(self):
        for end in (0, 1, 383):
            with self.server.connect() as connection:
                connection.sendall(HEAD + BODY[:end])
                connection.shutdown(socket.SHUT_WR)
                self.assertEqual(connection.recv(100), b"")
        self.check_it_paints()

    def test_a_body_that_drips(self):
        with self.server.connect() as connection:
            connection.sendall(HEAD)
            begin, answer = time.monotonic(), b""
            connection.settimeout(0.1)
            with contextlib.suppress(ConnectionError):
                while not answer and time.monotonic() < begin + 60:
                    connection.sendall(b"a")
                    with contextlib.suppress(TimeoutError):
                        answer = connection.recv(100)
        self.assertTrue(answer.startswith(b"HTTP/1.1 408 "), answer)
        self.check_it_paints()

    def test_a_hundred_half_sent_bodies(self):
        before = self.server.descriptors()
        connections = [self.server.connect() for _ in range(100)]
        for k, connection in enumerate(connections):
            with contextlib.suppress(ConnectionError):
                connection.sendall(HEAD + BODY[:k])
        self.assertEqual(self.server.status(draw()), 200, "while they are there")
        self.assertEqual(ended_by_server(connections, 60), 100)
        close(connections)
        self.server.check_descriptors(before + 3)
        self.check_it_paints()

    def test_more_than_was_announced_takes_no_memory(self):
        before = self.server.memory_mb()
        for start in (HEAD, ask(DRAW, TYPE, b"Content-Length: 100000000000"), ask(DRAW, TYPE, b"Transfer-Encoding: chunked")):
            with self.server.connect() as connection, contextlib.suppress(ConnectionError):
                connection.sendall(start)
                for _ in range(256):
                    connection.sendall(b"100000\r\n" + b"a" * 0x20000)
        self.assertLess(self.server.memory_mb() - before, 16)
        self.check_it_paints()

    def test_who_draws_and_leaves_at_once(self):
        before = self.server.descriptors()
        for k in range(200):
            with self.server.connect() as connection:
                connection.sendall(draw(line=b"POST /draw.png?steps=64&strength=1" + (b"&page=" + b"a" * 32 if k % 2 else b"")))
        self.check_it_paints()
        self.server.check_descriptors(before + 3)


@unittest.skipUnless(SERVER.exists(), "live-favicon is not built")
class LargeBodies(unittest.TestCase):
    def test_those_who_send_half_of_them_take_no_memory_and_lock_nobody_out(self):
        with Server("--per-address", "128", model=None) as server:
            whole = LARGE + b"\x80" * 16384
            self.assertEqual(server.status(whole), 200)
            before = server.memory_mb()
            connections = [server.connect() for _ in range(128)]
            for connection in connections:
                connection.sendall(LARGE + b"\x80" * 16383)
            self.assertEqual(server.status(whole), 200, "while they are there")
            self.assertLess(server.memory_mb() - before, 16)
            # Longer than a request without a body has: what it takes at 2 KiB/s besides.
            begin = time.monotonic()
            self.assertEqual(ended_by_server(connections, 60), 128)
            self.assertLess(time.monotonic() - begin, 40)
            close(connections)
            server.wait_for_visitors(0)

    def test_slow_ones_have_the_time_that_their_length_takes(self):
        with Server(model=None) as server, server.connect() as connection:
            connection.sendall(LARGE)
            # In all more than half of --patience, which is what a request without a body has.
            for _ in range(4):
                time.sleep(int(PATIENCE_S) / 2 / 3)
                connection.sendall(b"\x80" * 4096)
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200 "))

    def test_a_page_that_draws_without_end_has_one_icon_at_a_time(self):
        with Server("--steps", "1000", model=None) as server:
            connections = [server.connect() for _ in range(12)]
            for connection in connections:
                # A thousand steps take half a minute, twelve requests do not.
                steps = b"4" if connection is connections[-1] else b"1000"
                connection.sendall(LARGE.replace(b"&steps=1", b"&strength=1&page=" + b"c" * 32 + b"&steps=" + steps) + b"\x80" * 16384)
            self.assertEqual([connection.recv(100).split(b" ")[1] for connection in connections], [b"409"] * 11 + [b"200"])
            close(connections)
            server.wait_for_visitors(0)
