# SPDX-License-Identifier: MIT
"""pipelines/live-favicon: what it answers, whom it refuses, and its page in a browser."""
import base64
import http.server
import io
import re
import socket
import threading
import time
import unittest
import urllib.parse

from PIL import Image

from support import browser
from support.favicon import SERVER, Server, ServerCase, parse, pixels
from support.places import DIT, TINY, run

ASK = {"prompt": "castle", "style": "fluent-emoji", "seed": "7", "steps": "12"}


class Favicon(ServerCase):
    # One of the visitors reads later, on a busy machine much later.
    options = ("--visitors", "4", "--visitors-per-address", "4", "--patience", "200")

    def generated(self, ask=ASK):
        done = run([DIT, "generate", "--quiet", "--device", "cpu", "--prompt", ask["prompt"], "--style", ask["style"],
                    "--seed", ask["seed"], "--steps", ask["steps"], "-o", "wanted.png"], self.scratch)
        self.assertEqual(done.returncode, 0, done.stderr)
        return pixels((self.scratch / "wanted.png").read_bytes())

    # Answers

    def test_every_step_and_the_icon_that_dit_generates(self):
        events = self.server.events(ASK)
        self.assertEqual([name for name, _ in events], ["step"] * 12 + ["done"])
        self.assertEqual([data["step"] for _, data in events[:-1]], list(range(1, 13)))
        last = base64.b64decode(events[-2][1]["png"])
        self.assertEqual(pixels(last), self.generated())
        self.assertGreater(events[-1][1]["ms"], 1)
        recent = self.server.json("/recent")[-1]
        self.assertEqual((recent["prompt"], recent["seed"], base64.b64decode(recent["png"])), ("castle", "7", last))
        self.assertEqual(self.server.json("/recent", f"after={recent['id']}"), [])

    def test_icons_are_newer_than_those_of_an_earlier_run(self):
        ids = []
        for _ in range(2):
            server = Server(self.scratch, "--model", str(TINY))
            server.events({"steps": "1"})
            ids.append(server.json("/recent")[-1]["id"])
            server.close()
        self.assertGreater(ids[1], ids[0], "a page that has seen the first one would miss the second")

    def test_downloads(self):
        wanted = self.generated()
        status, png = self.server.get("/icon.png", ASK)
        self.assertEqual((status, pixels(png)), (200, wanted))
        status, ico = self.server.get("/icon.ico", ASK)
        with Image.open(io.BytesIO(ico)) as image:
            self.assertEqual(image.info["sizes"], {(s, s) for s in (16, 32, 48, 64, 128, 256)})
            image.size = (64, 64)
            # Colours under full transparency are not kept in an .ico.
            visible = [(a, b) for a, b in zip(image.convert("RGBA").getdata(), Image.frombytes("RGBA", (64, 64), wanted)
                                              .getdata()) if b[3]]
            self.assertTrue(all(a == b for a, b in visible))
        status, webp = self.server.get("/icon.webp", ASK)
        with Image.open(io.BytesIO(webp)) as image:
            self.assertEqual(image.n_frames, 12)
            image.seek(11)
            self.assertEqual(image.convert("RGBA").tobytes(), wanted)

    def test_hostile_requests_get_400_and_a_reason(self):
        long = "a" * 201
        for query, reason in (("prompt=qqqqzzzz", "no word 'qqqqzzzz'"), ("style=no%20such", "no style 'no such'"),
                              ("steps=0", "from 1 to 64"), ("steps=65", "from 1 to 64"), ("steps=1e3", "'1e3'"),
                              ("steps=-1", "'-1'"), ("steps=", "steps"), ("seed=-1", "whole number"),
                              ("seed=18446744073709551616", "18446744073709551615"), ("seed=0x10", "'0x10'"),
                              (f"prompt={long}", "at most 200 bytes, found 201"), ("prompt=a%0Ab", "one line"),
                              ("prompt=a%00b", ""), ("prompt=%ff%fe", ""), ("prompt=%zz", ""), ("&&&=", ""),
                              ("prompt", ""), (f"style={long}", "at most 64"), ("device=cpu", "found 'device'"),
                              ("x" * 5000, "")):
            for path in ("/paint", "/icon.webp"):
                with self.subTest(path + "?" + query[:40]):
                    status, body = self.server.get(path, query)
                    self.assertEqual(status, 400)
                    self.assertIn(reason, body.decode())
        # A prompt is never part of a pipeline's description.
        self.server.get("/icon.png", {"prompt": 'fox" ! filesink location="stolen', "steps": "1"})
        self.assertFalse((self.scratch / "stolen").exists())
        self.assertEqual(self.server.get("/recent", "after=-1")[0], 400)
        self.assertEqual(self.server.get("/../../etc/passwd")[0], 404)
        self.assertEqual(self.server.get("/paint", method="POST")[0], 405)
        for rubbish in (b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 100000):
            with socket.create_connection(("127.0.0.1", self.server.port), 10) as connection:
                connection.settimeout(1)
                try:
                    connection.sendall(rubbish)
                    connection.recv(1000)
                except OSError:
                    pass
        self.server.wait_for_visitors(0)
        self.assertEqual(self.server.events({"steps": "1"})[-1][0], "done")

    # Several visitors

    def start_painting(self, receive_bytes=None, **ask):
        connection = socket.socket()
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.connect(("127.0.0.1", self.server.port))
        connection.settimeout(60)
        query = urllib.parse.urlencode({**ASK, **ask})
        connection.sendall(f"GET /paint?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return connection

    def test_two_at_once_get_their_own_icons_and_a_fair_share(self):
        asks = [dict(ASK, seed="1", steps="24"), dict(ASK, seed="2", steps="24")]
        alone = [pixels(base64.b64decode(self.server.events(ask)[-2][1]["png"])) for ask in asks]
        results, ends = [None, None], [0, 0]

        def visit(k):
            results[k] = self.server.events(asks[k])
            ends[k] = time.monotonic()

        start = time.monotonic()
        threads = [threading.Thread(target=visit, args=(k,)) for k in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for events, wanted in zip(results, alone):
            self.assertEqual(pixels(base64.b64decode(events[-2][1]["png"])), wanted)
        # Neither waited for the whole of the other.
        shorter, longer = sorted(end - start for end in ends)
        self.assertGreater(shorter / longer, 0.6)

    def test_who_leaves_frees_the_work(self):
        connection = self.start_painting(steps="64")
        connection.recv(100)
        self.server.wait_for_visitors(1)
        connection.close()
        # Long before 64 steps are over.
        left = time.monotonic()
        self.server.wait_for_visitors(0)
        self.assertLess(time.monotonic() - left, 1)
        self.assertEqual(self.server.events({"steps": "1"})[-1][0], "done")

    def test_who_is_slow_skips_steps_and_stalls_nobody(self):
        slow = self.start_painting(receive_bytes=4096, steps="64", seed="3")
        self.server.wait_for_visitors(1)
        quick = self.server.events(dict(ASK, steps="64", seed="4"))
        self.assertGreaterEqual(len(quick), 60)
        end = time.monotonic() + 30
        while self.server.json("/status")["visitors"] and time.monotonic() < end:
            time.sleep(0.3)  # by now the slow one's icon is finished as well
            if time.monotonic() > end - 27:
                break
        body = b""
        while part := slow.recv(65536):
            body += part
        slow.close()
        text = "".join(line for line in body.decode().split("\r\n\r\n", 1)[1].split("\r\n")
                       if not all(c in "0123456789abcdef" for c in line.lower()))
        events = parse(text)
        steps = [data["step"] for name, data in events if name == "step"]
        self.assertLess(len(steps), 60, "nothing was skipped")
        self.assertEqual(steps, sorted(steps))
        self.assertEqual(steps[-1], 64, "the finished icon is never skipped")
        self.assertEqual(events[-1][1]["sent"], len(steps))

    def test_one_too_many_is_told_to_come_back(self):
        connections = [self.start_painting(steps="64", seed=str(k)) for k in range(4)]
        self.server.wait_for_visitors(4)
        status, body = self.server.get("/paint", ASK)
        self.assertEqual((status, body[:10]), (503, b"4 visitors"))
        for connection in connections:
            connection.close()
        self.server.wait_for_visitors(0)
        self.assertEqual(self.server.get("/icon.png", ASK)[0], 200)

    def test_it_ends_with_visitors_inside_and_without_a_model(self):
        server = Server(self.scratch, "--steps", "1000")
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(b"GET /paint?steps=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection.recv(10)
        server.close()
        connection.close()
        self.assertEqual(server.status, 0)
        for arguments, words in ((["--model", "none.safetensors"], "none.safetensors"), (["--listen", "nowhere"], "IP"),
                                 (["--port", str(self.server.port)], "in use"), (["--steps", "0"], "--steps")):
            done = run([SERVER, "--device", "cpu", *arguments], self.scratch)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr + done.stdout)

    # The page

    def test_page_needs_nothing_from_outside(self):
        _, page = self.server.get("/")
        names = re.findall(r'(?:src|href)="(/[^"]+)"', page.decode())
        files = [page, *(self.server.get(name)[1] for name in names)]
        while more := {b"/" + name for file in files for name in re.findall(rb'from "\./([^"]+)"', file)} - \
                {name.encode() for name in names}:
            names += [name.decode() for name in more]
            files += [self.server.get(name.decode())[1] for name in more]
        self.assertGreater(len(files), 5)
        for name, file in zip(["/", *names], files):
            self.assertIn(b"SPDX-License-Identifier: MIT", file, name)
            self.assertNotIn(b"://", file.replace(b"http://www.w3.org", b""), name)
            self.assertNotIn(b"WebAssembly", file, name)

    @unittest.skipUnless(browser.PROGRAM, browser.MISSING)
    def test_in_a_browser(self):
        with browser.Browser() as chromium:
            pages = [chromium.page(self.server.address + "/") for _ in range(2)]
            for k, page in enumerate(pages):
                page.wait("document.body.dataset.ready")
                page.run("""window.icons = [];
                  new MutationObserver(() => icons.push(document.getElementById("favicon").href)).observe(
                    document.getElementById("favicon"), {attributes: true, attributeFilter: ["href"]});
                  document.getElementById("seed").value = "%d"; document.getElementById("steps").value = "12"; 1""" % (k + 7))
            for page in pages:  # both at once, by keyboard
                page.run("document.getElementById('prompt').focus()")
                for kind in ("keyDown", "keyUp"):
                    page.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
                              windowsVirtualKeyCode=13)
            for k, page in enumerate(pages):
                page.wait("document.body.dataset.done")
                icons = page.run("icons")
                self.assertGreaterEqual(len(icons), 12, "the favicon changes at every step")
                self.assertEqual(len(set(icons)), len(icons))
                final = base64.b64decode(icons[-1].removeprefix("data:image/png;base64,"))
                self.assertEqual(pixels(final), self.generated(dict(ASK, seed=str(k + 7))))
                self.assertIn("ms in the engine", page.run("document.getElementById('status').textContent"))
                self.assertIn("AMD" if "AMD" in self.server.device else " on ",
                              page.run("document.getElementById('facts').textContent"))
                page.wait("document.querySelectorAll('#wall img').length > 0")
                self.assertRegex(page.run("document.getElementById('ico').href"), r"/icon\.ico\?prompt=castle&.*steps=12")
                self.assertEqual(page.exceptions(), [])
            self.check_refusal_and_stop(pages[0])
            self.check_phone(chromium)

    @unittest.skipUnless(browser.PROGRAM, browser.MISSING)
    def test_pages_of_other_sites_in_a_browser(self):
        class Elsewhere(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = b"<!doctype html><title>elsewhere</title><body>"
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as elsewhere, \
                browser.Browser("--host-resolver-rules=MAP evil.example 127.0.0.1") as chromium:
            threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
            for seed, host in ((4711, "evil.example"), (4712, "127.0.0.1")):
                page = chromium.page(f"http://{host}:{elsewhere.server_port}/")
                page.run("""(async () => {
                  const at = "%s/paint?prompt=castle&style=noto&steps=1&seed=%d";
                  for (const referrerPolicy of ["unsafe-url", "no-referrer"])
                    await fetch(at, {mode: "no-cors", referrerPolicy}).then(r => r.text()).catch(() => 0);
                  await new Promise(done => Object.assign(new Image(), {onload: done, onerror: done, src: at}));
                })()""" % (self.server.address, seed))
                self.assertNotIn(str(seed), [icon["seed"] for icon in self.server.json("/recent")], host)
                page.run(f"location.href = '{self.server.address}/'")  # a link may be followed
                page.wait("document.body && document.body.dataset.ready")
            # A form sends without asking first, and shows what it is told.
            page.go(f"http://127.0.0.1:{elsewhere.server_port}/")
            page.run("""const form = document.createElement("form");
              Object.assign(form, {method: "post", enctype: "text/plain", action: "%s/draw.png?prompt=castle"});
              document.body.append(form);
              form.submit();""" % self.server.address)
            page.wait("document.body && document.body.innerText.includes('asked by a page of another site')")
            # The name leads here, but it is none of ours.
            page = chromium.page(f"http://evil.example:{self.server.port}/status")
            self.assertIn("does not go by that name", page.run("document.body.innerText"))
            elsewhere.shutdown()

    def check_refusal_and_stop(self, page):
        page.run("document.getElementById('prompt').value = 'qqqqzzzz'; document.getElementById('form').requestSubmit()")
        page.wait("document.getElementById('status').hasAttribute('data-bad')")
        self.assertIn("no word 'qqqqzzzz'", page.run("document.getElementById('status').textContent"))
        page.run("""document.getElementById('prompt').value = 'castle'; document.getElementById('steps').value = '64';
                 document.getElementById('form').requestSubmit()""")
        page.wait("/step/.test(document.getElementById('status').textContent)")
        page.call("Input.dispatchKeyEvent", type="keyDown", key="Escape", code="Escape")
        page.wait("document.getElementById('status').textContent == 'stopped'")
        self.server.wait_for_visitors(0)

    def check_phone(self, chromium):
        phone = chromium.page(self.server.address + "/", width=360, height=740, mobile=True)
        phone.wait("document.body.dataset.ready")
        self.assertLessEqual(phone.run("document.documentElement.scrollWidth"), 360)
        self.assertGreaterEqual(phone.run("document.querySelector('button[type=submit]').offsetHeight"), 34)


if __name__ == "__main__":
    unittest.main(verbosity=2)
