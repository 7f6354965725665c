# SPDX-License-Identifier: MIT
"""The live favicon's server under test, and what its answers are. Shared by the tests."""
import http.client
import io
import json
import pathlib
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from PIL import Image

from support import browser
from support.places import BUILD, environment

SERVER = BUILD / "live-favicon"
#: Of the body of a drawing.
TYPE = "application/octet-stream"


def pixels(png):
    with Image.open(io.BytesIO(png)) as image:
        return image.convert("RGBA").tobytes()


class Server:
    def __init__(self, scratch, *arguments):
        self.process = subprocess.Popen([SERVER, "--port", "0", "--device", "cpu", *arguments], cwd=scratch,
                                        env=environment(scratch), stdout=subprocess.PIPE, text=True)
        self.device = self.process.stdout.readline()
        self.address = self.process.stdout.readline().split()[1].rstrip("/")
        self.port = int(self.address.rsplit(":", 1)[1])

    def close(self):
        self.process.terminate()
        self.status = self.process.wait(20)
        self.process.stdout.close()

    def get(self, path, query="", method="GET"):
        if not isinstance(query, str):
            query = urllib.parse.urlencode(query)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path + ("?" + query if query else ""))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def draw(self, query, body, path="/draw.png", **fields):
        """Status and body of the answer to a drawing."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", path + "?" + urllib.parse.urlencode(query), body, {"Content-Type": TYPE, **fields})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def json(self, path, query=""):
        return json.loads(self.get(path, query)[1])

    def events(self, query):
        status, body = self.get("/paint", query)
        assert status == 200, body
        return parse(body.decode())

    def wait_for_visitors(self, count, limit=10):
        end = time.monotonic() + limit
        while self.json("/status")["visitors"] != count:
            assert time.monotonic() < end, f"still {self.json('/status')['visitors']} visitors, expected {count}"
            time.sleep(0.02)


@unittest.skipUnless(SERVER.exists(), "live-favicon is not built")
class ServerCase(unittest.TestCase):
    """A folder and a server in it for all tests of a class, which names its `options`."""
    options = ()

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.scratch = pathlib.Path(folder.name)
        cls.server = Server(cls.scratch, *cls.options)
        cls.addClassCleanup(cls.server.close)


@unittest.skipUnless(browser.PROGRAM, browser.MISSING)
class PageCase(ServerCase):
    """With a browser for its page."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.chromium = cls.enterClassContext(browser.Browser())


def parse(text):
    events = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events
