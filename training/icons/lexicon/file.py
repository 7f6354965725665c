# SPDX-License-Identifier: MIT
"""The lexicon as a file that is read in place: engine/model/prompts/lexicon.h describes the same bytes.

    "DITLEX2\\n", then eight u32: keys, keys a block, concepts, languages, sets of languages, and where sections end: ...
    languages   8 bytes each, filled up with zeros
    sets        u64 each, bit i for language i, bit 63 for emoji
    concepts    u32 offsets (one more than concepts) into the bytes that follow them
    blocks      u32 offsets (one more than blocks) into the bytes that follow them; a block is KEYS_A_BLOCK keys by rising bytes, each
                u8 length shared with the key before (0 for a block's first), u8 length of the rest, the rest, u8 candidates, and of each
                u16 set, u16 concept (65535: none, a stop word), u8 sure (of 255), u8 kind
"""
import struct

KEYS_A_BLOCK = 16
KINDS = ("stop", "emoji", "label", "keyword", "form", "synonym", "broader", "narrower", "related", "near", "own")
EMOJI = 1 << 63
NO_CONCEPT = 0xFFFF
MOST_CANDIDATES = 8
MAGIC = b"DITLEX2\n"


class Table:
    """Values, each once, numbered in order of first use."""

    def __init__(self):
        self.number = {}

    def __getitem__(self, value):
        return self.number.setdefault(value, len(self.number))


def encode_key(key, before, candidates):
    shared = 0
    while shared < min(len(key), len(before), 255) and key[shared] == before[shared]:
        shared += 1
    rest = key[shared:]
    return bytes([shared, len(rest)]) + rest + bytes([len(candidates)]) + b"".join(candidates)


def offsets_and_bytes(parts):
    offsets, data = [0], b"".join(parts)
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets)}I", *offsets) + data


def write(path, languages, entries):
    """entries  {key: [(set of languages, sure 0 … 1, kind, concept or "")]}, best first"""
    sets, concepts, blocks, block, before = Table(), Table(), [], [], b""
    keys = sorted((key.encode(), key) for key in entries)
    for place, (key, text) in enumerate(keys):
        if place % KEYS_A_BLOCK == 0:
            before = b""
            if block:
                blocks.append(b"".join(block))
            block = []
        candidates = [struct.pack("<HHBB", sets[mask], concepts[concept] if concept else NO_CONCEPT, round(255 * min(sure, 1)),
                                  KINDS.index(kind)) for mask, sure, kind, concept in entries[text][:MOST_CANDIDATES]]
        block.append(encode_key(key, before, candidates))
        before = key
    blocks.append(b"".join(block))
    if len(concepts.number) >= NO_CONCEPT or len(sets.number) > 0xFFFF:
        raise ValueError(f"lexicon: {len(concepts.number)} concepts and {len(sets.number)} sets of languages are too many for 16 bits")
    head = b"".join(name.encode().ljust(8, b"\0") for name in languages) + struct.pack(f"<{len(sets.number)}Q", *sets.number)
    concept_part = offsets_and_bytes([concept.encode() for concept in concepts.number])
    block_part = offsets_and_bytes(blocks)
    with open(path, "wb") as file:
        file.write(MAGIC + struct.pack("<6I", len(keys), KEYS_A_BLOCK, len(concepts.number), len(languages), len(sets.number),
                                       len(concept_part)) + head + concept_part + block_part)
    return len(keys), len(concepts.number)
