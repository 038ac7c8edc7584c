"""Count the tokens of a generation, by which ByteDance bills.

The formula takes one frame more than seconds times frame rate, and the result is rounded down: it equals all eleven
published usages. With a video among the inputs there is a minimum, as if the inputs were at least two thirds as long
as the output. The usage of one extension was without the additional frame, so that is the low end of its range.
"""

from __future__ import annotations

from math import ceil, floor

from seedance.gateways.base import Dialect
from seedance.models.rows import ModelRow
from seedance.request import AUTO_DURATION, GenerationRequest

FRAMES_PER_SECOND = 24
_UNITS_OF_PIXELS = 1024
_UNEVEN = 1.01
"""With a picture or video, the ratio `adaptive` gives sizes beside the table: up to 72 pixels more were seen."""


def tokens_of(pixels: float, output_s: float, input_video_s: float = 0.0, *, extra_frames: int = 1) -> int:
    """Tokens by the formula. `pixels`: width times height; a fraction of a second of input counts in full."""
    return floor(pixels * (FRAMES_PER_SECOND * (ceil(input_video_s) + output_s) + extra_frames) / _UNITS_OF_PIXELS)


def minimum_tokens(pixels: float, output_s: float) -> int:
    """The fewest tokens that are billed if there is a video among the inputs."""
    return floor(ceil(output_s * 5 / 3) * pixels * FRAMES_PER_SECOND / _UNITS_OF_PIXELS)


def token_range(
    request: GenerationRequest, dialect: Dialect, input_video_s: float | None = None
) -> tuple[int, int] | None:
    """The fewest and the most tokens that are billed for a request; None when the size of the video is not known.

    `input_video_s`: the length of all reference videos together; None: not known.
    """
    row = dialect.row_for(request)
    sent = row.settled(request)
    areas = _areas(row, sent)
    if areas is None:
        return None
    shortest, longest = seconds_of(row, sent)
    least, most = _input_seconds(row, sent) if input_video_s is None else (input_video_s, input_video_s)
    low = tokens_of(areas[0], shortest, least, extra_frames=0 if sent.task == "extend" else 1)
    high = tokens_of(areas[1], longest, most)
    if sent.reference_videos:
        low, high = max(low, minimum_tokens(areas[0], shortest)), max(high, minimum_tokens(areas[1], longest))
    return low, high


def output_seconds(request: GenerationRequest, dialect: Dialect) -> tuple[int, int]:
    """The shortest and the longest video that a request can give."""
    row = dialect.row_for(request)
    return seconds_of(row, row.settled(request))


def seconds_of(row: ModelRow, sent: GenerationRequest) -> tuple[int, int]:
    """The same for a request as it is sent. If the model chooses, any length that it makes."""
    seconds = row.default_seconds if sent.duration is None else sent.duration
    return row.seconds if seconds in (None, AUTO_DURATION) else (seconds, seconds)


def _areas(row: ModelRow, sent: GenerationRequest) -> tuple[float, float] | None:
    """The fewest and the most pixels of a frame: equal when the ratio is fixed, else those of all ratios."""
    by_ratio = row.pixels.get(sent.resolution or row.default_resolution)
    if not by_ratio:
        return None
    ratio = sent.ratio or row.default_ratio
    if sent.ratio is None and sent.first_frame is not None and "adaptive" not in row.ratios:
        ratio = None  # there is no word for it, and the frame decides
    if ratio is not None and ratio in by_ratio:
        width, height = by_ratio[ratio]
        return width * height, width * height
    areas = [width * height for name, (width, height) in by_ratio.items() if name in row.ratios]
    if not areas:
        return None
    return min(areas), max(areas) * (1 if sent.mode == "text" else _UNEVEN)


def _input_seconds(row: ModelRow, sent: GenerationRequest) -> tuple[float, float]:
    count, limits = len(sent.reference_videos), row.media["video"]
    if not count or limits.seconds is None:
        return 0.0, 0.0
    shortest, longest = limits.seconds
    return count * shortest, min(count * longest, limits.total_seconds or count * longest)
