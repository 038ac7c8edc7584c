"""Small copies of posters, fetched ahead by a few threads."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image

from producer.campaigns.results.results import Result
from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable

AT_ONCE = 8
MAX_BYTES = 4 * 2**20
"""A larger poster is not one of ours."""
MAX_PIXELS = 40_000_000
Form = Literal["JPEG", "WEBP"]
"""Spreadsheets show only the first; browsers both, and the second is half as large."""
_QUALITY: Mapping[Form, Mapping[str, Any]] = {"JPEG": {"quality": 80, "optimize": True}, "WEBP": {"quality": 75}}


@dataclass(frozen=True, slots=True)
class Poster:
    """A picture in the form that was asked for, and its size in pixels."""

    picture: bytes
    width: int
    height: int


def with_posters(
    results: Iterable[Result], objects: Objects, width: int, form: Form = "JPEG"
) -> Iterator[tuple[Result, Poster | None]]:
    """Each result with its poster, at most `width` pixels wide; None: it has none, or it cannot be read."""
    ahead: deque[tuple[Result, Future[Poster | None]]] = deque()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="posters") as pool:
        for result in results:
            key = result.shown.poster_key if result.has_poster else None
            ahead.append((result, pool.submit(_fetch, objects, key, width, form)))
            if len(ahead) > 2 * AT_ONCE:
                first, found = ahead.popleft()
                yield first, found.result()
        while ahead:
            first, found = ahead.popleft()
            yield first, found.result()


def without_posters(results: Iterable[Result]) -> Iterator[tuple[Result, Poster | None]]:
    """The results in the same form, with no poster."""
    return ((result, None) for result in results)


def _fetch(objects: Objects, key: str | None, width: int, form: Form) -> Poster | None:
    if key is None:
        return None
    content = bytearray()
    try:
        for chunk in objects.chunks(key):
            content += chunk
            if len(content) > MAX_BYTES:
                return None
        return smaller(bytes(content), width, form)
    except (StoreUnavailable, OSError, ValueError):  # Pillow raises OSError for what is no picture
        return None


def smaller(picture: bytes, width: int, form: Form = "JPEG") -> Poster | None:
    """A copy of a picture, at most `width` pixels wide and twice as high; None: it is too large to open."""
    with Image.open(io.BytesIO(picture)) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            return None
        opened.draft("RGB", (width, 2 * width))
        small = opened.convert("RGB")
    small.thumbnail((width, 2 * width))
    out = io.BytesIO()
    small.save(out, form, **_QUALITY[form])
    return Poster(out.getvalue(), small.width, small.height)
