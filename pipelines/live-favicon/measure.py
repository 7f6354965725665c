#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How soon visitors of a live favicon see a first step, and how many icons a second they get together.

  pipelines/live-favicon/measure.py [--visitors 1,8,32] [--seconds 10] [--steps 4] [--draw] [ADDRESS]

Each visitor asks for one icon after the other. --draw: of a drawing with strength 0.7, which comes as a whole. ADDRESS defaults to http://127.0.0.1:8064.
"""
import argparse
import concurrent.futures
import http.client
import pathlib
import statistics
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "programs"))
from arguments import number, refuse  # noqa: E402


class Refused(Exception):
    pass


def said(answer):
    return answer.read(1000).decode(errors="replace").strip()


def draw(host, query, body):
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("POST", "/draw.png?" + query, body, {"Content-Type": "application/octet-stream"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise Refused(f"{answer.status}: {said(answer)}")
    answer.read()
    connection.close()


def visit_drawing(host, number, steps, end, first_ms, icons):
    seed, colour = number << 32, bytes((224, 32, 32, 255))
    body = b"".join(colour if (x - 32) ** 2 + (y - 34) ** 2 < 256 else bytes(4) for y in range(64) for x in range(64))
    while time.monotonic() < end:
        start = time.monotonic()
        draw(host, urllib.parse.urlencode({"prompt": "apple", "style": "noto", "seed": seed, "steps": steps, "strength": 0.7}), body)
        first_ms.append((time.monotonic() - start) * 1000)
        icons.append(number)
        seed += 1


def visit(host, number, steps, end, first_ms, icons):
    seed = number << 32
    while time.monotonic() < end:
        start = time.monotonic()
        connection = http.client.HTTPConnection(host, timeout=60)
        query = urllib.parse.urlencode({"prompt": "castle", "style": "fluent-emoji", "seed": seed, "steps": steps})
        connection.request("GET", "/paint?" + query)
        answer = connection.getresponse()
        if answer.status != 200:
            raise Refused(f"{answer.status}: {said(answer)}")
        answer.readline()
        first_ms.append((time.monotonic() - start) * 1000)
        if b"event: done" in answer.read():
            icons.append(number)
        connection.close()
        seed += 1


def measure(host, visitors, seconds, steps, drawn):
    first_ms, icons = [], []
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(visitors) as pool:
        visits = [pool.submit(visit_drawing if drawn else visit, host, k, steps, start + seconds, first_ms, icons)
                  for k in range(visitors)]
    for each in visits:
        each.result()  # a visitor who was refused has measured nothing, and neither have the others
    elapsed = time.monotonic() - start
    if not icons:
        raise Refused("no icon came")
    first_ms.sort()
    each = [icons.count(k) for k in range(visitors)]
    print(f"{visitors:4} visitors: {'icon' if drawn else 'first step'} after {statistics.median(first_ms):6.0f} ms (median; 95 %: "
          f"{first_ms[int(len(first_ms) * 0.95)]:.0f} ms), {len(icons) / elapsed:6.2f} icons/s of {steps} steps, "
          f"{min(each)} to {max(each)} each", flush=True)


def host_of(address):
    try:
        place = urllib.parse.urlsplit(address)
        if place.scheme == "http" and place.hostname and place.port != 0:
            return place.netloc
    except ValueError:  # a port or an IPv6 address that is none
        pass
    return refuse("ADDRESS", "http://HOST:PORT", address)


def shown(error):
    """What others wrote, without what would act on a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(error))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--visitors", default="1,8,32")
    options.add_argument("--seconds", default="10")
    options.add_argument("--steps", default="4")
    options.add_argument("--draw", action="store_true")
    options.add_argument("address", nargs="?", default="http://127.0.0.1:8064")
    options = options.parse_args()
    host, steps = host_of(options.address), number("--steps", options.steps, 1, 1000)
    seconds = number("--seconds", options.seconds, 1, 86400)
    for visitors in [number("--visitors", text, 1, 1000) for text in options.visitors.split(",")]:
        try:
            measure(host, visitors, seconds, steps, options.draw)
        except (Refused, OSError, http.client.HTTPException) as error:
            sys.exit(f"measure.py: {visitors} visitors: {shown(error)}")


if __name__ == "__main__":
    main()
