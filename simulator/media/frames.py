"""The frames: a title card with a task's id and prompt, and a moving pattern in several colours."""

from __future__ import annotations

import colorsys
import hashlib
import textwrap
from functools import lru_cache

import av
from PIL import Image, ImageDraw, ImageFont

HUES = 6  # variants of the moving pattern
_MIN_FONT, _LINES = 14, 6


def flat_frame(width: int, height: int, hue: int) -> av.VideoFrame:
    """A frame of one colour."""
    return _picture(width, height, bytes((110,)) * width, hue)


def moving_frame(width: int, height: int, hue: int, step: int, steps: int) -> av.VideoFrame:
    """A bar that crosses a coloured background; cheap to draw and to encode."""
    bar = width // 16 // 2 * 2
    left = (width - bar) * step // steps
    row = bytearray(70 + x * 90 // width for x in range(width))
    row[left : left + bar] = bytes((225,)) * bar
    return _picture(width, height, bytes(row), hue)


def _picture(width: int, height: int, luma_row: bytes, hue: int) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    blue, red = _chroma(hue)
    lines = (luma_row, bytes((blue,)) * (width // 2), bytes((red,)) * (width // 2))
    for plane, line in zip(frame.planes, lines, strict=True):
        padded = line.ljust(plane.line_size, b"\x80")
        plane.update(padded * (plane.buffer_size // plane.line_size))
    return frame


def title_frame(width: int, height: int, name: str, details: str, prompt: str) -> av.VideoFrame:
    """A title card that identifies the task; its colours depend on the name."""
    digest = hashlib.sha256(name.encode()).digest()
    hue = digest[0] / 255
    ground, mark = _rgb(hue, 0.55, 0.35), _rgb(hue + 0.3 + digest[1] / 1000, 0.7, 0.85)
    image = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    cell = min(width, height) // 14
    for index in range(20):  # a badge of 5 x 4 cells, mirrored, from the digest's bits
        if digest[2 + index // 8] >> (index % 8) & 1:
            column, line = index % 5, index // 5
            for x in (column, 9 - column):
                left, top = cell + x * cell, cell + line * cell
                draw.rectangle((left, top, left + cell - 2, top + cell - 2), fill=mark)
    size = max(_MIN_FONT, min(width, height) // 22)
    lines = [name, details, "", *textwrap.wrap(_latin(prompt), max(10, int(width / size * 1.7)))[:_LINES]]
    draw.multiline_text((cell, cell * 6), "\n".join(lines), fill=(255, 255, 255), font=_font(size), spacing=size // 3)
    frame: av.VideoFrame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]  # PyAV leaves it untyped
    return frame.reformat(format="yuv420p")


def _chroma(hue: int) -> tuple[int, int]:
    red, green, blue = _rgb(hue / HUES, 0.6, 0.8)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return round(128 + (blue - luma) * 0.5), round(128 + (red - luma) * 0.6)


def _rgb(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _latin(text: str) -> str:
    """The text without characters that Pillow's default font cannot draw; it has no CJK glyphs."""
    return " ".join("".join(char if char.isascii() else " " for char in text).split())


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
