"""Where the first frame of a video lies and what decodes it, from the file's index: its decoder then needs no demuxer,
which takes a third of a poster's CPU.

The bytes come from outside. An index with anything unusual gives None; nothing here raises.

Source: ISO/IEC 14496-12 §8 (boxes of the index), 14496-15 §5.3 (avcC) and §8.3 (hvcC)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from worker.transferring.video_format import ENTRY_FIELDS, box, boxes, tracks

_CONFIGS = {b"avc1": b"avcC", b"hvc1": b"hvcC", b"hev1": b"hvcC"}
MAX_FRAME_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """`codec`: the code of its sample entry, avc1, hvc1 or hev1; `config`: the content of the box that configures a
    decoder; `offset` and `size` in bytes of the file."""

    codec: bytes
    config: bytes
    offset: int
    size: int


def first_frame(moov: bytes) -> FirstFrame | None:
    """The frame that is shown first, from the content of the file's `moov` box."""
    try:
        track = next(each for each in tracks(moov) if box(each, b"mdia", b"hdlr")[8:12] == b"vide")
        table = dict(boxes(box(track, b"mdia", b"minf", b"stbl")))
        if not _is_shown_first(dict(boxes(track)), table):
            return None
        entry = table[b"stsd"][8:]
        codec = entry[4:8]
        inside = dict(boxes(entry[8 + ENTRY_FIELDS : _number(entry, 0)]))
        if inside.get(b"colr", b"")[:4] == b"nclx" and inside[b"colr"][10] & 128:
            return None  # the full range, which only a demuxer passes on
        sizes = table[b"stsz"]
        size = _number(sizes, 4) or _number(sizes, 12)
        offset = _number(table[b"stco"], 8) if b"stco" in table else _number(table[b"co64"], 8, ">Q")
        config = inside[_CONFIGS[codec]]
    except (struct.error, LookupError, ValueError, StopIteration):
        return None
    return FirstFrame(codec, config, offset, size) if 0 < size <= MAX_FRAME_BYTES else None


def _is_shown_first(track: dict[bytes, bytes], table: dict[bytes, bytes]) -> bool:
    """Whether the first sample can be decoded alone, by the first description, and no edit of the track cuts it off."""
    first_sync = _number(table[b"stss"], 8) if b"stss" in table else 1
    if first_sync != 1 or _number(table[b"stsc"], 16) != 1:
        return False
    shown_at = _number(table[b"ctts"], 12, ">i") if b"ctts" in table else 0
    begins_at = 0
    if b"edts" in track:
        edits = box(track[b"edts"], b"elst")
        if _number(edits, 4) != 1:
            return False
        begins_at = _number(edits, 16, ">q") if edits[0] == 1 else _number(edits, 12, ">i")
    return 0 <= begins_at <= shown_at


def _number(data: bytes, at: int, kind: str = ">I") -> int:
    number: int = struct.unpack_from(kind, data, at)[0]
    return number
