# SPDX-License-Identifier: MIT
"""Read and write safetensors files with numpy alone.

Layout (https://github.com/huggingface/safetensors): u64 little-endian header length, JSON header padded with spaces,
then the tensors back to back. Offsets in the header count from the end of the header.
The format allows no holes between tensors. We pad the header to 8 bytes and put wide element types first, so that
every tensor is aligned to its element type and can be mapped in place.
"""
import json
import struct

import numpy as np

DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I8": np.int8, "U8": np.uint8}
NAMES = {np.dtype(kind): name for name, kind in DTYPES.items()}
ALIGN = 8


def _pad(count):
    return -count % ALIGN


def save(path, tensors, metadata=None):
    """Write `tensors` (name -> numpy array) and `metadata` (str -> str)."""
    header, chunks, offset = {"__metadata__": dict(metadata or {})}, [], 0
    for name, value in sorted(tensors.items(), key=lambda item: -np.asarray(item[1]).itemsize):
        # ascontiguousarray would turn a scalar into shape [1]; keep the caller's shape
        data = np.ascontiguousarray(value).tobytes()
        header[name] = {"dtype": NAMES[np.asarray(value).dtype], "shape": list(np.shape(value)),
                        "data_offsets": [offset, offset + len(data)]}
        chunks += [data]
        offset += len(data)
    text = json.dumps(header, ensure_ascii=True).encode()
    text += b" " * _pad(len(text))
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for data in chunks:
            file.write(data)


def loads(data):
    """(name -> numpy array, metadata) from the bytes of a file."""
    size = struct.unpack_from("<Q", data)[0]
    header, body = json.loads(data[8:8 + size]), memoryview(data)[8 + size:]
    metadata, tensors = header.pop("__metadata__", {}), {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(body[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def load(path):
    """(name -> numpy array, metadata) of the file."""
    with open(path, "rb") as file:
        return loads(file.read())
