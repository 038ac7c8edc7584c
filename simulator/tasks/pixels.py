"""Width and height of each ratio and resolution, and the tokens that a generation of that size costs.

Sources: the table of EvoLink's Seedance 2.0 page; China's page of 2026-06-25 (4k);
measured 2.5 videos. The token formula reproduces three published usages.
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
    "4k": {
        "16:9": (3840, 2160),
        "4:3": (3326, 2494),
        "1:1": (2880, 2880),
        "3:4": (2494, 3326),
        "9:16": (2160, 3840),
        "21:9": (4398, 1886),
    },
}
# Seedance 2.5 renders these two differently.
PIXELS_2_5: dict[tuple[str, str], tuple[int, int]] = {("480p", "16:9"): (854, 480), ("480p", "9:16"): (480, 854)}


def size_of(resolution: str, ratio: str, version: str = "2.0") -> tuple[int, int]:
    """Width and height of a video of that version of Seedance."""
    found = PIXELS_2_5.get((resolution, ratio)) if version == "2.5" else None
    return found or PIXELS[resolution][ratio]


def tokens(resolution: str, ratio: str, output_s: int, input_video_s: float, version: str = "2.0") -> int:
    """Completion tokens, rounded down: the rounding is undocumented."""
    width, height = size_of(resolution, ratio, version)
    return math.floor(width * height * (FPS * input_video_s + FPS * output_s + 1) / 1024)
