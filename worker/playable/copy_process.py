"""The process that makes one playable copy, so that a hostile video can harm no other process.

It reads the original from its stdin and writes the copy to its stdout, both of them unnamed files; the reason for a
failure goes to its stderr. It has no settings, no secrets and no network to use, opens no files, runs at the lowest
priority in one thread, and has limits of memory, processor time and size. The worker kills it when it takes too long;
it stops by itself when the worker has ended. It is started as a script, with the worker's process id, and imports
nothing of ours.
"""

from __future__ import annotations

import os
import resource
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the worker reads the names above and below without loading libav
    import av

MAX_PIXELS = 4096 * 4096
MAX_SECONDS = 600
MEMORY_BYTES = 3 * 2**30  # of address space; a copy of 4K touches less than 1 GiB
CPU_S = 3600
MAX_COPY_BYTES = 4 * 2**30
REASON_BYTES = 1000
RATE_HZ = 48_000
# Only one demuxer may read bytes from outside, and files that they name are not opened.
_OPTIONS = {"enable_drefs": "0"}
_X264 = {"preset": "veryfast", "crf": "20", "profile": "high", "x264-params": "threads=1:rc-lookahead=10"}
# The index goes to the beginning, into room that is kept for it: bytes for each picture and each piece of sound.
_INDEX_BYTES = 64 * 1024
_INDEX_BYTES_A_SECOND = 60 * 40 + 50 * 16


class NoCopy(Exception):
    """No copy can be made of this file; the text says why."""


def make_copy(source: Any, target: Any, worker: int) -> None:
    """Write a copy with H.264 (8 bits, 4:2:0) and AAC to `target`, an MP4 whose index comes first. Both are binary
    files that can be searched. `worker`: the parent process, which waits for the copy.

    Raises:
        NoCopy: the original cannot be decoded within the limits, or the worker has ended.
    """
    import av

    try:
        with av.open(source, "r", format="mp4", options=_OPTIONS) as given:
            if not given.streams.video:
                raise NoCopy("the file has no video stream")
            picture = given.streams.video[0]
            decoder = picture.codec_context
            seconds = (given.duration or 0) / 1_000_000
            if not 0 < decoder.width * decoder.height <= MAX_PIXELS:
                raise NoCopy(f"frames of {decoder.width}×{decoder.height} pixels are not supported")
            if seconds > MAX_SECONDS:
                raise NoCopy(f"it lasts {seconds:.0f} s; at most {MAX_SECONDS} s are copied")
            decoder.thread_count = 1
            room = _INDEX_BYTES + int(max(seconds, 1) * _INDEX_BYTES_A_SECOND)
            with av.open(target, "w", format="mp4", options={"moov_size": str(room)}) as made:
                _copy(given, made, picture, worker)
    except av.FFmpegError as exc:
        raise NoCopy(f"{type(exc).__name__}: {exc.strerror}") from exc


def _copy(given: Any, made: Any, picture: Any, worker: int) -> None:
    from av.audio.resampler import AudioResampler

    width, height = picture.codec_context.width // 2 * 2, picture.codec_context.height // 2 * 2
    video = made.add_stream("libx264", rate=picture.average_rate or Fraction(24), options=_X264)
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    video.codec_context.thread_count = 1
    video.codec_context.time_base = picture.time_base
    for name in ("color_range", "color_primaries", "color_trc", "colorspace"):
        setattr(video.codec_context, name, getattr(picture.codec_context, name))
    sound = given.streams.audio[0] if given.streams.audio else None
    audio = resampler = None
    if sound is not None:
        layout = "mono" if sound.codec_context.channels == 1 else "stereo"
        audio = made.add_stream("aac", rate=RATE_HZ, options={"b": "160k"})
        audio.codec_context.layout = layout
        resampler = AudioResampler("fltp", layout, RATE_HZ)
    for packet in given.demux([stream for stream in (picture, sound) if stream is not None]):
        if os.getppid() != worker:  # another worker makes the copy once the lease has ended
            raise NoCopy("the worker has ended")
        for frame in packet.decode():
            if packet.stream is picture:
                made.mux(video.encode(_plain(frame, width, height)))
            elif resampler is not None and audio is not None:
                for piece in resampler.resample(frame):
                    made.mux(audio.encode(piece))
    made.mux(video.encode(None))
    if resampler is not None and audio is not None:
        for piece in resampler.resample(None):
            made.mux(audio.encode(piece))
        made.mux(audio.encode(None))


def _plain(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    picture = frame.reformat(width, height, "yuv420p")
    picture.pts, picture.time_base = frame.pts, frame.time_base
    picture.pict_type = 0  # the original's key frames need not be the copy's
    return picture


def main() -> int:
    """Limit the process, then make the copy; 0 when it is complete."""
    os.nice(19)
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "r+b")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):  # output that a library prints must not be in the copy
        os.dup2(null, standard)
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, MAX_COPY_BYTES),
        (resource.RLIMIT_NOFILE, 32),
    ):
        resource.setrlimit(limit, (most, most))
    try:
        make_copy(source, target, int(sys.argv[1]))
        target.close()
    except Exception as exc:  # noqa: BLE001 - bytes from outside can make a decoder fail in any way
        text = str(exc) if isinstance(exc, NoCopy) else f"{type(exc).__name__}: {exc}"
        sys.stderr.write(text[:REASON_BYTES])
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
