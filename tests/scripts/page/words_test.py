# SPDX-License-Identifier: MIT
"""The live favicon's help with words: completions, how a prompt is read, styles as pictures; and emoji as links."""
import base64
import pathlib
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.favicon import Server, PageCase, ServerCase, pixels  # noqa: E402
from support.places import DIT, TINY, run  # noqa: E402


def readings(server, prompt):
    answer = server.json("/read", {"prompt": prompt})
    return {reading["typed"]: reading["painted"] for reading in answer["readings"]}, answer["unknown"]


class Words(ServerCase):
    def test_those_that_may_be_typed(self):
        words = self.server.json("/words")["words"]
        self.assertEqual(len(words), len(set(words)))
        for word in ("castle", "rocket", "spaceship"):  # the last means others
            self.assertIn(word, words)
        self.assertFalse([word for word in words if ":" in word], "the model's groups are not words")
        listed = run([DIT, "words"], self.scratch).stdout
        self.assertGreaterEqual({line.split(" -> ")[0] for line in listed.splitlines()}, set(words))
        self.assertLess(len(self.server.get("/words")[1]), 100_000)
        # Each of them is one, and none is read as another.
        some = words[::len(words) // 20]
        self.assertEqual(readings(self.server, " ".join(some)), ({}, ""))

    def test_emoji_and_other_languages_are_read_as_they_are_painted(self):
        for prompt, read in (("Kaffee", {"kaffee": "coffee"}), ("🚀", {"🚀": "rocket"}), ("castle", {}), ("", {}),
                             ("rotes Auto 🍕", None)):
            with self.subTest(prompt):
                found, unknown = readings(self.server, prompt)
                self.assertEqual(unknown, "")
                if read is not None:
                    self.assertEqual(found, read)
                ask = {"style": "noto", "seed": "3", "steps": "2"}
                status, icon = self.server.get("/icon.png", {"prompt": prompt, **ask})
                done = run([DIT, "generate", "--quiet", "--device", "cpu", "--prompt", prompt, "--style", "noto", "--seed", "3",
                            "--steps", "2", "-o", "wanted.png"], self.scratch)
                self.assertEqual((status, done.returncode), (200, 0))
                self.assertEqual(pixels(icon), pixels((self.scratch / "wanted.png").read_bytes()))
        found, unknown = readings(self.server, "Kaffee qqqqzzzz")
        self.assertEqual((list(found), "no word 'qqqqzzzz'" in unknown), (["kaffee"], True))
        self.assertIn("no word 'qqqqzzzz'", readings(self.server, "qqqqzzzz")[1])

    def test_prompts_that_are_long_or_odd_are_read_at_once(self):
        for prompt in ("q" * 200, "ab " * 66, "\u0301" * 100, "🚀" * 50, "漢" * 66, "\u202e\u200b" * 30, "a'\"“”" * 20, "\x7f", "<b>&amp;"):
            with self.subTest(prompt[:10]):
                status, body = self.server.get("/read", {"prompt": prompt})
                self.assertEqual(status, 200, body)
        self.assertEqual(self.server.get("/read", "prompt=%ff")[0], 400)

    def test_each_style_has_its_picture(self):
        end, have = time.monotonic() + 120, []
        while not have or len(have) < of:
            answer = self.server.json("/styles", f"after={len(have)}")
            of, have = answer["of"], have + answer["styles"]
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)
        self.assertEqual([one["style"] for one in have], self.server.json("/status")["styles"])
        for one in have[::9]:
            done = run([DIT, "generate", "--quiet", "--device", "cpu", "--prompt", "rocket", "--seed", "1", "--style", one["style"],
                        "-o", "style.png"], self.scratch)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(pixels(base64.b64decode(one["png"])), pixels((self.scratch / "style.png").read_bytes()), one["style"])
        self.assertEqual(len({one["png"] for one in have}), len(have))
        self.assertEqual(self.server.json("/styles", f"after={of}")["styles"], [])
        self.assertEqual(self.server.json("/recent"), [], "nobody wished for them")

    def test_another_model_has_its_own(self):
        with tempfile.TemporaryDirectory() as scratch:
            server = Server(scratch, "--model", str(TINY))
            self.addCleanup(server.close)
            self.assertEqual(server.json("/words")["words"], ["crimson", "blue", "car", "fox", "green", "red", "tree"])
            facts = server.json("/status")
            self.assertEqual((facts["width"], facts["height"], facts["styles"]), (8, 12, ["round", "flat", "line"]))
            self.assertEqual(server.draw({"prompt": "fox"}, bytes(4 * 8 * 12))[0], 200)
            self.assertEqual(server.draw({"prompt": "fox"}, bytes(4 * 64 * 64))[0], 413)

    def test_a_link_may_be_an_emoji(self):
        for text in ("🚀", "%F0%9F%9A%80", "👩‍🚀", "❤️"):
            with self.subTest(text):
                done = run(["gst-launch-1.0", "-q", "playbin", f"uri=dit://{text}?seed=7&style=noto&steps=2&num-buffers=1&device=cpu",
                            "video-sink=videoconvert ! video/x-raw,format=RGBA ! pngenc ! filesink location=link.png"], self.scratch)
                self.assertEqual(done.returncode, 0, done.stderr)
                prompt = "🚀" if text.startswith("%") else text
                done = run([DIT, "generate", "--quiet", "--device", "cpu", "--prompt", prompt, "--style", "noto", "--seed", "7",
                            "--steps", "2", "-o", "wanted.png"], self.scratch)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(pixels((self.scratch / "link.png").read_bytes()), pixels((self.scratch / "wanted.png").read_bytes()))


class Starting(PageCase):
    def open(self, path, *refusals):
        """The page, once it is ready, and what it has said till then. Its first requests for `path` get `refusals`."""
        page, said, end, refusals = self.chromium.page(), [], time.monotonic() + 60, list(refusals)
        self.addCleanup(page.close)
        page.call("Fetch.enable", patterns=[{"urlPattern": f"*/{path}*"}])
        page.call("Page.navigate", url=self.server.address)
        while not page.holds("document.body?.dataset.ready == 'yes'"):
            self.assertLess(time.monotonic(), end, said)
            said.append(page.run("document.getElementById('status')?.textContent"))
            for event in [one for one in self.chromium.events if one["method"] == "Fetch.requestPaused"]:
                self.chromium.events.remove(event)
                self.answer(page, event["params"]["requestId"], refusals.pop(0) if refusals else None)
            time.sleep(0.05)
        self.assertEqual((refusals, page.exceptions()), ([], []))
        return page, said

    def answer(self, page, request, refusal):
        if refusal is None:
            page.call("Fetch.continueRequest", requestId=request)
        elif refusal == "away":
            page.call("Fetch.failRequest", requestId=request, errorReason="ConnectionRefused")
        else:
            page.call("Fetch.fulfillRequest", requestId=request, responseCode=refusal[0], body=base64.b64encode(refusal[1]).decode())

    def test_at_a_server_that_is_full_or_away(self):
        for path in ("status", "words"):
            for refusal, reason in (((503, b""), "The server is full."), ("away", "The server does not answer."),
                                    ((200, b'{"cut'), "The server does not answer.")):
                with self.subTest(path=path, refusal=refusal):
                    page, said = self.open(path, refusal)
                    self.assertTrue(any(text and text.startswith(reason) for text in said), said)
                    self.assertEqual(page.run("document.getElementById('status').textContent"), "Watch this tab's icon.")
                    self.assertIn("icons on", page.run("document.getElementById('facts').textContent"))
        self.open("recent", (503, b""))

    def test_a_script_that_did_not_come(self):
        page = self.chromium.page()
        self.addCleanup(page.close)
        page.call("Network.enable")
        page.call("Network.setBlockedURLs", urls=["*/board.js"])
        page.go(self.server.address)
        self.assertIn("load the page again", page.run("document.getElementById('status').textContent"))


class Typing(PageCase):
    def setUp(self):
        self.page = self.chromium.page(self.server.address + "/")
        self.addCleanup(self.page.close)
        self.page.wait("document.body.dataset.ready")
        self.page.run("document.getElementById('prompt').value = ''; document.getElementById('prompt').focus()")

    def type(self, text):
        self.page.call("Input.insertText", text=text)

    def key(self, key):
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=13 if key == "Enter" else 0, **text)

    def offered(self):
        return self.page.run("document.getElementById('words').hidden ? [] : [...document.querySelectorAll('#words li')].map(i => i.textContent)")

    def prompt(self):
        return self.page.run("document.getElementById('prompt').value")

    def reading(self, part):
        self.page.wait(f"document.getElementById('reading').textContent.includes({part!r})")
        return self.page.run("document.getElementById('reading').textContent")

    def test_words_are_completed_by_keys_and_pointer(self):
        self.type("red cas")
        self.assertIn("castle", self.offered())
        self.assertTrue(all(word.startswith("cas") for word in self.offered()))
        self.assertLessEqual(len(self.offered()), 8)
        for _ in range(self.offered().index("castle") + 1):
            self.key("ArrowDown")
        self.assertEqual(self.page.run("document.getElementById(document.getElementById('prompt').getAttribute('aria-activedescendant')).textContent"),
                         "castle")
        self.key("Enter")
        self.assertEqual((self.prompt(), self.offered()), ("red castle", []))
        self.assertIsNone(self.page.run("document.body.dataset.done"), "that Enter has taken a word and painted nothing")
        self.type(" ROCK")
        self.assertIn("rocket", self.offered())
        self.key("Escape")
        self.assertEqual(self.offered(), [])
        self.type("E")
        left, top = self.page.run("(b => [b.left + 5, b.top + 5])([...document.querySelectorAll('#words li')].find(i => i.textContent == 'rocket')"
                                  ".getBoundingClientRect())")
        for kind in ("mousePressed", "mouseReleased"):
            self.page.call("Input.dispatchMouseEvent", type=kind, x=left, y=top, button="left", clickCount=1)
        self.assertEqual(self.prompt(), "red castle rocket")
        # In the middle of a text, too, and of the whole word's place only.
        self.page.run("document.getElementById('prompt').value = 'blue  tree'; document.getElementById('prompt').setSelectionRange(5, 5)")
        self.type("fo")
        self.page.run("[...document.querySelectorAll('#words li')][0].dispatchEvent(new PointerEvent('pointerdown', {bubbles: true}))")
        self.assertRegex(self.prompt(), "^blue fo[a-z]+ tree$")
        for nothing in ("qqqzz", "  ", "🚀", "g:"):
            self.page.run("document.getElementById('prompt').value = ''")
            self.type(nothing)
            self.assertEqual(self.offered(), [], nothing)
        self.assertEqual(self.page.exceptions(), [])

    def test_how_a_prompt_is_read_is_said_and_painted(self):
        self.type("Kaffee")
        self.assertIn("kaffee → coffee", self.reading("kaffee"))
        self.key("Enter")
        self.page.wait("document.body.dataset.done")
        self.type(" 🚀")
        self.assertIn("🚀 → rocket", self.reading("rocket"))
        self.page.run("document.getElementById('prompt').select()")
        self.type("qqqqzzzz <img src=x>")
        self.assertIn("no word 'qqqqzzzz'", self.reading("no word"))
        self.assertEqual(self.page.run("document.querySelectorAll('#reading *').length"), 0)
        self.page.run("document.getElementById('prompt').select()")
        self.type("castle")
        self.page.wait("document.getElementById('reading').textContent == ''")

    def test_another_icon_of_a_seed_that_is_none(self):
        for seed in ("abc", "-1", "1e3", "99999999999999999999"):
            self.page.run(f"document.getElementById('status').textContent = ''; document.getElementById('seed').value = '{seed}'; "
                          "document.getElementById('next').click()")
            if seed.isdigit():  # one more, as the server counts
                self.page.wait("document.body.dataset.done && document.getElementById('seed').value == '7766279631452241920'")
            else:
                self.page.wait(f"document.getElementById('status').textContent.includes(\"found '{seed}'\")")
                self.assertEqual(self.page.run("document.getElementById('seed').value"), seed)
        self.assertEqual(self.page.exceptions(), [])

    def test_styles_are_chosen_by_their_pictures(self):
        self.page.wait("document.body.dataset.styles", 120)
        names = self.server.json("/status")["styles"]
        self.assertEqual(self.page.run("[...document.querySelectorAll('#styles button')].map(b => b.value)"), names)
        self.assertEqual(self.page.run("[...document.querySelectorAll('#styles img')].filter(i => i.naturalWidth == 64).length"), len(names))
        self.assertEqual(self.page.run("document.querySelector('#styles [aria-pressed=true]').value"), "fluent-emoji")
        self.page.run("document.querySelector('#styles [value=noto]').click()")
        self.assertEqual(self.page.run("document.getElementById('style').value"), "noto")
        self.page.run("document.querySelector('#styles [value=noto]').click()")
        self.assertEqual(self.page.run("document.getElementById('style').value"), "", "a second time: any")

    def test_scripts_of_others_do_not_run(self):
        for attempt in ("""const script = document.createElement("script");
                           script.append("window.ran = 1");
                           document.body.append(script);""",
                        """document.body.insertAdjacentHTML("beforeend", "<img src=/none.png onerror='window.ran = 1'>");""",
                        """const link = document.createElement("a");
                           link.href = "javascript:window.ran = 1";
                           link.click();""",
                        """eval("window.ran = 1");"""):
            self.page.run("window.refused = null; addEventListener('securitypolicyviolation', event => { refused = event.effectiveDirective; }); 1")
            # In the page's own time: what a console evaluates has rights that a page has not.
            self.page.run("setTimeout(() => { %s }); 1" % attempt)
            self.page.wait("window.refused")
            self.assertIsNone(self.page.run("window.ran"), attempt)


if __name__ == "__main__":
    unittest.main(verbosity=2)
