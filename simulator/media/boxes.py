"""The MP4 container: writes the boxes around encoded samples.

Source: ISO/IEC 14496-12 (boxes), 14496-14 (esds), 14496-15 (avcC, hvcC); QuickTime File Format (sowt).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

FPS = 24
FRAME_TICKS = 512
VIDEO_TIMESCALE = FPS * FRAME_TICKS
MOVIE_TIMESCALE = 1000
AAC_FRAME = 1024
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

FTYP = struct.pack(">I4s4sI16s", 32, b"ftyp", b"isom", 512, b"isomiso2avc1mp41")
FTYP_QT = struct.pack(">I4s4sI16s", 32, b"ftyp", b"qt  ", 512, b"qt  qt  qt  qt  ")


@dataclass(frozen=True, slots=True)
class VideoTrack:
    width: int
    height: int
    kind: bytes
    """The sample entry: avc1 or hvc1."""
    config: bytes
    """The box that describes the codec: avcC or hvcC."""
    samples: Sequence[bytes]
    keyframes: Sequence[int]
    """Numbers of the key frames, from 1."""


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """AAC frames, or PCM (16 bits, little-endian, mono) as one piece if `config` is empty."""

    rate_hz: int
    config: bytes
    samples: Sequence[bytes]


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def free_header(total: int) -> bytes:
    """The header of a `free` box of `total` bytes; the caller sends the rest."""
    return struct.pack(">I4s", total, b"free")


def movie(video: VideoTrack, audio: AudioTrack | None, offset: int) -> bytes:
    """`moov` and `mdat` of a file that has `offset` bytes before them."""
    empty = _moov(video, audio, 0, 0)
    video_at = offset + len(empty) + 8
    audio_at = video_at + sum(map(len, video.samples))
    moov = _moov(video, audio, video_at, audio_at)
    return moov + box(b"mdat", *video.samples, *(audio.samples if audio else ()))


def _moov(video: VideoTrack, audio: AudioTrack | None, video_at: int, audio_at: int) -> bytes:
    seconds = len(video.samples) / FPS
    mvhd = struct.pack(">4xIIIIIH10x", 0, 0, MOVIE_TIMESCALE, round(seconds * MOVIE_TIMESCALE), 0x10000, 0x100)
    mvhd = box(b"mvhd", mvhd, _MATRIX, bytes(24), struct.pack(">I", 3))
    return box(b"moov", mvhd, _video_trak(video, video_at), _audio_trak(audio, audio_at) if audio else b"")


def _video_trak(track: VideoTrack, at: int) -> bytes:
    entry = struct.pack(">6xH16xHHIIIH32sHh", 1, track.width, track.height, 0x480000, 0x480000, 0, 1, b"", 24, -1)
    stsd = box(track.kind, entry, track.config)
    stss = box(b"stss", struct.pack(f">4xI{len(track.keyframes)}I", len(track.keyframes), *track.keyframes))
    ticks = len(track.samples) * FRAME_TICKS
    return _trak(
        1, b"vide", VIDEO_TIMESCALE, ticks, FRAME_TICKS, stsd, track.samples, at, stss, track.width, track.height
    )


def _audio_trak(track: AudioTrack, at: int) -> bytes:
    entry = struct.pack(">6xH8xHHIHH", 1, 1, 16, 0, track.rate_hz, 0)
    if not track.config:
        [sound] = track.samples
        return _trak(2, b"soun", track.rate_hz, len(sound) // 2, 1, box(b"sowt", entry), track.samples, at, b"", 0, 0)
    stsd = box(b"mp4a", entry, _esds(track.config))
    ticks = len(track.samples) * AAC_FRAME
    return _trak(2, b"soun", track.rate_hz, ticks, AAC_FRAME, stsd, track.samples, at, b"", 0, 0)


def _trak(
    number: int,
    handler: bytes,
    timescale: int,
    ticks: int,
    sample_ticks: int,
    entry: bytes,
    samples: Sequence[bytes],
    at: int,
    keyframes: bytes,
    width: int,
    height: int,
) -> bytes:
    movie_ticks = ticks * MOVIE_TIMESCALE // timescale
    tkhd = struct.pack(">B3xIII4xI8xHHH2x", 0, 0, 0, number, movie_ticks, 0, 0, 0x100 if handler == b"soun" else 0)
    tkhd = b"\0\0\0\3" + tkhd[4:]  # enabled, in the movie
    mdhd = box(b"mdhd", struct.pack(">4xIIIIHH", 0, 0, timescale, ticks, 0x55C4, 0))
    hdlr = box(b"hdlr", struct.pack(">4xI4s12x", 0, handler), b"simulator\0")
    head = box(b"vmhd", b"\0\0\0\1" + bytes(8)) if handler == b"vide" else box(b"smhd", bytes(8))
    dinf = box(b"dinf", box(b"dref", struct.pack(">4xI", 1), box(b"url ", b"\0\0\0\1")))
    count = ticks // sample_ticks
    # Of PCM, all samples have one size: two bytes.
    sizes = (0, count, *map(len, samples)) if count == len(samples) else (2, count)
    stbl = box(
        b"stbl",
        box(b"stsd", struct.pack(">4xI", 1), entry),
        box(b"stts", struct.pack(">4xIII", 1, count, sample_ticks)),
        keyframes,
        box(b"stsc", struct.pack(">4xIIII", 1, 1, count, 1)),
        box(b"stsz", struct.pack(f">4x{len(sizes)}I", *sizes)),
        box(b"stco", struct.pack(">4xII", 1, at)),
    )
    return box(
        b"trak",
        box(b"tkhd", tkhd, _MATRIX, struct.pack(">II", width << 16, height << 16)),
        box(b"mdia", mdhd, hdlr, box(b"minf", head, dinf, stbl)),
    )


def _esds(config: bytes) -> bytes:
    def descriptor(tag: int, body: bytes) -> bytes:
        return bytes((tag, 0x80, 0x80, 0x80, len(body))) + body

    # 0x40: MPEG-4 audio; 0x15: an audio stream
    decoder = struct.pack(">BB3sII", 0x40, 0x15, b"", 64_000, 64_000) + descriptor(5, config)
    stream = struct.pack(">HB", 2, 0) + descriptor(4, decoder) + descriptor(6, b"\2")
    return box(b"esds", bytes(4), descriptor(3, stream))
