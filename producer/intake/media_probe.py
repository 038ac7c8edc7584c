"""The child process that opens local files: run as a module, it answers each line of its input with a line of JSON.

Pictures and clips may be broken or hostile, and the libraries that read them are written in C. So this process opens
them, with bounded memory: a crash or an endless loop costs the answer for one file and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from pathlib import Path
from typing import Any

MAX_MEMORY_BYTES = 2 * 2**30  # of address space, most of which libraries only reserve
_HEAD_BYTES = 4 * 2**20
_HEIC = {b"heic": "heic", b"heix": "heic", b"heim": "heic", b"heis": "heic", b"mif1": "heif", b"msf1": "heif"}
_PICTURES = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")  # Pillow would also try formats that run other programs
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


class Unreadable(Exception):
    """The file is not what its name says; the text says why."""


def describe(path: Path, modality: str) -> dict[str, Any]:
    """Format, and where known width, height, seconds and frames per second.

    Raises:
        Unreadable: it cannot be read as that kind of file.
        OSError: it cannot be read at all.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if modality == "image":
        return _heif(head) if head[4:8] == b"ftyp" else _picture(path)
    return _clip(path, modality, head)


def _heif(head: bytes) -> dict[str, Any]:
    """Read the HEIF header only: the largest extent (`ispe`, ISO/IEC 23008-12) is that of the whole picture."""
    form = _HEIC.get(head[8:12])
    sizes = []
    at = head.find(b"ispe")
    while form is not None and at != -1:
        sizes.append((int.from_bytes(head[at + 8 : at + 12]), int.from_bytes(head[at + 12 : at + 16])))
        at = head.find(b"ispe", at + 4)
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    if form is None or not width or not height:
        raise Unreadable("cannot be read as a picture")
    return {"format": form, "width": width, "height": height}


def _picture(path: Path) -> dict[str, Any]:
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # only the header is read, so a huge picture costs nothing
    try:
        with Image.open(path, formats=_PICTURES) as picture:
            form = str(picture.format).lower()
            return {"format": "jpg" if form == "jpeg" else form, "width": picture.width, "height": picture.height}
    except (UnidentifiedImageError, ValueError, SyntaxError, OverflowError) as exc:
        raise Unreadable("cannot be read as a picture") from exc


def _clip(path: Path, modality: str, head: bytes) -> dict[str, Any]:
    try:
        import av
    except ModuleNotFoundError as exc:
        raise Unreadable("cannot be checked: PyAV is not installed; run: pip install 'reelq[media]'") from exc

    form = _container(head)
    if form is None or (form in ("mp4", "mov")) != (modality == "video"):
        raise Unreadable(f"cannot be read as {modality}")
    # Name the demuxer: if FFmpeg guesses, it may read a playlist as a clip and open the files it names.
    demuxer = "mov" if modality == "video" else form
    try:
        with av.open(str(path), "r", format=demuxer) as container:
            streams = container.streams.video if modality == "video" else container.streams.audio
            if not streams:
                raise Unreadable(f"contains no {modality}")
            stream: Any = streams[0]
            seconds = _seconds(stream.duration, stream.time_base) or _seconds(container.duration, 1 / av.time_base)
            found: dict[str, Any] = {"format": form, "seconds": seconds}
            if modality == "video":
                rate = stream.average_rate
                found |= {"width": stream.width, "height": stream.height}
                found["fps"] = float(rate) if rate else None
    except (av.FFmpegError, ValueError) as exc:
        raise Unreadable(f"cannot be read as {modality}") from exc
    if not seconds or (modality == "video" and not (found["width"] and found["height"])):
        raise Unreadable(f"is a {modality} without pictures or length" if modality == "video" else "has no length")
    return found


def _container(head: bytes) -> str | None:
    """A clip's format, from its first bytes."""
    if head[4:8] in _BOXES:
        return "mov" if head[4:8] != b"ftyp" or head[8:12] == b"qt  " else "mp4"
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    is_frame = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0
    return "mp3" if head[:3] == b"ID3" or is_frame else None


def _seconds(duration: int | None, time_base: Any) -> float | None:
    return float(duration * time_base) if duration and time_base else None


def main() -> None:
    """Answer until standard input ends."""
    with contextlib.suppress(ValueError, OSError):  # not every system can limit it
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = describe(Path(asked["path"]), asked["modality"])
        except Unreadable as exc:
            answer = {"error": str(exc)}
        except (OSError, MemoryError) as exc:
            answer = {"error": f"cannot be read: {exc}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
