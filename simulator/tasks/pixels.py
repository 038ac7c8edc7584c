"""Width and height of each ratio and resolution, and the tokens that a generation of that size costs.

Source: the table of EvoLink's Seedance 2.0 page. The token formula reproduces three published usages.
"""

from __future__ import annotations

import math

FPS = 24
RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9")
PIXELS: dict[str, dict[str, tuple[int, int]]] = {
    "480p": {
        "16:9": (864, 496),
        "4:3": (752, 560),
        "1:1": (640, 640),
        "3:4": (560, 752),
        "9:16": (496, 864),
        "21:9": (992, 432),
    },
    "720p": {
        "16:9": (1280, 720),
        "4:3": (1112, 834),
        "1:1": (960, 960),
        "3:4": (834, 1112),
        "9:16": (720, 1280),
        "21:9": (1470, 630),
    },
    "1080p": {
        "16:9": (1920, 1080),
        "4:3": (1664, 1248),
        "1:1": (1440, 1440),
        "3:4": (1248, 1664),
        "9:16": (1080, 1920),
        "21:9": (2206, 946),
    },
    # No page documents the pixels of 4k: each side is twice that of 1080p.
    "4k": {
        "16:9": (3840, 2160),
        "4:3": (3328, 2496),
        "1:1": (2880, 2880),
        "3:4": (2496, 3328),
        "9:16": (2160, 3840),
        "21:9": (4412, 1892),
    },
}


def tokens(resolution: str, ratio: str, output_s: int, input_video_s: float) -> int:
    """Completion tokens, rounded down: the rounding is undocumented."""
    width, height = PIXELS[resolution][ratio]
    return math.floor(width * height * (FPS * input_video_s + FPS * output_s + 1) / 1024)
