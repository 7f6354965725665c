# SPDX-License-Identifier: MIT
"""Requests to the live favicon server, byte by byte, and the status that each of them gets; None: no answer at all."""

HOST = b"Host: localhost\r\n"


def ask(line, *fields, host=HOST):
    return line + b" HTTP/1.1\r\n" + host + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def named(host):
    return ask(b"GET /status", host=b"Host: " + host + b"\r\n")


SITE, ORIGIN, REFERER = b"Sec-Fetch-Site: ", b"Origin: ", b"Referer: "
NAVIGATE = (b"Sec-Fetch-Mode: navigate", b"Sec-Fetch-Dest: document")
PAINT = b"GET /paint?prompt=fox&steps=1"
#: A drawing of the size of the tiny model, 8 pixels by 12.
BODY = b"\x80" * 384
TYPE, LENGTH = b"Content-Type: application/octet-stream", b"Content-Length: 384"
DRAW = b"POST /draw.png?prompt=fox&steps=1"


def draw(*fields, line=DRAW, body=BODY, host=HOST):
    return ask(line, TYPE, LENGTH, *fields, host=host) + body


def typed(*types):
    return ask(DRAW, *(b"Content-Type: " + one for one in types), LENGTH) + BODY


def long(*lengths):
    return ask(DRAW, TYPE, *(b"Content-Length: " + one for one in lengths)) + BODY


NAMES = [(host, status) for status, hosts in {
    200: (b"localhost", b"LocalHost", b"localhost.", b"localhost:1", b"localhost:", b"127.0.0.1", b"127.0.0.1:65535",
          b" \tlocalhost \t"),
    403: (b"", b"evil.example", b"localhost.evil.example", b"evil.example:80", b"127.0.0.2", b"127.1", b"2130706433",
          b"0x7f000001", b"0.0.0.0", b"localhost..", b".localhost", b"[::1]", b"[::ffff:127.0.0.1]", b"xn--localhost"),
    400: (b"localhost:x", b"localhost:99999", b"localhost:-1", b"localhost:80:80", b"localhost evil", b"localhost, evil",
          b"user@localhost", b"localhost/x", b"[::1", b"::1", b"[localhost]", b"[::1]x", b"[fe80::1%lo]", b"loc\xc3\xa4l",
          b"localhost\0", b"localhost#", b"127.0.0.1:+5", b"127.0.0.1:0x10"),
}.items() for host in hosts]

REQUESTS = [
    # HEAD wherever GET is; nothing else
    (200, ask(b"GET /")), (200, ask(b"HEAD /")), (200, ask(b"HEAD /status")), (200, ask(b"HEAD /recent")),
    (200, ask(b"HEAD /paint?steps=1")), (200, ask(b"HEAD /icon.png")), (200, ask(b"HEAD /icon.ico")),
    (200, ask(b"HEAD /icon.webp")), (404, ask(b"HEAD /none")), (400, ask(b"HEAD /paint?steps=0")),
    *[(400, ask(method + b" /icon.png?prompt=qqqq")) for method in (b"GET", b"HEAD")],
    *[(400, ask(method + b" /paint?style=qqqq")) for method in (b"GET", b"HEAD")],
    (405, ask(b"POST /")), (405, ask(b"PUT /status")), (405, ask(b"DELETE /")), (405, ask(b"OPTIONS *")),
    (405, ask(b"CONNECT localhost:80")), (405, ask(b"get /")), (405, ask(b"TRACE /")),
    # one Host
    (400, b"GET / HTTP/1.1\r\n\r\n"), (400, ask(b"GET /", HOST[:-2])), (400, ask(b"GET /", b"host: evil")),
    (403, b"GET / HTTP/1.0\r\n\r\n"), (200, b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n"), (400, b"GET / HTTP/1.1\r\n Host: localhost\r\n\r\n"),
    # the address in the request line counts, and Host as well
    (200, ask(b"GET http://localhost/status")), (200, ask(b"GET HTTP://127.0.0.1:80/status")),
    (200, ask(b"GET http://localhost")), (404, ask(b"GET http://localhost/status/")), (404, ask(b"GET //evil/status")),
    (403, ask(b"GET http://evil/status")), (403, ask(b"GET http://localhost/status", host=b"Host: evil\r\n")),
    (400, ask(b"GET http://user@localhost/status")), (400, ask(b"GET ftp://localhost/status")),
    (400, ask(b"GET localhost/status")), (403, ask(b"GET http:///status")), (400, ask(b"GET http:/status")),
    # bodies
    (400, ask(b"POST /", b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    (400, ask(b"GET /", b"Transfer-Encoding: chunked", b"Content-Length: 0") + b"0\r\n\r\n"),
    (400, ask(b"GET /", b"Content-Length: 0", b"Content-Length: 0")), (400, ask(b"GET /", b"Content-Length: +5")),
    (400, ask(b"GET /", b"Content-Length: -1")), (400, ask(b"GET /", b"Content-Length: 0x10")),
    (400, ask(b"GET /", b"Content-Length: 1e3")), (400, ask(b"GET /", b"Content-Length:")),
    (400, ask(b"GET /", b"Content-Length: 5, 5")), (200, ask(b"GET /", b"Content-Length: 0")),
    (413, ask(b"GET /", b"Content-Length: 5") + b"aaaaa"), (413, ask(b"GET /", b"Content-Length: 99999999999999999999")),
    (413, ask(b"GET /", b"Transfer-Encoding: chunked") + b"5\r\naaaaa\r\n0\r\n\r\n"),
    (400, ask(b"GET /", b"Transfer-Encoding: gzip, chunked")), (400, ask(b"GET /", b"Transfer-Encoding: xchunked")),
    (400, ask(b"GET /", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")),
    (400, b"GET / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"),
    (405, ask(b"POST /", b"Content-Length: 100000000000")), (413, ask(b"GET /", b"Expect: 100-continue", b"Content-Length: 9")),
    # lines
    (400, ask(b"GET /", b"A: b\r\n c")), (400, ask(b"GET /", b"A")), (400, ask(b"GET /", b": b")), (400, ask(b"GET /", b"A\0: b")),
    (400, ask(b"GET /", b"A: b\x01")), (400, ask(b"GET /", b"A: b\rc")), (400, ask(b"GET /", b"A: b\nc: d")),
    (400, b"GET / HTTP/1.1\nHost: localhost\n\n"), (400, b"\r\n" + ask(b"GET /")), (200, ask(b"GET /", b"A: \xff\xfe")),
    (400, b"GET /\r\n\r\n"), (400, b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n"), (400, b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n"),
    (400, b"GET / http/1.1\r\n" + HOST + b"\r\n"), (400, b"GET / HTTP/1.10\r\n" + HOST + b"\r\n"),
    (505, b"GET / HTTP/2.0\r\n" + HOST + b"\r\n"), (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), (200, b"GET / HTTP/1.9\r\n" + HOST + b"\r\n"),
    (400, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"), (400, ask(b"GET /a b")), (400, ask(b"GET /\xff")), (400, ask(b"GET /#x")),
    (414, ask(b"GET /" + b"a" * 9000)), (414, b"GET /" + b"a" * 20000), (431, ask(b"GET /", b"A: " + b"b" * 20000)),
    (431, ask(b"GET /", *[b"A: b"] * 101)), (200, ask(b"GET /status", *[b"A: b"] * 90)),
    # more than one request: the first is answered, and the connection closed
    (200, ask(b"GET /status") + ask(b"GET /")), (200, ask(b"GET /status") + b"rubbish"),
    # queries
    (400, ask(b"GET /paint?steps=08x")), (400, ask(b"GET /paint?steps=%2B5")), (400, ask(b"GET /paint?steps=0x10")),
    (400, ask(b"GET /paint?steps=1e3")), (400, ask(b"GET /paint?steps=")), (400, ask(b"GET /paint?seed=-1")),
    (400, ask(b"GET /paint?seed=1&seed=2")), (400, ask(b"GET /paint?prompt=%ff")), (400, ask(b"GET /paint?prompt=a%0ab")),
    (400, ask(b"GET /recent?after=")), (400, ask(b"GET /recent?after=+1")), (400, ask(b"GET /recent?after=0x1")),
    # pages of other sites
    *[(403, ask(PAINT, SITE + site)) for site in (b"cross-site", b"same-site", b"", b"Same-Origin", b"none, none")],
    *[(200, ask(PAINT, SITE + site)) for site in (b"same-origin", b"none")],
    # "none" is also what a page says that was typed and has led elsewhere
    *[(403, ask(line, SITE + b"none", *NAVIGATE)) for line in (PAINT, b"GET /icon.png?steps=1", b"GET /styles", b"HEAD /paint")],
    (403, ask(PAINT, *NAVIGATE)), (403, ask(PAINT, SITE + b"none", NAVIGATE[1])), (200, ask(b"GET /", SITE + b"none", *NAVIGATE)),
    (200, ask(b"GET /icon.png?steps=1", SITE + b"same-origin", *NAVIGATE)),
    (403, ask(PAINT, SITE + b"cross-site", *NAVIGATE)), (403, ask(b"GET /", SITE + b"cross-site")),
    (200, ask(b"GET /", SITE + b"cross-site", *NAVIGATE)), (403, ask(b"GET /recent", SITE + b"cross-site", *NAVIGATE)),
    (403, ask(b"GET /", SITE + b"cross-site", b"Sec-Fetch-Mode: navigate", b"Sec-Fetch-Dest: iframe")),
    (400, ask(PAINT, SITE + b"none", SITE + b"cross-site")), (400, ask(PAINT, ORIGIN + b"null", ORIGIN + b"http://localhost")),
    *[(403, ask(PAINT, ORIGIN + origin)) for origin in
      (b"http://evil.example", b"null", b"", b"http://localhost:1", b"http://localhost.evil", b"file://", b"localhost",
       b"ftp://localhost", b"http://user@localhost", b"http://127.0.0.1")],
    *[(200, ask(PAINT, ORIGIN + origin)) for origin in (b"http://localhost", b"https://localhost", b"http://LOCALHOST:80")],
    (403, ask(PAINT, SITE + b"same-origin", ORIGIN + b"http://evil.example")), (403, ask(b"GET /", ORIGIN + b"http://evil.example")),
    (403, ask(PAINT, REFERER + b"http://evil.example/page")), (200, ask(PAINT, REFERER + b"http://localhost/")),
    (200, ask(b"GET /", REFERER + b"http://evil.example/page")),
    # drawings: POST alone, of one type and one length
    (200, draw()), (200, draw(line=b"POST /draw.ico")), (200, draw(line=b"POST /draw.webp?strength=0.5")),
    (200, draw(line=b"POST http://localhost/draw.png")), (200, draw() + b"rubbish"), (200, draw() + draw()),
    (200, draw().replace(b"HTTP/1.1", b"HTTP/1.0")), (200, typed(b"Application/Octet-Stream")), (200, draw(b"Expect: 100-Continue")),
    *[(405, ask(method + b" /draw.png")) for method in (b"GET", b"HEAD", b"PUT", b"OPTIONS", b"post")],
    *[(405, draw(line=b"POST " + path)) for path in (b"/", b"/paint", b"/icon.png", b"/none", b"/draw.png/", b"/draw", b"/Draw.png")],
    *[(415, typed(one)) for one in (b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x", b"",
                                    b"image/png", b"application/octet-stream; charset=utf-8", b"application/octet-stream, text/plain")],
    (415, typed()), (400, typed(b"application/octet-stream", b"text/plain")), (415, draw(b"Content-Encoding: gzip")),
    (411, long()), (411, ask(DRAW, TYPE, b"Transfer-Encoding: chunked") + b"180\r\n" + BODY + b"\r\n0\r\n\r\n"),
    (400, draw(b"Transfer-Encoding: chunked")), (400, draw(b"Transfer-Encoding: identity")),
    *[(413, long(one)) for one in (b"385", b"16384", b"100000000000", b"9" * 40, b"00385")],
    *[(400, long(one)) for one in (b"0", b"", b"383", b"99", b"+384", b"-1", b"0x180", b"384, 384", b"384.0", b"3e2", b"0384", b"00")],
    (400, long(b"384", b"384")), (400, long(b"384", b"0")), (417, draw(b"Expect: x")), (400, draw(b"Expect: x", b"Expect: 100-continue")),
    (400, draw(line=DRAW + b"&strength=2")), (400, draw(line=DRAW + b"&page=x")), (400, draw(line=DRAW + b"&strength=0&strength=1")),
    *[(403, draw(SITE + site)) for site in (b"cross-site", b"same-site", b"")], (200, draw(SITE + b"same-origin", ORIGIN + b"http://localhost")),
    *[(403, draw(ORIGIN + origin)) for origin in (b"http://evil.example", b"null", b"", b"http://localhost:1", b"https://127.0.0.1")],
    (403, draw(SITE + b"cross-site", *NAVIGATE)), (403, draw(SITE + b"none", ORIGIN + b"null")), (403, draw(REFERER + b"http://evil.example/page")),
    (403, draw(host=b"Host: evil.example\r\n")), (403, ask(DRAW, TYPE, b"Content-Length: 100000000000", ORIGIN + b"null")),
    # what the page asks for while one types
    (200, ask(b"GET /words")), (200, ask(b"GET /read?prompt=fox+qqqq")), (200, ask(b"GET /read")), (200, ask(b"GET /styles?after=9999999999")),
    (400, ask(b"GET /read?prompt=" + b"a" * 201)), (400, ask(b"GET /read?prompt=a%0ab")), (400, ask(b"GET /read?style=noto")),
    (400, ask(b"GET /read?prompt=a&prompt=b")), (400, ask(b"GET /styles?after=-1")), (400, ask(b"GET /styles?before=1")),
    (403, ask(b"GET /read?prompt=fox", SITE + b"cross-site")), (403, ask(b"GET /main.js", SITE + b"cross-site")), (200, ask(b"HEAD /main.js")),
]
