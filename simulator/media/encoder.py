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
from simulator.media.looks import Look, config_box, sample

MAX_SECONDS = 30
RATE_HZ = 48_000
_TONE_HZ = 220
_WAVE = RATE_HZ // math.gcd(RATE_HZ, _TONE_HZ)
"""The period of the tone, in samples."""
_X264 = (
    f"keyint={FPS}:min-keyint={FPS}:scenecut=0:bframes=0:"
    "annexb=0:repeat-headers=0:threads=1:log-level=none:stitchable=1"
)
_X265 = (
    f"keyint={FPS}:min-keyint={FPS}:scenecut=0:bframes=0:open-gop=0:repeat-headers=0:pools=none:frame-threads=1:info=0:"
    "subme=0:merange=8:max-merge=1:rdoq-level=0:psy-rd=0:no-deblock=1:log-level=none"
)


@dataclass(frozen=True, slots=True)
class SizeData:
    """The data that all segments of one size and look share."""

    config: bytes
    still: tuple[bytes, ...]
    """The 23 frames without changes that follow a key frame."""


class Encoder:
    """Encodes on demand and caches the result; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sizes: dict[tuple[Look, int, int], SizeData] = {}
        self._moving: dict[tuple[Look, int, int, int], tuple[bytes, ...]] = {}
        self._flat: dict[tuple[Look, int, int, int], bytes] = {}
        self._audio: dict[bool, AudioTrack] = {}

    def size_data(self, look: Look, width: int, height: int) -> SizeData:
        with self._lock:
            if (found := self._sizes.get((look, width, height))) is None:
                still = flat_frame(width, height, 0)
                config, samples = _encode(look, width, height, [still] * FPS)
                found = self._sizes[look, width, height] = SizeData(config, tuple(samples[1:]))
            return found

    def moving(self, look: Look, width: int, height: int, hue: int) -> tuple[bytes, ...]:
        """One second of the moving pattern."""
        key = (look, width, height, hue)
        with self._lock:
            if (found := self._moving.get(key)) is None:
                frames = (moving_frame(width, height, hue, step, FPS) for step in range(FPS))
                found = self._moving[key] = tuple(_encode(look, width, height, frames)[1])
            return found

    def flat(self, look: Look, width: int, height: int, hue: int) -> bytes:
        """A small key frame of one colour."""
        key = (look, width, height, hue)
        with self._lock:
            if (found := self._flat.get(key)) is None:
                found = self._flat[key] = _encode(look, width, height, [flat_frame(width, height, hue)])[1][0]
            return found

    def title(self, look: Look, size: tuple[int, int], name: str, details: str, prompt: str) -> tuple[bytes, ...]:
        """One second of a title card."""
        shared = self.size_data(look, *size)
        card = _encode(look, *size, [title_frame(*size, name, details, prompt)])[1]
        return (card[0], *shared.still)

    def audio(self, look: Look, seconds: int) -> AudioTrack:
        """A quiet tone, never longer than the video."""
        with self._lock:
            if (longest := self._audio.get(look.pcm)) is None:
                longest = self._audio[look.pcm] = _pcm_tone() if look.pcm else _tone()
        if look.pcm:
            return AudioTrack(RATE_HZ, b"", [longest.samples[0][: 2 * seconds * RATE_HZ]])
        return AudioTrack(longest.rate_hz, longest.config, longest.samples[: seconds * RATE_HZ // AAC_FRAME])


def _encode(look: Look, width: int, height: int, frames: Iterable[av.VideoFrame]) -> tuple[bytes, list[bytes]]:
    """The box that describes the codec, and the samples."""
    context = av.CodecContext.create(look.codec, "w")
    assert isinstance(context, av.VideoCodecContext)  # noqa: S101 - narrows the type
    context.width, context.height, context.pix_fmt = width, height, look.pixels
    context.time_base, context.framerate = Fraction(1, FPS), Fraction(FPS)
    context.thread_count = 1  # the same image gives the same bytes
    context.flags |= Flags.global_header
    own = {"x264-params": _X264} if look.codec == "libx264" else {"x265-params": _X265}
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "28", **own}
    packets = []
    for number, frame in enumerate(frames):
        picture = frame if look.pixels == "yuv420p" else frame.reformat(format=look.pixels)
        picture.pts = number
        packets += context.encode(picture)
    packets += context.encode(None)
    return config_box(look, bytes(context.extradata or b"")), [sample(look, bytes(packet)) for packet in packets]


def _pcm_tone() -> AudioTrack:
    wave = (round(1600 * math.sin(2 * math.pi * _TONE_HZ * n / RATE_HZ)) for n in range(RATE_HZ))
    second = b"".join(value.to_bytes(2, "little", signed=True) for value in wave)
    return AudioTrack(RATE_HZ, b"", [second * MAX_SECONDS])


def _tone() -> AudioTrack:
    context = av.CodecContext.create("aac", "w")
    assert isinstance(context, av.AudioCodecContext)  # noqa: S101 - narrows the type
    context.sample_rate, context.layout, context.format = RATE_HZ, "mono", "fltp"
    context.bit_rate = 32_000
    context.flags |= Flags.global_header
    packets = []
    # Computed once: half a minute of samples would take a process 0.3 s of CPU.
    wave = array.array("f", (0.05 * math.sin(2 * math.pi * _TONE_HZ * n / RATE_HZ) for n in range(_WAVE + AAC_FRAME)))
    for number in range(MAX_SECONDS * RATE_HZ // AAC_FRAME + 1):
        frame = av.AudioFrame("fltp", "mono", AAC_FRAME)
        start = number * AAC_FRAME
        frame.planes[0].update(wave[start % _WAVE : start % _WAVE + AAC_FRAME].tobytes())
        frame.pts, frame.sample_rate, frame.time_base = start, RATE_HZ, Fraction(1, RATE_HZ)
        packets += context.encode(frame)
    packets += context.encode(None)
    return AudioTrack(RATE_HZ, bytes(context.extradata or b""), [bytes(packet) for packet in packets])
