"""The inputs of fal's Seedance models.

Sources: https://fal.ai/models/bytedance/seedance-2.0/text-to-video/api and its siblings for other modes and for 2.5, as
third parties copied their schemas. Lengths are text there.
"""

from __future__ import annotations

from typing import Any

from simulator.dialects.fields import BadField, choice, flag, only, text, url, urls, whole
from simulator.tasks.pixels import RATIOS
from simulator.tasks.task import Order

# Sizes, longest, and most images, videos and sounds.
BASES: dict[str, tuple[tuple[str, ...], int, tuple[int, int, int]]] = {
    "bytedance/seedance-2.0": (("480p", "720p", "1080p", "4k"), 15, (9, 3, 3)),
    "bytedance/seedance-2.0/fast": (("480p", "720p"), 15, (9, 3, 3)),
    "bytedance/seedance-2.5": (("480p", "720p", "1080p"), 30, (30, 10, 10)),
}
COMMON = ("prompt", "duration", "resolution", "aspect_ratio", "generate_audio", "seed", "end_user_id")
PATHS = {
    "text-to-video": (),
    "image-to-video": ("image_url", "end_image_url"),
    "reference-to-video": ("image_urls", "video_urls", "audio_urls"),
}


def read_input(given: dict[str, Any], base: str, mode: str) -> Order:
    """Validate an input. `input_video_s` counts the videos.

    Raises:
        BadField: names the field.
    """
    only(given, (*COMMON, *PATHS[mode]))
    sizes, longest, most = BASES[base]
    newest = base.endswith("2.5")
    videos = _media(given, mode, most, alone=newest)
    ratio = choice(given, "aspect_ratio", ("auto", *RATIOS), "auto")
    if newest and mode == "image-to-video" and ratio != "auto":
        raise BadField("aspect_ratio", "must be auto with an image")
    seconds = choice(given, "duration", ("auto", *(str(n) for n in range(4, longest + 1))), "auto")
    return Order(
        model=f"{base}/{mode}",
        upstream_model=base,
        prompt=text(given, "prompt"),
        body=given,
        resolution=choice(given, "resolution", sizes, "720p"),
        ratio="16:9" if ratio == "auto" else ratio,
        duration=None if seconds == "auto" else int(seconds),
        audio=flag(given, "generate_audio", True),
        seed=whole(given, "seed", 0, 0, 2**32 - 1) if "seed" in given else None,
        input_video_s=float(videos),
        version="2.5" if newest else "2.0",
        longest_s=longest,
    )


def _media(given: dict[str, Any], mode: str, most: tuple[int, int, int], *, alone: bool) -> int:
    if mode == "image-to-video":
        if "image_url" not in given:
            raise BadField("image_url", "is required")
        for name in ("image_url", "end_image_url"):
            if name in given:
                url(given, name, "image", inline=True)
    kinds = zip(("image", "video", "audio"), most, strict=True)
    counts = [len(urls(given, f"{kind}_urls", kind, limit, inline=kind == "image")) for kind, limit in kinds]
    if mode == "reference-to-video" and not (counts[0] or counts[1] or (alone and counts[2])):
        raise BadField("image_urls", "at least one image or video is required")
    return counts[1]
