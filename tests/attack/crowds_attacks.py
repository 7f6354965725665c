# SPDX-License-Identifier: MIT
"""Crowds from one address, with the options that pipelines/live-favicon and mjpeg.py have by themselves: others get in."""
import contextlib
import random
import select
import socket
import subprocess
import sys
import threading
import time
import unittest

from requests_table import ask
from server_attacks import SERVER, Server, close, motion_jpeg_server
from support.places import SOURCE

ELSEWHERE = "127.0.0.2"


def words(seed):
    """Nobody knows them, and each is looked for among all that are known."""
    chosen = random.Random(seed)
    return "+".join("".join(chosen.choices("abcdefghijklmnopqrstuvwxyz", k=19)) for _ in range(10)).encode()


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else None


@unittest.skipUnless(SERVER.exists(), "live-favicon is not built")
class Shares(unittest.TestCase):
    def start(self, *options):
        server = Server(*options, model=None)
        self.addCleanup(server.__exit__)
        return server

    def send(self, server, request, count):
        connections = [server.connect() for _ in range(count)]
        self.addCleanup(close, connections)
        for connection in connections:
            connection.sendall(request)
        return connections

    def test_those_who_paint_without_end_lock_nobody_out(self):
        server = self.start("--steps", "1000")
        self.send(server, ask(b"GET /icon.webp?steps=1000"), 40)
        server.wait_for_visitors(8, source=ELSEWHERE)
        for _ in range(3):
            self.assertEqual(status(server.exchange(ask(b"GET /icon.png?steps=1"), ELSEWHERE)), 200)
        self.assertIn(b"8 visitors of this address are painting", server.exchange(ask(b"GET /icon.png?steps=1")))

    def test_those_who_come_and_leave_lock_nobody_out(self):
        server = self.start("--steps", "1000")
        for _ in range(100):
            with server.connect() as connection:
                connection.sendall(ask(b"GET /paint?steps=1000"))
        self.assertEqual(status(server.exchange(ask(b"GET /icon.png?steps=1"), ELSEWHERE)), 200)

    def test_a_share_is_a_quarter_unless_it_is_named(self):
        for options, count in ((("--visitors", "2"), 1), (("--visitors", "6", "--visitors-per-address", "3"), 3)):
            server = self.start("--steps", "1000", *options)
            self.send(server, ask(b"GET /icon.webp?steps=1000"), 5)
            server.wait_for_visitors(count, source=ELSEWHERE)

    def test_unknown_words_keep_nobody_waiting(self):
        server = self.start()
        connections = self.send(server, ask(b"GET /read?prompt=" + words(1)), 60)
        self.assertEqual(status(server.exchange(ask(b"GET /status"), ELSEWHERE)), 200)
        self.assertEqual(status(server.exchange(ask(b"GET /read?prompt=kaffee"), ELSEWHERE)), 200)
        answered = len(select.select(connections, [], [], 0)[0])
        self.assertLess(answered, 45, "all of them came first")
        for connection in connections[::2]:
            connection.close()
        for connection in connections[1::2]:
            self.assertEqual(status(connection.recv(100)), 200)

    def test_a_measurement_says_that_somebody_was_refused(self):
        server = self.start("--visitors", "2")
        for options, reason in ((("--visitors", "6"), "503: "), (("--visitors", "1", "--steps", "100"), "400: steps")):
            self.fails_to_measure(1, f"[16] visitors: {reason}", *options, "--seconds", "1", f"http://127.0.0.1:{server.place[1]}")

    def fails_to_measure(self, status, reason, *options):
        done = subprocess.run([sys.executable, "-B", SOURCE / "pipelines/live-favicon/measure.py", *options],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        self.assertRegex(done.stderr, f"^measure.py: {reason}[^\n\x1b]*\n$")

    def test_measurements_that_mean_nothing(self):
        nobody = "http://127.0.0.1:1"
        for name in ("--visitors", "--steps", "--seconds"):
            for text in ("x", "", "0", "-1", "1_0", "nan", "inf", " 5", "9" * 30):
                self.fails_to_measure(2, f"{name}: expected a whole number", f"{name}={text}", nobody)
        for text in ("127.0.0.1:8064", "", "http://", "file:///etc/passwd", "http://127.0.0.1:99999", "http://[::1"):
            self.fails_to_measure(2, "ADDRESS: expected http://", text)
        self.fails_to_measure(1, "1 visitors: .*refused", "--visitors", "1", nobody)

    def test_a_server_that_says_nothing_or_too_much(self):
        for answer, reason in ((b"HTTP/1.1 200 OK\r\n\r\n", "no icon came"), (b"nonsense\x1b[2J\r\n\r\n", r"nonsense\\x1b\[2J"), (b"", ""),
                               (b"HTTP/1.1 500 no\r\n\r\n\xff\x1b]0;owned\x07", "500: \ufffd" + r"\\x1b\]0;owned")):
            with self.subTest(answer), socket.create_server(("127.0.0.1", 0)) as server:
                threading.Thread(target=self.answer_all, args=(server, answer), daemon=True).start()
                self.fails_to_measure(1, "1 visitors: " + reason, "--visitors", "1", "--seconds", "1",
                                      f"http://127.0.0.1:{server.getsockname()[1]}")
                server.shutdown(socket.SHUT_RDWR)

    def answer_all(self, server, answer):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(4096)
                    connection.sendall(answer)


class MotionJpeg(unittest.TestCase):
    def test_those_who_do_not_read_lock_nobody_out(self):
        with motion_jpeg_server(self) as server:
            connections = [server.connect(receive_bytes=2048) for _ in range(64)]
            for connection in connections:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(ask(b"GET /"))
            self.assertEqual(self.begin(server, ELSEWHERE), 200)
            end = time.monotonic() + 60
            while self.begin(server, None) != 200:  # who does not read gives his place up
                self.assertLess(time.monotonic(), end, "nobody else of that address gets in")
                time.sleep(0.2)
            close(connections)

    def begin(self, server, source):
        with server.connect(source=source) as connection, contextlib.suppress(OSError):
            connection.sendall(ask(b"GET /"))
            return status(connection.recv(100))
        return None


if __name__ == "__main__":
    unittest.main(verbosity=2)
