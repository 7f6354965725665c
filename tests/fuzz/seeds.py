# SPDX-License-Identifier: MIT
"""Write the seed corpus: small files of every format, whole and broken in the ways that have bitten readers before.

    seeds.py            write tests/fuzz/corpus
    seeds.py --check    compare with the committed files
"""
import json
import pathlib
import struct
import sys

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
HUGE, WRAP32, WRAP64 = 2**64 - 1, 2**16, 2**31
CONFIG = json.dumps({
    "name": "s", "channels": 3, "alpha": "none", "height": 2, "width": 2, "patch": 2, "dim": 4, "depth": 1, "heads": 1,
    "mlp_dim": 4, "cond_dim": 4, "time_dim": 2, "time_scale": 1, "norm": "layer", "norm_eps": 1e-5, "qk_norm": False,
    "bias": False, "activation": "silu", "prediction": "x", "schedule": {"type": "flow"}, "styles": [], "words": []})

PARTS = json.dumps({**json.loads(CONFIG), "context": 2, "detail": {"channels": 3, "hidden": 5, "layers": 2}})


def safetensors(tensors, data, metadata=None, length=None):
    header = dict(tensors)
    if metadata is not None:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(range(256))[:data]


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors_seeds():
    yield "plain", safetensors({"a": entry("F32", [2, 3], 0, 24), "b": entry("F16", [], 24, 26)}, 26, {"k": "v"})
    types, end = {}, 0
    for dtype, size in (("F64", 8), ("BF16", 2), ("I8", 1), ("U8", 1), ("I16", 2), ("U16", 2), ("I32", 4), ("U32", 4),
                        ("I64", 8), ("U64", 8), ("BOOL", 1), ("F8_E4M3", 1), ("C64", 8), ("NEW", 3)):
        types[dtype] = entry(dtype, [1], end, end := end + size)
    yield "types", safetensors(types, end)
    yield "sub-bytes", safetensors({"a": entry("F4", [2, 3], 0, 3), "b": entry("F6_E2M3", [4], 3, 6)}, 6)
    yield "hole", safetensors({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 8, 12)}, 12)
    yield "over", safetensors({"a": entry("F32", [2], 0, 8), "b": entry("F32", [1], 4, 8)}, 8)
    yield "left-over", safetensors({"a": entry("F32", [1], 0, 4)}, 9)
    one = json.dumps(entry("U8", [1], 0, 1))
    text_ = f'{{"a": {one}, "a": {one}}}'.encode()
    yield "twice", struct.pack("<Q", len(text_)) + text_ + b"x"
    yield "int4", safetensors({"w": entry("U8", [1, 16], 0, 16), "w.scales": entry("F16", [1, 1], 16, 18)}, 18,
                              {"quantised": "g32"})
    yield "int8", safetensors({"w": entry("I8", [1, 32], 0, 32), "w.scales": entry("F16", [1, 1], 32, 34)}, 34,
                              {"quantised": "g32"})
    yield "int4-short", safetensors({"w": entry("U8", [1, 16], 0, 16), "w.scales": entry("F16", [0, 1], 16, 16)}, 16,
                                    {"quantised": "g32"})
    yield "model", safetensors({"pos_embed": entry("F32", [1, 4], 0, 16)}, 16, {"format": "ditsrc/1", "config": CONFIG})
    yield "parts", safetensors({"context.position": entry("F32", [3, 4], 0, 48)}, 48, {"format": "ditsrc/1", "config": PARTS})
    yield "overflow-32", safetensors({"a": entry("F32", [WRAP32, WRAP32], 0, 0)}, 0)
    yield "overflow-64", safetensors({"a": entry("F32", [WRAP64, WRAP64, 4], 0, 0)}, 0)
    yield "dimension-33-bits", safetensors({"a": entry("F32", [2**32], 0, 0)}, 0)
    yield "offsets", safetensors({"a": entry("F32", [1], 8, 4)}, 16)
    yield "header-longer", safetensors({}, 0, length=2**40)
    yield "header-huge", safetensors({}, 0, length=HUGE)
    yield "deep", struct.pack("<Q", 2000) + b"[" * 2000


def text(value):
    value = value.encode()
    return struct.pack("<Q", len(value)) + value


def gguf(infos=(), entries=(), data=64, version=3, tensors=None, count=None):
    head = struct.pack("<4sIQQ", b"GGUF", version, len(infos) if tensors is None else tensors,
                       len(entries) if count is None else count)
    body = head + b"".join(entries)
    for name, sizes, kind, offset in infos:
        body += text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)
    return body + bytes(-len(body) % 32) + (bytes(range(256)) * 2)[:data]


def gguf_seeds():
    def string(key, value):
        return text(key) + struct.pack("<I", 8) + text(value)
    yield "plain", gguf([("a", [2, 3], 0, 0), ("h", [4], 1, 32)])
    yield "types", gguf([(str(k), [n], k, 64 * i) for i, (k, n) in enumerate((
        (2, 32), (8, 32), (24, 8), (25, 4), (26, 2), (27, 1), (28, 1), (30, 3)))], data=478)
    yield "foreign", gguf([("k", [256], 12, 0), ("new", [5], 99, 160), ("f", [1], 0, 192)], data=224)
    yield "hole", gguf([("a", [1], 0, 0), ("b", [1], 0, 64)], data=96)
    yield "over", gguf([("a", [16], 0, 0), ("b", [1], 0, 32)])
    yield "left-over", gguf([("a", [1], 0, 0)], data=65)
    yield "twice", gguf(entries=[string("k", "v"), string("k", "w")], data=0)
    yield "model", gguf([("pos_embed", [4, 1], 0, 0)], [string("ditsrc.format", "ditsrc/1"),
                                                        string("ditsrc.config", CONFIG)], data=32)
    scalars = [text(f"k{kind}") + struct.pack(f"<I{size}s", kind, b"\1" * size)
               for kind, size in enumerate((1, 1, 2, 2, 4, 4, 4, 1)) ]
    yield "metadata", gguf([], scalars + [text("a") + struct.pack("<IIQ", 9, 8, 2) + text("x") + text("yz"),
                                          text("n") + struct.pack("<IIQIQI", 9, 9, 1, 5, 1, 7),
                                          text("general.alignment") + struct.pack("<II", 4, 64)], data=0)
    yield "overflow-32", gguf([("a", [WRAP32, WRAP32], 0, 0)])
    yield "overflow-64", gguf([("a", [WRAP64, WRAP64, 4], 8, 0)])
    yield "dimension-huge", gguf([("a", [HUGE], 0, 0)])
    yield "offset-huge", gguf([("a", [1], 0, 2**64 - 32)])
    yield "tensors-huge", gguf(tensors=HUGE)
    yield "entries-huge", gguf(count=HUGE)
    yield "key-huge", gguf(entries=[struct.pack("<Q", HUGE)])
    yield "array-huge", gguf(entries=[text("a") + struct.pack("<IIQ", 9, 8, HUGE)])
    yield "array-deep", gguf(entries=[text("a") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 50])
    yield "alignment-zero", gguf(entries=[text("general.alignment") + struct.pack("<II", 4, 0)])
    yield "version-1", gguf(version=1)


def varint(value):
    out = b""
    while value >= 128:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def onnx(*tensors):
    return number(1, 8) + message(7, message(1, b"node") + b"".join(message(5, tensor) for tensor in tensors))


def onnx_seeds():
    raw = number(1, 2) + number(2, 1) + message(8, b"raw") + message(9, bytes(8))
    yield "plain", onnx(raw, message(1, b"\2\3") + number(2, 10) + message(8, b"packed") + message(9, bytes(12)))
    yield "lists", onnx(number(1, 2) + number(2, 1) + message(4, bytes(8)), number(1, 1) + number(2, 11) + message(10, bytes(8)))
    yield "elsewhere", onnx(number(1, 9) + number(2, 7) + message(8, b"x") + message(13, b"a file"))
    yield "twice", onnx(raw, raw)
    yield "int32-data", onnx(number(1, 1) + number(2, 6) + message(8, b"i") + message(5, b"\7"))
    yield "external", onnx(raw + number(14, 1))
    yield "pieces", onnx(number(1, 2) + number(2, 1) + message(8, b"p") + message(4, bytes(4)) * 2)
    yield "sparse", number(1, 8) + message(7, message(15, message(1, raw) + message(2, raw) + number(3, 9)))
    yield "overflow-32", onnx(number(1, WRAP32) + number(1, WRAP32) + number(2, 1))
    yield "overflow-64", onnx(number(1, WRAP64) + number(1, WRAP64) + number(1, 4) + number(2, 1))
    yield "length-huge", varint(7 << 3 | 2) + varint(HUGE)
    yield "varint-long", b"\xff" * 11
    yield "dimension-huge", onnx(number(1, HUGE) + number(2, 1))


def npy(header, data, version=1, length=None):
    text_ = header.encode()
    size = len(text_) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", size) + text_ + bytes(data)


def npy_seeds():
    form = "{{'descr': '{}', 'fortran_order': {}, 'shape': ({}), }}\n"
    yield "plain", npy(form.format("<f4", False, "2, 3"), 24)
    yield "version-2", npy(form.format("<f8", False, ""), 8, 2)
    yield "integers", npy(form.format("|u1", False, "5,"), 5)
    yield "fortran", npy(form.format("<f4", True, "2,"), 8)
    yield "overflow-32", npy(form.format("<f4", False, "65536, 65536"), 0)
    yield "overflow-64", npy(form.format("<f4", False, "2147483648, 2147483648, 4"), 0)
    yield "dimension-33-bits", npy(form.format("<f4", False, "4294967296,"), 0)
    yield "header-longer", npy("{", 0, 2, 2**32 - 1)
    yield "header-cut", npy("{'descr': '<f4", 0)
    yield "key-twice", npy("{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", 4)


def wts1(tensors, count=None, tail=b""):
    body = struct.pack("<4sI", b"WTS1", len(tensors) if count is None else count)
    for key, sizes, elements, data in tensors:
        name = key.encode()
        body += struct.pack("<I", len(name)) + name + bytes(-len(name) % 4)
        body += struct.pack(f"<I{len(sizes)}II", len(sizes), *sizes, elements) + data
    return body + tail


def diffusor():
    """The smallest model that there is: width 8, one block of a head of 4, patches of 2 x 2 pixels."""
    def matrix(key, out, columns):
        values = struct.pack(f"<{out * columns}f", *(0.01 * (i % 7) for i in range(out * columns)))
        return key, (out, columns), out * columns, values
    norms = [matrix(f"{n}.{part}.weight", 8, 3) for n in ("block_0.norm1", "block_0.norm2", "final_norm")
             for part in ("scale", "shift")]
    return [matrix("patch_embed.weight", 8, 12), matrix("time_mlp.1.weight", 3, 4), matrix("time_mlp.3.weight", 3, 3),
            *(matrix(f"block_0.attn.to_{x}.weight", 4, 8) for x in "qkv"), matrix("block_0.attn.to_out.weight", 8, 4),
            matrix("block_0.ff.net.0.weight", 16, 8), matrix("block_0.ff.net.2.weight", 8, 16), *norms,
            matrix("to_pixels.weight", 12, 8)]


def wts1_seeds():
    one = struct.pack("<f", 1)
    yield "plain", wts1([("a", (1, 2), 2, one * 2), ("four", (), 1, one)])
    yield "model", wts1(diffusor())
    yield "transposed", wts1([(k, s[::-1], n, d) for k, s, n, d in diffusor()])
    yield "mixed", wts1([(k, s[::-1] if i % 2 else s, n, d) for i, (k, s, n, d) in enumerate(diffusor())])
    yield "nan", wts1([("a", (1,), 1, struct.pack("<f", float("nan")))])
    yield "counts-differ", wts1([("a", (2, 2), 3, one * 3)])
    yield "overflow-32", wts1([("a", (WRAP32, WRAP32), 0, b"")])
    yield "overflow-64", wts1([("a", (WRAP64, WRAP64, 4), 0, b"")])
    yield "rank-huge", wts1([], 1, struct.pack("<I4sI", 1, b"a", 2**32 - 1))
    yield "key-huge", wts1([], 1, struct.pack("<I", 2**32 - 1))
    yield "count-huge", wts1([], 2**32 - 1)
    yield "twice", wts1([("a", (1,), 1, one)] * 2)
    yield "left-over", wts1([("a", (1,), 1, one)], tail=b"more")


def config_seeds():
    plain = json.loads(CONFIG)
    linear = {"type": "vp-linear", "timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "variance": "beta"}
    yield "plain", CONFIG.encode()
    yield "linear", json.dumps(plain | {"schedule": linear, "prediction": "v", "default_steps": 4}).encode()
    yield "cosine", json.dumps(plain | {"schedule": {"type": "vp-cosine", "timesteps": 100, "offset": 0.008},
                                        "prediction": "epsilon", "default_sampler": "dpm++3m"}).encode()
    yield "styles", json.dumps(plain | {"styles": ["a"], "aliases": {"b": ["c"]}, "norm": "rms", "qk_norm_eps": 1e-6}).encode()
    yield "numbers", json.dumps(plain | {"dim": 24.9, "norm_eps": -1, "default_steps": 2**32 + 8}).encode()
    yield "deep", b'{"name":' + b"[" * 3000


def changes_seeds():
    yield "torch", b'{"norm": "torch", "heads": 2}'
    yield "schedule", b'{"schedule": {"type": "vp-cosine", "timesteps": 32, "offset": -1}, "prediction": "epsilon"}'
    yield "deep", b'{"description":' + b'{"a":' * 2000


def server_seeds():
    """A byte that says how large the pieces are in which the rest arrives, then a request."""
    ours = b"Host: localhost:8064\r\n"
    def ask(line, *fields, piece=b"\xff"):
        return piece + line + b" HTTP/1.1\r\n" + b"".join(fields) + b"\r\n"
    yield "page", ask(b"GET /", ours)
    yield "drip", ask(b"GET /icon.png?seed=7", ours, piece=b"\0")
    yield "paint", ask(b"GET /paint?prompt=green%20heart&style=noto&seed=7&steps=64", ours,
                       b"Sec-Fetch-Site: same-origin\r\nOrigin: http://localhost:8064\r\n")
    yield "head", ask(b"HEAD /paint?steps=1", ours)
    yield "absolute", ask(b"GET http://127.0.0.1:8064/status?x", b"Host: 127.0.0.1:8064\r\n")
    yield "six", ask(b"GET /", b"Host: [::1]:8064\r\n")
    yield "old", b"\xffGET / HTTP/1.0\r\nhost:localhost.\r\n\r\n"
    yield "two-hosts", ask(b"GET /", ours, ours)
    yield "smuggled", ask(b"POST /", ours, b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + b"0\r\n\r\n"
    yield "body", ask(b"POST /", ours, b"Content-Length: 100000000000\r\n") + b"x" * 100
    yield "pipelined", ask(b"GET /status", ours) + ask(b"GET /", ours)[1:]
    yield "folded", ask(b"GET /", ours, b"A: b\r\n c\r\n")
    yield "foreign", ask(b"GET /paint", ours, b"Sec-Fetch-Site: cross-site\r\nReferer: http://evil/\r\n")
    yield "link", ask(b"GET /", ours, b"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"
                                      b"Sec-Fetch-Dest: document\r\n")
    yield "ranges", ask(b"GET /recent?after=0", ours, b"Range: bytes=" + b"0-," * 50 + b"0-\r\n")
    yield "long", ask(b"GET /" + b"a" * 9000, ours)
    # As long as the fuzzer's drawings are.
    raw, length, pixels = b"Content-Type: application/octet-stream\r\n", b"Content-Length: 16\r\n", bytes(range(16))
    def draw(*fields, line=b"POST /draw.png?strength=0.5&steps=4", body=pixels, **more):
        return ask(line, ours, *fields, **more) + body
    yield "draw", draw(raw, length, b"Origin: http://localhost:8064\r\nSec-Fetch-Site: same-origin\r\n")
    yield "draw-drip", draw(raw, length, line=b"POST /draw.png?prompt=fox&page=" + b"0a" * 16, piece=b"\0")
    yield "draw-expect", draw(raw, length, b"Expect: 100-continue\r\n", body=b"\r\n\r\n" * 4)
    yield "draw-short", draw(raw, length, body=pixels[:15])
    yield "draw-long", draw(raw, length, body=pixels * 9)
    yield "draw-two-lengths", draw(raw, length, b"Content-Length: 17\r\n")
    yield "draw-chunked", draw(raw, b"Transfer-Encoding: chunked\r\n", body=b"10\r\n" + pixels + b"\r\n0\r\n\r\n")
    yield "draw-zeros", draw(raw, b"Content-Length: 0016\r\n")
    yield "draw-type", draw(b"Content-Type: text/plain\r\n", length)
    yield "draw-foreign", draw(raw, length, b"Origin: null\r\n")
    yield "draw-strength", draw(raw, length, line=b"POST /draw.png?strength=nan")
    yield "draw-get", draw(raw, length, line=b"GET /draw.png")


def seeks_seeds():
    """First the frame rate and whether the stream ends; then, a seek: kind and frames, rate, flags, types, start, stop."""
    rates = [bytes([0x60, 0, 0, 5, 20, 0]), bytes([0x60, 1, 0, 0, 0, 0]), bytes([0x65, 2, 0, 0, 0, 0])]
    yield "rates", bytes([0]) + b"".join(rates)
    yield "backwards", bytes([1, 0x60, 0, 0, 5, 20, 0, 0x60, 3, 0, 0, 0, 0, 0x60, 4, 0, 5, 2, 9])
    yield "segments", bytes([2, 0xe0, 0, 4, 5, 2, 5, 0xe5, 0, 4, 5, 2, 5, 0xe0, 3, 4, 0, 0, 0])
    yield "frames", bytes([3, 0x63, 0, 0, 5, 7, 9, 0x43, 3, 0, 5, 2, 6])
    yield "flushes", bytes([0, 0x7f, 0x60, 0, 0, 1, 5, 0, 0x7f, 0x60, 1, 0, 0, 0, 0])
    yield "finite", bytes([12, 0x60, 3, 0, 5, 0, 255, 0xe0, 0, 0, 0, 0, 0, 0xe0, 0, 0, 5, 23, 24])


def lexicon(keys, concepts=(b"hot beverage", b"cat"), languages=(b"en", b"de"), sets=(1, 2, 2**63), count=None, block=2):
    """keys  [(shared, rest, answers)], answers of 6 bytes"""
    def listed(parts):
        ends = [0]
        for part in parts:
            ends.append(ends[-1] + len(part))
        return struct.pack(f"<{len(ends)}I", *ends) + b"".join(parts)
    entries = [bytes([shared, len(rest)]) + rest + bytes([len(answers)]) + b"".join(answers) for shared, rest, answers in keys]
    blocks = [b"".join(entries[i:i + block]) for i in range(0, len(entries), block)]
    texts = listed(list(concepts))
    return (b"DITLEX2\n" + struct.pack("<6I", len(keys) if count is None else count, block, len(concepts), len(languages), len(sets), len(texts))
            + b"".join(name.ljust(8, b"\0") for name in languages) + struct.pack(f"<{len(sets)}Q", *sets) + texts + listed(blocks))


def lexicon_seeds():
    def answer(number=0, set_=0, kind=3, sure=200):
        return struct.pack("<HHBB", set_, number, sure, kind)
    plain = [(0, b"kaffee", [answer(0, 1)]), (2, b"tze", [answer(1, 1)]), (0, "\U0001f355".encode(), [answer(1, 2, 1)])]
    yield "plain", lexicon(plain)
    yield "empty", lexicon([])
    yield "stop", lexicon([(0, b"und", [answer(0xFFFF, 1, 0)])])
    yield "shared-too-much", lexicon([(7, b"a", [])])
    yield "concept-huge", lexicon([(0, b"a", [answer(0xFFFE)])])
    yield "set-huge", lexicon([(0, b"a", [answer(0, 0xFFFF)])])
    yield "kind-huge", lexicon([(0, b"a", [answer(kind=200)])])
    yield "count-huge", lexicon(plain, count=2**32 - 1)
    yield "block-zero", lexicon(plain)[:12] + bytes(4) + lexicon(plain)[16:]
    yield "languages-huge", lexicon(plain)[:20] + b"\xff" * 4 + lexicon(plain)[24:]
    yield "offsets-backwards", lexicon(plain).replace(struct.pack("<3I", 0, 12, 15), struct.pack("<3I", 15, 12, 0))
    yield "not-sorted", lexicon(plain[::-1])


SEEDS = {"lexicon": lexicon_seeds, "safetensors": safetensors_seeds, "gguf": gguf_seeds, "onnx": onnx_seeds, "npy": npy_seeds,
         "wts1": wts1_seeds, "config": config_seeds, "changes": changes_seeds, "server": server_seeds, "seeks": seeks_seeds}


def main():
    check, wrong = "--check" in sys.argv[1:], []
    for target, seeds in SEEDS.items():
        for name, data in seeds():
            path = CORPUS / target / (name + ".bin")
            if check:
                wrong += [] if path.is_file() and path.read_bytes() == data else [str(path)]
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    if wrong:
        sys.exit("not what seeds.py writes: " + ", ".join(wrong))


if __name__ == "__main__":
    main()
