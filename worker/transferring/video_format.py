"""Read what a video is from its index (`moov`): codec, pixels, size, seconds and sound. No decoder is needed.

The bytes come from outside. Whatever cannot be read is None; nothing here raises.

Source: ISO/IEC 14496-12 (boxes), 14496-15 §5.3 (avcC) and §8.3 (hvcC), ITU-T H.264 §7.3.2.1 (the start of an SPS);
QuickTime File Format (brand `qt  `, sound formats)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

START_BYTES = 12
"""How many bytes at the beginning of a file name its container."""
_QUICKTIME = b"qt  "
_CHROMA = {0: "gray", 1: "yuv420p", 2: "yuv422p", 3: "yuv444p"}
_HIGH_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244})
_H264, _H265 = frozenset({"avc1", "avc3"}), frozenset({"hvc1", "hev1"})
ENTRY_FIELDS = 78
"""The bytes of a video sample entry between its header and its boxes."""
_BOX = struct.Struct(">I4s").unpack_from
_MAX_TRACKS = 32
_MAX_BOXES = 4096


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """What a stored video is. `codec` and `audio` are the codes of the sample entries (avc1, hvc1; mp4a, sowt).

    `pixel_format` in FFmpeg's words (yuv420p, yuv420p10le, yuv444p); `audio` None: it has no sound, if `codec` is
    known.
    """

    container: str
    codec: str | None = None
    pixel_format: str | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    audio: str | None = None

    @property
    def playable(self) -> bool:
        """Whether every browser plays it: H.264 with 8 bits and 4:2:0, no sound or AAC, in an MP4."""
        return (
            self.container == "mp4"
            and self.codec in _H264
            and self.pixel_format == "yuv420p"
            and self.audio in (None, "mp4a")
        )

    def as_json(self) -> dict[str, Any]:
        """As in the job's row, its document and the JSON file beside the video."""
        return {name: getattr(self, name) for name in self.__slots__} | {"playable": self.playable}


def container_of(head: bytes) -> str:
    """`mov` if a file that begins like this is a QuickTime file, else `mp4`."""
    return "mov" if head[4:8] == b"ftyp" and head[8:START_BYTES] == _QUICKTIME else "mp4"


def read_format(container: str, moov: bytes) -> VideoFormat:
    """The format of a file from the content of its `moov` box."""
    codec = pixels = width = height = seconds = audio = None
    try:
        for track in tracks(moov):
            kind, entry, length_s = _track(track)
            if kind == b"vide" and codec is None:
                codec, seconds = _word(entry[4:8]), length_s
                width, height = struct.unpack(">HH", entry[32:36])
                pixels = _pixels(codec, entry[8 + ENTRY_FIELDS :])
            elif kind == b"soun" and audio is None:
                audio = _word(entry[4:8])
    except (struct.error, LookupError, ValueError):
        pass
    return VideoFormat(container, codec, pixels, width, height, seconds, audio)


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind and content of each box.

    Raises:
        ValueError: one is smaller than its header, or there are very many.
    """
    at, last = 0, len(data) - 8
    for _ in range(_MAX_BOXES):
        if at > last:
            return
        size, kind = _BOX(data, at)
        head = 8
        if size < head:  # as few are
            if size == 1:
                (size,) = struct.unpack_from(">Q", data, at + 8)
                head = 16
            elif size == 0:
                size = len(data) - at
            if size < head:
                raise ValueError("a box is smaller than its header")
        yield kind, data[at + head : at + size]
        at += size
    if at <= last:
        raise ValueError(f"more than {_MAX_BOXES} boxes")


def box(data: bytes, *path: bytes) -> bytes:
    """The content of the first box of each kind, one inside the other.

    Raises:
        LookupError: there is none.
        ValueError: as `boxes`.
    """
    for wanted in path:
        for kind, content in boxes(data):
            if kind == wanted:
                data = content
                break
        else:
            raise LookupError(f"no box {wanted!r}")
    return data


def tracks(moov: bytes) -> list[bytes]:
    """The content of each track, from that of the `moov` box."""
    return [content for kind, content in boxes(moov) if kind == b"trak"][:_MAX_TRACKS]


def _track(track: bytes) -> tuple[bytes, bytes, float | None]:
    """The kind of a track, its first sample entry from its size field on, and its seconds."""
    mdia = box(track, b"mdia")
    mdhd = box(mdia, b"mdhd")
    scale, ticks = struct.unpack(">IQ", mdhd[20:32]) if mdhd[0] == 1 else struct.unpack(">II", mdhd[12:20])
    seconds = round(ticks / scale, 3) if scale and ticks else None
    return box(mdia, b"hdlr")[8:12], box(mdia, b"minf", b"stbl", b"stsd")[8:], seconds


def _word(code: bytes) -> str:
    return code.decode("latin-1").strip() if code.isascii() else code.hex()


def _pixels(codec: str, entry: bytes) -> str | None:
    if codec in _H264:
        return _h264_pixels(box(entry, b"avcC"))
    if codec in _H265:
        config = box(entry, b"hvcC")
        return _name(config[16] & 3, 8 + (config[17] & 7))
    return None


def _name(chroma: int, bits: int) -> str | None:
    name = _CHROMA.get(chroma)
    return name if name is None or bits == 8 else f"{name}{bits}le"


def _h264_pixels(config: bytes) -> str | None:
    if not config[5] & 31:
        return None
    length = int.from_bytes(config[6:8], "big")
    sps = config[8 : 8 + length].replace(b"\0\0\3", b"\0\0")
    if sps[1] not in _HIGH_PROFILES:  # the others have 8 bits and 4:2:0
        return "yuv420p"
    bits = _Bits(sps[4:])
    bits.number()  # the set's id
    chroma = bits.number()
    if chroma == 3:
        bits.take()  # separate planes
    return _name(chroma, 8 + bits.number())


class _Bits:
    """Reads Exp-Golomb numbers (ITU-T H.264 §9.1)."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:32], "big")
        self._left = len(data[:32]) * 8

    def take(self) -> int:
        if not self._left:
            raise ValueError("the parameter set is too short")
        self._left -= 1
        return self._value >> self._left & 1

    def number(self) -> int:
        zeros = 0
        while not self.take():
            zeros += 1
        value = 1
        for _ in range(zeros):
            value = value << 1 | self.take()
        return value - 1
