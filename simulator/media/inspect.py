"""Check the bytes of an asset against the documented limits.

Source: AnyFast's asset page (formats, bytes, pixels, ratio, seconds, frame rate).
"""

from __future__ import annotations

import io
from fractions import Fraction

import av
from PIL import Image, UnidentifiedImageError

MIB = 1024 * 1024
MAX_BYTES = {"image": 30 * MIB, "video": 50 * MIB, "audio": 15 * MIB}
MIN_SIDE, MAX_SIDE = 300, 6000
MIN_RATIO, MAX_RATIO = 0.4, 2.5
MIN_S, MAX_S = 2, 15
IMAGE_FORMATS = frozenset({"JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"})
_HEIF_BRANDS = (b"heic", b"heix", b"mif1", b"heim")
# Containers round durations, and the limits are not exact to the millisecond.
_SLACK_S = 0.2


class BadFile(ValueError):
    """A file breaks a documented limit; the text says which."""


def check_file(kind: str, data: bytes) -> None:
    """Check one file; `kind` is image, video or audio.

    Raises:
        BadFile: names the limit.
    """
    if not data:
        raise BadFile("the file is empty")
    if len(data) >= MAX_BYTES[kind]:
        raise BadFile(f"{kind} must be smaller than {MAX_BYTES[kind] // MIB} MB")
    if kind == "image":
        _check_image(data)
    else:
        _check_clip(kind, data)


def _check_image(data: bytes) -> None:
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return  # no library here decodes HEIF
    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height, form = *picture.size, picture.format
    except (UnidentifiedImageError, OSError, ValueError) as exc:
        raise BadFile("not an image of a supported format") from exc
    if form not in IMAGE_FORMATS:
        raise BadFile(f"image format {form} is not supported")
    _check_size(width, height)


def _check_clip(kind: str, data: bytes) -> None:
    try:
        with av.open(io.BytesIO(data), "r") as container:
            names = set(container.format.name.split(","))
            seconds = (container.duration or 0) / av.time_base
            pictures = container.streams.video[0] if container.streams.video else None
            size = (pictures.width, pictures.height) if pictures else (0, 0)
            rate = (pictures.average_rate or Fraction(0)) if pictures else Fraction(0)
            sound = bool(container.streams.audio)
    except (av.FFmpegError, ValueError) as exc:
        raise BadFile(f"not a supported {kind} file") from exc
    wanted = {"mp4", "mov"} if kind == "video" else {"mp3", "wav"}
    if not names & wanted or not (pictures if kind == "video" else sound):
        raise BadFile(f"{kind} must be {' or '.join(sorted(wanted)).upper()}")
    if not MIN_S - _SLACK_S <= seconds <= MAX_S + _SLACK_S:
        raise BadFile(f"{kind} must last {MIN_S} to {MAX_S} seconds, not {seconds:.1f}")
    if kind == "video":
        _check_size(*size)
        if not 23 <= rate <= 61:
            raise BadFile(f"video must have 24 to 60 frames a second, not {float(rate):g}")


def _check_size(width: int, height: int) -> None:
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise BadFile(f"each side must have {MIN_SIDE} to {MAX_SIDE} pixels, not {width}x{height}")
    if not MIN_RATIO <= width / height <= MAX_RATIO:
        raise BadFile(f"width / height must be {MIN_RATIO} to {MAX_RATIO}, not {width / height:.2f}")
