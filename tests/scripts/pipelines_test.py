# SPDX-License-Identifier: MIT
"""Every script in pipelines/ does what its first lines say."""
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

from PIL import Image

from support import browser
from support.places import BUILD, ICONS, SOURCE, TINY, environment, run


class Pipelines(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)

    def script(self, name, *arguments, **more):
        program = ["/usr/bin/python3"] if name.endswith(".py") else []
        done = run([*program, SOURCE / "pipelines" / name, *arguments], self.scratch, **more)
        if done.returncode == 77:
            self.skipTest(f"{name}: {done.stderr.strip()}")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done

    def picture(self, name, size=(64, 64), mode="RGBA"):
        with Image.open(self.scratch / name) as image:
            self.assertEqual((image.size, image.mode), (size, mode), name)
            return image.copy()

    def icon(self, name, faintest=16):
        """An icon: a shape in the middle, alpha of at most `faintest` in the corners."""
        image = self.picture(name)
        alpha = image.getchannel("A")
        self.assertLessEqual(max(alpha.getpixel(at) for at in ((0, 0), (63, 0), (0, 63), (63, 63))), faintest, name)
        self.assertGreater(sum(alpha.histogram()[200:]), 500, f"{name}: too few opaque pixels")
        return image.tobytes()

    def files(self):
        return sorted(p.name for p in self.scratch.iterdir() if p.name != "registry.bin")

    def test_first_icon(self):
        done = self.script("first-icon.sh")
        self.assertRegex(done.stdout, r"icon\.png \d+\.\d s after the build")
        self.assertEqual(self.files(), ["icon.png", "steps.png"])
        self.icon("icon.png")
        self.assertEqual(self.picture("steps.png", self.sheet_size()).getchannel("A").getextrema(), (255, 255))

    def sheet_size(self):
        steps = next(line.split()[1] for line in run([BUILD / "dit", "inspect"], self.scratch).stdout.splitlines()
                     if line.strip().startswith("defaults"))
        return min(8, int(steps)) * 72 + 8, (int(steps) + 7) // 8 * 72 + 8

    def test_four_hearts(self):
        self.script("four-hearts.sh")
        self.assertEqual(self.files(), ["h0.png", "h1.png", "h2.png", "h3.png"])
        self.assertEqual(len({self.icon(name, faintest=0) for name in self.files()}), 4)

    def test_four_hearts_with_arguments(self):
        self.script("four-hearts.sh", "red apple", "noto", "3")
        self.assertEqual(len({self.picture(name).tobytes() for name in self.files()}), 4)

    def test_steps(self):
        self.script("steps.sh", "castle", "6")
        self.assertEqual(self.files(), [f"step-{k:02}.png" for k in range(6)])
        pictures = [self.picture(name).tobytes() for name in self.files()]
        self.assertEqual(len(set(pictures)), 6)
        done = run([BUILD / "dit", "generate", "--quiet", "--prompt", "castle", "--style", "fluent-emoji", "--seed", "1",
                    "--steps", "6"], self.scratch)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(pictures[-1], self.icon("icon.png"), "element and command line paint the same icon")

    def test_named_icon(self):
        for name in ("ada", "bob", "a/b"):
            self.script("named-icon.sh", name)
        self.assertEqual(self.files(), ["a%2Fb.png", "ada.png", "bob.png"])
        first = self.icon("ada.png")
        self.assertNotEqual(first, self.icon("bob.png"))
        self.script("named-icon.sh", "ada")
        self.assertEqual(first, self.icon("ada.png"))

    def test_film(self):
        self.script("film.sh")
        self.assertEqual(self.files(), ["film.webm"])
        done = run(["gst-launch-1.0", "-v", "filesrc", "location=film.webm", "!", "matroskademux", "!", "vp9dec", "!",
                    "checksumsink", "hash=md5"], self.scratch)
        if "no element" in done.stderr:  # checksumsink is in another Debian package
            done = run(["gst-launch-1.0", "-v", "filesrc", "location=film.webm", "!", "matroskademux", "!", "vp9dec", "!",
                        "fakesink", "silent=false"], self.scratch)
            frames = done.stdout.count("chain   ***")
        else:
            frames = sum(line.startswith("0:") for line in done.stdout.splitlines())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(frames, 3 * (16 + 10 - 1), done.stdout[-500:])
        self.assertIn("width=(int)512", done.stdout)

    def test_big_icon(self):
        self.script("big-icon.sh")
        image = self.picture("big.png", (512, 512))
        small = image.resize((64, 64), Image.NEAREST)
        self.assertEqual(small.resize((512, 512), Image.NEAREST).tobytes(), image.tobytes())

    def test_mosaic(self):
        self.script("mosaic.sh")
        image = self.picture("mosaic.png", (256, 64))
        tiles = [image.crop((64 * k, 0, 64 * k + 64, 64)) for k in range(4)]
        self.assertEqual(len({tile.tobytes() for tile in tiles}), 4)
        for tile in tiles:
            self.assertEqual(tile.getchannel("A").getextrema(), (0, 255))

    def test_on_colour(self):
        self.script("on-colour.sh", "0x2040a0")
        image = self.picture("on-colour.jpg", mode="RGB")
        for got, wanted in zip(image.getpixel((1, 1)), (0x20, 0x40, 0xA0)):
            self.assertAlmostEqual(got, wanted, delta=6)

    # Files of one icon and of many

    def test_apng(self):
        self.script("apng.sh", "castle", "4")
        with Image.open(self.scratch / "apng.png") as image:
            self.assertEqual((image.n_frames, image.info["loop"], image.size), (13, 0, (64, 64)))
            durations = []
            for k in range(13):
                image.seek(k)
                durations.append(image.info["duration"])
        self.assertEqual(durations, [100] * 13)

    def test_walk(self):
        self.script("walk.sh")
        with Image.open(self.scratch / "walk.webp") as image:
            self.assertEqual((image.n_frames, image.info["loop"], image.size), (36, 0, (64, 64)))
            frames = []
            for k in range(36):
                image.seek(k)
                white = Image.new("RGBA", (64, 64), "white")
                white.alpha_composite(image.convert("RGBA"))
                frames.append(white.convert("L"))
        def change(a, b):
            return sum(abs(x - y) for x, y in zip(frames[a].tobytes(), frames[b].tobytes()))
        steps = sorted(change(k, (k + 1) % 36) for k in range(36))
        self.assertGreater(steps[0], 0)
        # The way back to the start is a step like the others.
        self.assertLessEqual(change(35, 0), steps[-2] * 1.5)
        probe = run(["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=width,nb_read_frames", "-of",
                     "csv=p=0", "walk.mp4"], self.scratch)
        self.assertEqual(probe.stdout.strip(), "512,108")

    def test_gif(self):
        self.script("gif.sh")
        with Image.open(self.scratch / "icons.gif") as image:
            self.assertEqual((image.n_frames, image.info["loop"], image.info["duration"]), (4, 0, 500))

    def test_contact_sheet(self):
        self.script("contact-sheet.sh")
        sheet = self.picture("contact-sheet.png", (8 * 68 + 4, 2 * 68 + 4))
        tiles = {sheet.crop((x, y, x + 64, y + 64)).tobytes() for x in range(4, 548, 68) for y in (4, 72)}
        self.assertEqual(len(tiles), 16)

    def test_wall(self):
        self.script("wall.sh")
        wall = self.picture("wall.png", (256, 256))
        tiles = [wall.crop((x, y, x + 64, y + 64)) for x in range(0, 256, 64) for y in range(0, 256, 64)]
        self.assertEqual(len({tile.tobytes() for tile in tiles}), 16)
        for tile in tiles:
            self.assertEqual(tile.getchannel("A").getextrema()[1], 255)

    def test_avatars(self):
        names = ["ada", "grace hopper", "a/b", "-n", "zoë"]
        (self.scratch / "users.txt").write_text("\n".join(names[:3]) + "\n\n" + "\n".join(names[3:]))
        done = self.script("avatars.sh", "users.txt")
        written = [name.replace("/", "%2F") + ".png" for name in names]
        self.assertEqual(done.stdout.splitlines(), written)
        first = [self.icon(name) for name in written]
        self.assertEqual(len(set(first)), 5)
        self.script("avatars.sh", "users.txt")
        self.assertEqual([self.icon(name) for name in written], first)

    def test_favicon(self):
        done = self.script("favicon.sh", 'my "new"\\project', "rocket", "noto", "site")
        manifest = json.loads((self.scratch / "site/site.webmanifest").read_text())
        self.assertEqual(manifest["name"], 'my "new"\\project')
        for icon in manifest["icons"]:
            side = int(icon["sizes"].split("x")[0])
            self.picture("site/" + icon["src"], (side, side))
        listed = run(["icotool", "-l", "site/favicon.ico"], self.scratch).stdout
        self.assertEqual(re.findall(r"--width=(\d+)", listed), ["16", "32", "48"])
        self.assertIn("3 icons", run(["file", "site/favicon.ico"], self.scratch).stdout)
        apple = self.picture("site/apple-touch-icon.png", (180, 180))
        self.assertEqual(apple.getchannel("A").getextrema(), (255, 255))
        for target in re.findall(r'href="([^"]+)"', done.stdout):
            self.assertTrue((self.scratch / "site" / target).exists(), target)

    # From pictures

    def test_photo_to_emoji(self):
        self.script("from-pictures/photo-to-emoji.sh")
        self.assertEqual(self.files(), ["emoji.png"])
        icon = self.picture("emoji.png")
        red, green, blue, alpha = icon.getpixel((32, 40))
        self.assertGreater(red, green + 60, "the photo's apple is red, and so is the emoji's")
        self.assertGreater(red, blue + 60)
        self.assertEqual(alpha, 255)
        (self.scratch / "tall.png").write_bytes((SOURCE / "pipelines/images/contact-sheet.png").read_bytes())
        self.script("from-pictures/photo-to-emoji.sh", "tall.png", "rocket", "noto", "0.2")
        self.assertNotEqual(self.picture("emoji.png").tobytes(), icon.tobytes())

    def test_evolution(self):
        self.script("from-pictures/evolution.py", SOURCE / "pipelines/images/blob.png", "red apple", "noto", "6")
        with Image.open(self.scratch / "evolution.webp") as image, Image.open(SOURCE / "pipelines/images/blob.png") as blob:
            self.assertEqual((image.size, image.n_frames), ((64, 64), 6), "the last one is held")
            frames = []
            for k in range(6):
                image.seek(k)
                frames.append(image.convert("RGBA"))
            drawing = blob.convert("RGBA")
        def distance(a, b):
            """Of what is seen, over white."""
            over = [Image.alpha_composite(Image.new("RGBA", (64, 64), "white"), one).tobytes() for one in (a, b)]
            return sum(abs(x - y) for x, y in zip(*over))
        self.assertLess(distance(frames[0], drawing), 64 * 64 * 2, "strength 0 is the drawing")
        self.assertGreater(distance(frames[5], drawing), 4 * distance(frames[1], drawing))
        done = run([BUILD / "dit", "generate", "--quiet", "--prompt", "red apple", "--style", "noto", "--seed", "1",
                    "--steps", "16"], self.scratch)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(frames[5].tobytes(), self.picture("icon.png").tobytes(), "strength 1 is the icon of noise alone")

    def test_camera_wall(self):
        self.script("from-pictures/camera-wall.sh", "ball", "4")
        with Image.open(self.scratch / "camera-wall.webp") as image:
            self.assertEqual((image.size, image.n_frames), ((192, 128), 4))
            wall = image.convert("RGBA")
        tiles = [wall.crop((x, y, x + 64, y + 64)) for y in (0, 64) for x in (0, 64, 128)]
        self.assertEqual(len({tile.tobytes() for tile in tiles}), 6)
        for tile in tiles:
            red, green, blue, alpha = tile.getpixel((32, 34))
            self.assertGreater(red, max(green, blue) + 60, "all of them follow the ball")
            self.assertEqual(alpha, 255)
        missing = run([SOURCE / "pipelines/from-pictures/camera-wall.sh", "no-camera"], self.scratch)
        self.assertEqual((missing.returncode, missing.stderr), (77, "camera-wall.sh: skipped: no camera no-camera; 'ball' needs none\n"))

    # Elsewhere

    def test_terminal(self):
        for kind in ("", "dumb"):  # none, as under cron
            text = self.script("terminal.sh", "cat face", "4", TERM=kind).stdout
            self.assertGreater(len(text), 5000)

    def test_fps(self):
        text = self.script("fps.sh", "30").stdout
        self.assertGreater(float(re.fullmatch(r"rendered: \d+, dropped: 0, .*average: ([\d.]+)\n", text)[1]), 0.3)

    def test_virtual_camera(self):
        self.script("virtual-camera.sh", "rocket", "1")

    def test_appsink(self):
        done = run([BUILD / "appsink", "rocket", "2"], self.scratch)
        self.assertEqual((done.returncode, done.stderr), (0, "2 frames\n"))
        self.assertEqual(done.stdout.count("\u2580"), 2 * 32 * 64)
        self.assertEqual(self.script("programs/appsink.py", "rocket", "2").stdout, done.stdout)
        for command in ([BUILD / "appsink"], ["/usr/bin/python3", SOURCE / "pipelines/programs/appsink.py"]):
            for count in ("0", "-1", "0x10", "1e3", "+5", "", "2 ", "99999999999"):
                done = run([*command, "rocket", count], self.scratch)
                self.assertNotEqual(done.returncode, 0, count)
                self.assertIn("COUNT: expected a whole number", done.stderr)
            wrong = run([*command, "qqqqzzzz"], self.scratch)
            self.assertEqual(wrong.returncode, 1)
            self.assertIn("no word 'qqqqzzzz'", wrong.stderr)

    def test_mjpeg(self):
        process = subprocess.Popen(["/usr/bin/python3", SOURCE / "pipelines/programs/mjpeg.py", "rocket", "0"],
                                   cwd=self.scratch, env=environment(self.scratch), stdout=subprocess.PIPE, text=True)
        try:
            address = process.stdout.readline().split()[1]
            for _ in range(2):  # the second comes when the first has gone
                with urllib.request.urlopen(address, timeout=30) as answer:
                    self.assertEqual(answer.headers.get_content_type(), "multipart/x-mixed-replace")
                    text = b""
                    while text.count(b"\xff\xd9") < 3:
                        text += answer.read(4096)
                part = text[text.index(b"\xff\xd8"):]
                (self.scratch / "part.jpg").write_bytes(part[:part.index(b"\xff\xd9") + 2])
                self.picture("part.jpg", (512, 512), "RGB")
            self.check_mjpeg_in_browser(address)
            port = urllib.parse.urlsplit(address).port
            taken = run(["/usr/bin/python3", SOURCE / "pipelines/programs/mjpeg.py", "rocket", port], self.scratch)
            self.assertEqual(taken.returncode, 1)
            self.assertRegex(taken.stderr, r"^mjpeg.py: port \d+: .*Address already in use.*\n$")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
            process.stdout.close()

    def check_mjpeg_in_browser(self, address):
        if not browser.PROGRAM:
            print(f"skipped Chromium for mjpeg.py: {browser.MISSING}")
            return
        with browser.Browser() as chromium:
            page = chromium.page()
            page.run(f"document.body.append(Object.assign(new Image(), {{src: '{address}'}}))")
            page.wait("document.images[0].naturalWidth == 512")

    def test_webrtc(self):
        self.assertGreaterEqual(int(self.script("programs/webrtc.py", "rocket", "8").stdout.split()[0]), 8)

    # A range of icons, in shards

    def million(self, *arguments, model=TINY, status=0, name="million/parallel.sh"):
        done = run([SOURCE / "pipelines" / name, *arguments], self.scratch, DIT_MODEL=str(model))
        if done.returncode == 77:
            self.skipTest(done.stderr.strip())
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def single_run(self, count, model):
        (self.scratch / "single").mkdir()
        done = run([BUILD / "dit", "generate", "--quiet", "--model", model, "--prompt", "fox", "--seed", "5", "--count",
                    count, "-o", "single/icon-%09d.png"], self.scratch)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {p.name: p.read_bytes() for p in (self.scratch / "single").iterdir()}

    def union(self, folder="out"):
        found = {}
        for path in (self.scratch / folder).glob("shard-*/icon-*.png"):
            self.assertNotIn(path.name, found, "an icon twice")
            found[path.name] = path.read_bytes()
        return found

    def test_shards_are_the_single_run_though_workers_are_killed(self):
        command = [SOURCE / "pipelines/million/parallel.sh", "24", "6", "out", "2", "5", "fox"]
        process = subprocess.Popen(command, cwd=self.scratch, env=environment(self.scratch, DIT_MODEL=str(ICONS)),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        killed, end = [], time.monotonic() + 60
        while len(killed) < 2 and process.poll() is None and time.monotonic() < end:
            for path in (self.scratch / "out").glob("shard-*.partial-*"):
                worker = int(path.name.rsplit("-", 1)[1])
                if worker not in killed and any(path.glob("*.png")):
                    os.kill(worker, signal.SIGKILL)  # dit itself lives on for a while, as on a real host
                    killed.append(worker)
            time.sleep(0.005)
        output = process.communicate(timeout=120)[0]
        if process.returncode == 77:
            self.skipTest(output.strip())
        self.assertEqual(process.returncode, 0, output)
        self.assertEqual(len(killed), 2, output)
        self.assertIn("24 icons in 6 shards", output)
        self.assertEqual(self.union(), self.single_run(24, ICONS))

    def test_an_interrupted_range_goes_on(self):
        self.million("1", "4", "30", "out", "5", "fox", name="million/shard.sh")
        before = (self.scratch / "out/shard-00001/manifest.tsv").stat().st_mtime_ns
        done = self.million("30", "4", "out", "2", "5", "fox")
        self.assertIn("shard 1 is there already", done.stdout)
        self.assertEqual((self.scratch / "out/shard-00001/manifest.tsv").stat().st_mtime_ns, before)
        self.assertEqual(self.union(), self.single_run(30, TINY))
        self.assertIn("holds 30 icons in 4", self.million("31", "4", "out", "2", "5", "fox", status=2).stderr)
        (self.scratch / "out/shard-00002/icon-000000015.png").write_bytes(b"other")
        self.million("30", "4", "out", name="million/verify.sh", status=1)

    def test_job_descriptions(self):
        slurm = SOURCE / "pipelines" / "million/slurm.sh"
        done = run([slurm, "out"], self.scratch, DIT_MODEL=str(TINY), SLURM_SUBMIT_DIR=str(SOURCE),
                   SLURM_ARRAY_TASK_ID="3", SLURM_CPUS_PER_TASK="1", SHARDS="5", COUNT="20")
        self.assertNotEqual(done.returncode, 0)  # the tiny model knows no rocket, and says so
        self.assertIn("rocket", done.stderr)
        self.assertEqual([p.name for p in (self.scratch / "out").glob("shard-*")], [])
        text = (SOURCE / "pipelines/million/kubernetes.yaml").read_text()
        try:
            import yaml
        except ImportError:
            self.skipTest("kubernetes.yaml was not parsed: python3-yaml is not installed")
        job = yaml.safe_load(text)
        self.assertEqual((job["kind"], job["spec"]["completionMode"]), ("Job", "Indexed"))
        container = job["spec"]["template"]["spec"]["containers"][0]
        self.assertTrue((SOURCE / container["command"][0].removeprefix("/ditsrc/")).exists())
        self.assertEqual(int(container["args"][1]), job["spec"]["completions"])

    def test_a_wrong_word_fails(self):
        done = run([SOURCE / "pipelines/four-hearts.sh", "qqqqzzzz"], self.scratch)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count("ERROR: from element"), 1, done.stderr)
        self.assertIn("no word 'qqqqzzzz'", done.stderr)
        self.assertEqual(self.files(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
