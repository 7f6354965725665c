# SPDX-License-Identifier: MIT
"""The live favicon's drawings: what the server makes of them, and the board that one draws on in a browser."""
import base64
import io
import os
import pathlib
import socket
import sys
import threading
import time
import unittest
import urllib.parse

from PIL import Image, ImageDraw

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import browser  # noqa: E402
from support.favicon import TYPE, PageCase, ServerCase, pixels  # noqa: E402
from support.places import DIT, run  # noqa: E402

RED, BLUE, CLEAR = (224, 32, 32, 255), (37, 99, 235, 255), (0, 0, 0, 0)
ASK = {"prompt": "apple", "style": "noto", "seed": "5", "steps": "4", "strength": "0.7"}
DONE = "document.getElementById('stop').disabled && document.body.dataset.drawn"


def disc(colour=RED):
    image = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(image).ellipse((16, 18, 48, 50), fill=colour)
    return image


def looks_red(rgba):
    return rgba[3] > 200 and rgba[0] > 150 and rgba[1] < 110 and rgba[2] < 110


class Drawings(ServerCase):
    options = ("--visitors", "4", "--visitors-per-address", "4", "--steps", "1000")

    def check_icon(self, image):
        self.assertEqual(image.size, (64, 64))
        self.assertTrue(looks_red(image.getpixel((32, 36))), image.getpixel((32, 36)))
        for corner in ((0, 0), (63, 0), (0, 63), (63, 63)):
            self.assertLess(image.getpixel(corner)[3], 8, corner)

    # Answers

    def test_it_is_the_icon_that_dit_makes_of_the_drawing(self):
        disc().save(self.scratch / "disc.png")
        done = run([DIT, "generate", "--quiet", "--device", "cpu", "--from", "disc.png", "--strength", "0.7", "--prompt", "apple",
                    "--style", "noto", "--seed", "5", "--steps", "4", "-o", "wanted.png"], self.scratch)
        self.assertEqual(done.returncode, 0, done.stderr)
        wanted = pixels((self.scratch / "wanted.png").read_bytes())
        status, png = self.server.draw(ASK, disc().tobytes())
        self.assertEqual((status, pixels(png)), (200, wanted))
        with Image.open(io.BytesIO(png)) as image:
            self.check_icon(image.convert("RGBA"))
        status, webp = self.server.draw(ASK, disc().tobytes(), "/draw.webp")
        self.assertEqual((status, pixels(webp)), (200, wanted))
        status, ico = self.server.draw(ASK, disc().tobytes(), "/draw.ico")
        with Image.open(io.BytesIO(ico)) as image:
            self.assertEqual((status, image.format), (200, "ICO"))
            self.assertIn((64, 64), image.info["sizes"])
        # Strength 0 is the drawing itself.
        self.assertEqual(pixels(self.server.draw(dict(ASK, strength="0"), disc().tobytes())[1]), disc().tobytes())

    def test_nobody_keeps_a_drawing(self):
        self.assertEqual(self.server.draw(dict(ASK, seed="4711"), disc().tobytes())[0], 200)
        self.assertNotIn("4711", [icon["seed"] for icon in self.server.json("/recent")])

    def test_wrong_queries_get_400_and_a_reason(self):
        for query, reason in (({"prompt": "qqqqzzzz"}, "no word 'qqqqzzzz'"), ({"style": "no such"}, "no style 'no such'"),
                              ({"strength": "1.1"}, "from 0 to 1"), ({"strength": "-0.1"}, "from 0 to 1"), ({"strength": "nan"}, "'nan'"),
                              ({"strength": "inf"}, "'inf'"), ({"strength": ""}, "strength"), ({"strength": "0,5"}, "'0,5'"),
                              ({"page": "x" * 32}, "hexadecimal"), ({"page": "a" * 15}, "16 to 64"), ({"page": "a" * 65}, "16 to 64"),
                              ({"steps": "1001"}, "from 1 to 1000"), ({"mask": "1"}, "found 'mask'")):
            with self.subTest(query):
                status, body = self.server.draw(query, disc().tobytes())
                self.assertEqual(status, 400)
                self.assertIn(reason, body.decode())
        status, body = self.server.get("/paint", {"strength": "0.5"})
        self.assertEqual((status, b"found 'strength'" in body), (400, True), "of an icon without a drawing")

    # Several at once

    def worked_s(self, while_s):
        """What the server takes of the processors' time."""
        def worked():
            fields = pathlib.Path(f"/proc/{self.server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        before = worked()
        time.sleep(while_s)
        return worked() - before

    def start(self, **ask):
        connection = socket.create_connection(("127.0.0.1", self.server.port))
        connection.settimeout(60)
        query, body = urllib.parse.urlencode({**ASK, **ask}), disc().tobytes()
        connection.sendall(f"POST /draw.png?{query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {TYPE}\r\n"
                           f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return connection

    def test_a_newer_drawing_of_the_same_page_takes_the_place_of_the_older(self):
        mine, other = "a" * 32, "b" * 32
        # A thousand steps take longer than anybody waits here.
        older, neighbour = self.start(steps="1000", strength="1", page=mine), self.start(steps="64", strength="1", page=other)
        nameless = self.start(steps="64", strength="1")
        self.server.wait_for_visitors(3)
        newer = self.start(steps="1", page=mine)
        self.assertTrue(older.recv(100).startswith(b"HTTP/1.1 409 "))
        self.assertTrue(newer.recv(100).startswith(b"HTTP/1.1 200 "))
        for connection in (neighbour, nameless):
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200 "), "no page but its own loses anything")
        for connection in (older, newer, neighbour, nameless):
            connection.close()
        self.server.wait_for_visitors(0)

    def test_who_leaves_frees_the_work(self):
        connection = self.start(steps="1000", strength="1")
        self.server.wait_for_visitors(1)
        self.assertGreater(self.worked_s(1), 0.03)
        connection.close()
        self.server.wait_for_visitors(0, 5)
        # A thousand steps are the work of half a minute at least.
        end = time.monotonic() + 10
        while self.worked_s(1) > 0.03:
            self.assertLess(time.monotonic(), end, "it is still being painted")
        self.assertEqual(self.server.draw(ASK, disc().tobytes())[0], 200)

    def test_two_at_once_get_their_own_icons_and_a_fair_share(self):
        asks = [dict(ASK, seed=seed, steps="24", strength="1") for seed in ("1", "2")]
        alone = [pixels(self.server.draw(ask, disc().tobytes())[1]) for ask in asks]
        together, ends = [None, None], [0, 0]

        def visit(k):
            together[k] = pixels(self.server.draw(asks[k], disc().tobytes())[1])
            ends[k] = time.monotonic()

        start = time.monotonic()
        threads = [threading.Thread(target=visit, args=(k,)) for k in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(together, alone)
        self.assertNotEqual(*alone)
        shorter, longer = sorted(end - start for end in ends)
        self.assertGreater(shorter / longer, 0.6, "one of them waited for the whole of the other")


class Hand:
    """Draws on the board of a page, in pixels of the sketch."""

    def __init__(self, page):
        self.page = page

    def place(self, x, y):
        left, top, width = self.page.run("(b => [b.left, b.top, b.width])(document.getElementById('sketch').getBoundingClientRect())")
        return {"x": left + 1 + (width - 2) * x / 64, "y": top + 1 + (width - 2) * y / 64}

    def stroke(self, *places):
        def mouse(kind, place, buttons):
            self.page.call("Input.dispatchMouseEvent", type=kind, button="left", buttons=buttons, clickCount=1, **self.place(*place))
        mouse("mousePressed", places[0], 1)
        for place in places[1:]:
            mouse("mouseMoved", place, 1)
        mouse("mouseReleased", places[-1], 0)

    def touch(self, *places):
        for k, place in enumerate(places):
            self.page.call("Input.dispatchTouchEvent", type="touchMove" if k else "touchStart", touchPoints=[self.place(*place)])
        self.page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def click(self, selector):
        self.page.run(f"document.querySelector({selector!r}).click()")

    def set(self, name, value):
        self.page.run(f"""(field => {{ field.value = {value!r};
          for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind)); }})(document.getElementById({name!r}))""")

    def canvas(self, name="sketch"):
        data = self.page.run(f"document.getElementById({name!r}).toDataURL()")
        with Image.open(io.BytesIO(base64.b64decode(data.split(",")[1]))) as image:
            return image.convert("RGBA")

    def icon(self):
        """The pixels of the tab's icon; a canvas rounds those that are half clear."""
        return pixels(base64.b64decode(self.page.run("document.getElementById('favicon').href").split(",")[1]))

    def key(self, key, modifiers=0):
        for kind in ("keyDown", "keyUp"):
            self.page.call("Input.dispatchKeyEvent", type=kind, key=key, code="Key" + key.upper(), modifiers=modifiers)


class Board(PageCase):
    check_icon = Drawings.check_icon

    def open(self, **options):
        page = self.chromium.page(self.server.address + "/", **options)
        page.wait("document.body.dataset.ready")
        self.addCleanup(page.close)
        return page, Hand(page)

    def red_disc(self, hand):
        hand.set("prompt", "apple")
        hand.set("size", "24")
        hand.stroke((32, 30), (28, 34), (32, 38), (36, 34), (32, 30))

    def test_a_red_disc_becomes_an_apple_and_the_tabs_icon_for_two_at_once(self):
        visits = [self.open() for _ in range(2)]
        for page, hand in visits:
            page.run("""window.icons = [];
              new MutationObserver(() => icons.push(document.getElementById("favicon").href)).observe(
                document.getElementById("favicon"), {attributes: true, attributeFilter: ["href"]}); 1""")
            self.red_disc(hand)
        for page, hand in visits:
            page.wait(DONE)
            self.check_icon(hand.canvas("canvas"))
            # The tab's icon is what the server makes of what was drawn.
            ask = dict(prompt="apple", style=page.run("document.getElementById('style').value"), seed="1", steps="4", strength="0.7")
            self.assertEqual(hand.icon(), pixels(self.server.draw(ask, hand.canvas().tobytes())[1]))
            self.assertEqual(page.exceptions(), [])
        page, hand = visits[0]
        # Whatever is set, the icon follows.
        for name, value in (("strength", "0.9"), ("prompt", "tomato"), ("seed", "9"), ("style", "noto"), ("steps", "8")):
            before = page.run("icons.length")
            hand.set(name, value)
            page.wait(f"icons.length > {before} && {DONE}")
        self.assertEqual(len(set(page.run("icons"))), len(page.run("icons")))
        # Words alone paint again once they are chosen.
        hand.click("[name=from][value=noise]")
        hand.click("button[type=submit]")
        page.wait("document.body.dataset.done")
        self.assertIn("16 of 16", page.run("`${document.getElementById('progress').value} of ${document.getElementById('progress').max}`"))

    def test_it_follows_while_the_pen_is_down(self):
        page, hand = self.open()
        page.call("Input.dispatchMouseEvent", type="mousePressed", button="left", buttons=1, clickCount=1, **hand.place(10, 10))
        end = time.monotonic() + 60
        for k in range(100000):
            page.call("Input.dispatchMouseEvent", type="mouseMoved", button="left", buttons=1, **hand.place(10 + k % 40, 10 + k // 40 % 40))
            if int(page.run("document.body.dataset.drawn ?? 0")) >= 2:
                break
            self.assertLess(time.monotonic(), end, "no icon while the pen is down")
        page.call("Input.dispatchMouseEvent", type="mouseReleased", button="left", buttons=0, clickCount=1, **hand.place(20, 20))
        page.wait(DONE)

    def test_pen_eraser_fill_mirror_undo_and_redo(self):
        page, hand = self.open()
        hand.set("size", "2")
        hand.click("#palette [value='#2563eb']")
        hand.stroke((10, 10), (20, 10))
        drawn = hand.canvas()
        self.assertEqual([drawn.getpixel(place) for place in ((9, 10), (15, 9), (15, 10), (15, 12), (40, 10))],
                         [BLUE, BLUE, BLUE, CLEAR, CLEAR])
        hand.click("#mirror")
        hand.stroke((10, 20), (20, 20))
        self.assertEqual([hand.canvas().getpixel((x, 20)) for x in (15, 48, 31)], [BLUE, BLUE, CLEAR])
        self.assertEqual(hand.canvas().getpixel((48, 10)), CLEAR, "only what is drawn from then on")
        hand.click("#mirror")
        hand.click("[data-tool=eraser]")
        hand.stroke((10, 10), (20, 10))
        self.assertEqual(hand.canvas().getpixel((15, 10)), CLEAR)
        hand.click("[data-tool=fill]")
        hand.click("#palette [value='#e02020']")
        hand.stroke((60, 60))
        filled = hand.canvas()
        self.assertEqual([filled.getpixel(place) for place in ((0, 0), (15, 10), (48, 20), (15, 20))], [RED, RED, BLUE, BLUE])
        hand.click("#undo")
        self.assertEqual(hand.canvas().getpixel((0, 0)), CLEAR)
        hand.key("z", 2)
        self.assertEqual(hand.canvas().getpixel((15, 10)), BLUE)
        hand.click("#undo")
        hand.click("#undo")
        self.assertEqual(hand.canvas().getcolors(), [(4096, CLEAR)])
        self.assertTrue(page.run("document.getElementById('undo').disabled"))
        for _ in range(2):
            hand.click("#redo")
        hand.key("y", 2)
        hand.key("z", 10)  # with Shift
        self.assertEqual(hand.canvas().tobytes(), filled.tobytes())
        self.assertTrue(page.run("document.getElementById('redo').disabled"))
        hand.click("#clear")
        self.assertEqual(hand.canvas().getcolors(), [(4096, CLEAR)])
        page.wait("document.getElementById('stop').disabled")
        self.assertEqual(page.exceptions(), [])

    def test_pictures_that_are_dropped_pasted_or_opened(self):
        page, hand = self.open()
        picture = Image.new("RGBA", (200, 100), BLUE)  # twice as wide as high
        picture.paste(RED, (0, 0, 100, 100))
        png = io.BytesIO()
        picture.save(png, "PNG")
        page.run(f"""window.transfer = (bytes, type) => {{
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], "it", {{type}}));
            return transfer;
          }};
          window.picture = transfer("{base64.b64encode(png.getvalue()).decode()}", "image/png"); 1""")
        for way in ("dispatchEvent(new DragEvent('drop', {dataTransfer: picture, cancelable: true}))",
                    "document.getElementById('prompt').dispatchEvent(new ClipboardEvent('paste', {clipboardData: picture, bubbles: true}))",
                    "(file => { file.files = picture.files; file.onchange(); })(document.getElementById('file'))"):
            page.run(f"document.getElementById('clear').click(); {way}; 1")
            page.wait("!document.getElementById('clear').disabled && document.getElementById('hint').hidden")
            drawn = hand.canvas()
            self.assertEqual([drawn.getpixel(place) for place in ((5, 32), (58, 32), (32, 5), (32, 58))], [RED, BLUE, CLEAR, CLEAR], way)
        page.wait(DONE)
        before = hand.canvas().tobytes()
        page.run("dispatchEvent(new DragEvent('drop', {dataTransfer: transfer(btoa('no picture'), 'image/png'), cancelable: true})); 1")
        page.wait("document.getElementById('status').hasAttribute('data-bad')")
        self.assertIn("is no picture", page.run("document.getElementById('status').textContent"))
        self.assertEqual(hand.canvas().tobytes(), before)
        # Text that is pasted is the prompt's.
        self.assertTrue(page.run("""(() => { const text = new DataTransfer(); text.setData("text/plain", "fox");
          return dispatchEvent(new ClipboardEvent("paste", {clipboardData: text, cancelable: true})); })()"""))

    def test_downloads(self):
        page, hand = self.open()
        self.red_disc(hand)
        page.wait(DONE)
        for kind, begins in (("png", b"\x89PNG"), ("ico", b"\0\0\1\0"), ("webp", b"RIFF")):
            got = page.run(f"""new Promise(done => {{
              const create = URL.createObjectURL;
              HTMLAnchorElement.prototype.click = () => 0;
              URL.createObjectURL = blob => {{
                URL.createObjectURL = create;
                blob.arrayBuffer().then(bytes => done([...new Uint8Array(bytes)]));
                return create(blob);
              }};
              document.getElementById("{kind}").dispatchEvent(new MouseEvent("click", {{cancelable: true}}));
            }})""")
            self.assertTrue(bytes(got).startswith(begins), kind)
            if kind == "png":
                self.assertEqual(pixels(bytes(got)), hand.icon())

    def test_a_finger_draws_and_does_not_scroll(self):
        page, hand = self.open(width=360, height=740, mobile=True)
        page.call("Emulation.setTouchEmulationEnabled", enabled=True)
        hand.touch((10, 10), (20, 30), (50, 50))
        self.assertEqual(hand.canvas().getpixel((50, 50)), RED)
        self.assertEqual(page.run("scrollY"), 0)
        page.wait(DONE)
        self.assertLessEqual(page.run("document.documentElement.scrollWidth"), 360)
        # The icon is in sight while one draws.
        self.assertTrue(page.run("""["canvas", "sketch"].every(id => (b => b.top >= 0 && b.bottom <= innerHeight)(
          document.getElementById(id).getBoundingClientRect()))"""))
        for tool in ("button[data-tool=pen]", "#undo", "#open"):
            self.assertGreaterEqual(page.run(f"document.querySelector({tool!r}).offsetWidth"), 32)

    def test_what_is_wrong_is_said(self):
        page, hand = self.open()
        hand.set("prompt", "qqqqzzzz")
        hand.stroke((20, 20), (30, 30))
        page.wait("document.getElementById('status').hasAttribute('data-bad')")
        self.assertIn("no word 'qqqqzzzz'", page.run("document.getElementById('status').textContent"))
        hand.set("prompt", "apple")
        page.wait(DONE)
        self.assertFalse(page.run("document.getElementById('status').hasAttribute('data-bad')"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
