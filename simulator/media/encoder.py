"""Encode segments of one second, so that clips of any length are assembled without encoding again.

Every segment is a closed group of pictures from an encoder with the same settings, hence the same parameter sets. A
title card is one key frame followed by frames without changes, which fit any key frame of that size.
"""

from __future__ import annotations

import array
import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import av
from av.codec.context import Flags

from simulator.media.boxes import AAC_FRAME, FPS, AudioTrack
from simulator.media.frames import flat_frame, moving_frame, title_frame

MAX_SECONDS = 15
RATE_HZ = 48_000
_X264 = (
    f"keyint={FPS}:min-keyint={FPS}:scenecut=0:bframes=0:"
    "annexb=0:repeat-headers=0:threads=1:log-level=none:stitchable=1"
)


@dataclass(frozen=True, slots=True)
class SizeData:
    """The data that all segments of one size share."""

    avcc: bytes
    still: tuple[bytes, ...]
    """The 23 frames without changes that follow a key frame."""


class Encoder:
    """Encodes on demand and caches the result; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sizes: dict[tuple[int, int], SizeData] = {}
        self._moving: dict[tuple[int, int, int], tuple[bytes, ...]] = {}
        self._flat: dict[tuple[int, int, int], bytes] = {}
        self._audio: AudioTrack | None = None

    def size_data(self, width: int, height: int) -> SizeData:
        with self._lock:
            if (found := self._sizes.get((width, height))) is None:
                still = flat_frame(width, height, 0)
                avcc, samples = _encode(width, height, [still] * FPS)
                found = self._sizes[width, height] = SizeData(avcc, tuple(samples[1:]))
            return found

    def moving(self, width: int, height: int, hue: int) -> tuple[bytes, ...]:
        """One second of the moving pattern."""
        key = (width, height, hue)
        with self._lock:
            if (found := self._moving.get(key)) is None:
                frames = (moving_frame(width, height, hue, step, FPS) for step in range(FPS))
                found = self._moving[key] = tuple(_encode(width, height, frames)[1])
            return found

    def flat(self, width: int, height: int, hue: int) -> bytes:
        """A small key frame of one colour."""
        key = (width, height, hue)
        with self._lock:
            if (found := self._flat.get(key)) is None:
                found = self._flat[key] = _encode(width, height, [flat_frame(width, height, hue)])[1][0]
            return found

    def title(self, width: int, height: int, name: str, details: str, prompt: str) -> tuple[bytes, ...]:
        """One second of a title card."""
        shared = self.size_data(width, height)
        card = _encode(width, height, [title_frame(width, height, name, details, prompt)])[1]
        return (card[0], *shared.still)

    def audio(self, seconds: int) -> AudioTrack:
        """A quiet tone, never longer than the video."""
        with self._lock:
            if self._audio is None:
                self._audio = _tone()
            longest = self._audio
        return AudioTrack(longest.rate_hz, longest.config, longest.samples[: seconds * RATE_HZ // AAC_FRAME])


def _encode(width: int, height: int, frames: Iterable[av.VideoFrame]) -> tuple[bytes, list[bytes]]:
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)  # noqa: S101 - narrows the type
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, FPS), Fraction(FPS)
    context.thread_count = 1  # the same image gives the same bytes
    context.flags |= Flags.global_header
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "28", "x264-params": _X264}
    packets = []
    for number, frame in enumerate(frames):
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return bytes(context.extradata or b""), [bytes(packet) for packet in packets]


def _tone() -> AudioTrack:
    context = av.CodecContext.create("aac", "w")
    assert isinstance(context, av.AudioCodecContext)  # noqa: S101 - narrows the type
    context.sample_rate, context.layout, context.format = RATE_HZ, "mono", "fltp"
    context.bit_rate = 32_000
    context.flags |= Flags.global_header
    packets = []
    for number in range(MAX_SECONDS * RATE_HZ // AAC_FRAME + 1):
        frame = av.AudioFrame("fltp", "mono", AAC_FRAME)
        start = number * AAC_FRAME
        wave = (0.05 * math.sin(2 * math.pi * 220 * (start + n) / RATE_HZ) for n in range(AAC_FRAME))
        frame.planes[0].update(array.array("f", wave).tobytes())
        frame.pts, frame.sample_rate, frame.time_base = start, RATE_HZ, Fraction(1, RATE_HZ)
        packets += context.encode(frame)
    packets += context.encode(None)
    return AudioTrack(RATE_HZ, bytes(context.extradata or b""), [bytes(packet) for packet in packets])
