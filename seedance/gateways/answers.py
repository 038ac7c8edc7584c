"""Read gateways' JSON leniently: any field may be missing, of another type or absurd.

The results can be stored: no NUL characters, no endless strings, no numbers that a database cannot hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

from seedance.request import MAX_SEED

MAX_WORD_CHARS = 200  # codes, statuses
MAX_ID_CHARS = 512
MAX_URL_CHARS = 8192
_MAX_USAGE_DEPTH = 3


def read_json(body: bytes | str) -> Any:
    """The body as JSON; None if it is not JSON, or contains a NUL, which the database cannot store.

    What programs often get wrong is read nevertheless: a byte order mark, line breaks within a text, texts that are not
    UTF-8, whose bytes become U+FFFD, halves of characters, as of an emoji at which a prompt was cut (likewise), and
    Python's NaN and Infinity, which become null.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            data = orjson.loads(_mended(body))
        except orjson.JSONDecodeError:
            return None
    holds_nul = "\\u0000" in body if isinstance(body, str) else b"\\u0000" in body
    return None if holds_nul else data


_CONTROLS = dict.fromkeys(range(32), " ")
_HEX = "[0-9a-fA-F]"
# A whole pair, one half of a pair, or any other escape, so that the `u` after an escaped backslash begins none.
_ESCAPES = re.compile(rf"\\(?:u[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}}|(u[dD][89a-fA-F]{_HEX}{{2}})|.)")
_NO_NUMBERS = re.compile(r'"(?:[^"\\]|\\.)*"|(-?\b(?:NaN|Infinity)\b)')  # in a text they are text


def _mended(body: bytes | str) -> str:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    text = text.removeprefix("\ufeff").translate(_CONTROLS).strip()
    if text[:1] not in ("{", "["):  # a page, which may be long
        return text
    text = _ESCAPES.sub(lambda escape: r"\ufffd" if escape[1] else escape[0], text)
    return _NO_NUMBERS.sub(lambda found: "null" if found[1] else found[0], text)


def object_of(value: object) -> Mapping[str, Any]:
    """A JSON object unchanged; anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def text_of(value: object) -> str:
    """A JSON scalar as text, because gateways send codes as strings or integers; "" for anything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def word_of(value: object) -> str:
    """A code or a status: `text_of`, trimmed and cut."""
    return text_of(value).strip()[:MAX_WORD_CHARS]


def url_of(value: object) -> str | None:
    """An http(s) URL; None for anything else.

    White space around it, spaces in it, a scheme in capitals and an `&` that was escaped twice are put right: the video
    behind it is paid for.
    """
    if not isinstance(value, str) or len(value) > MAX_URL_CHARS:
        return None
    text = value.strip().replace("\\u0026", "&").replace("&amp;", "&").replace(" ", "%20")
    scheme, colon, rest = text.partition("://")
    usable = colon and scheme.lower() in ("http", "https") and text.isprintable()
    return f"{scheme.lower()}://{rest}" if usable else None


def path_of(value: object) -> str | None:
    """A path on the gateway's own host, perhaps with a query; None for anything else."""
    if not isinstance(value, str) or len(value) > MAX_URL_CHARS or value[:2] in ("//", "/\\"):
        return None
    return value if value.startswith("/") and value.isprintable() and " " not in value else None


def first_url(*values: object) -> str | None:
    """The first value that is a URL."""
    return next((url for value in values if (url := url_of(value)) is not None), None)


def percent_of(value: object) -> int | None:
    """Progress as 0 to 100, from 30, 30.0, "30" or "30%"; None for anything else."""
    if isinstance(value, float):
        value = int(value)
    text = text_of(value).removesuffix("%").strip()[:4]
    return min(int(text), 100) if text.isascii() and text.isdigit() else None


def seed_of(value: object) -> int | None:
    """A seed in the range that requests use; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SEED else None


def unix_time_of(value: object) -> int | None:
    """Seconds since 1970; None if it is not a plausible time."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**11 else None


def count_of(value: object) -> int | None:
    """A count; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**11 else None


def seconds_of(value: object) -> float | None:
    """A length in seconds, from 5, 5.0 or "5"; None for anything else. -1 is a length that the model chooses."""
    try:
        seconds = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return seconds if -1 <= seconds < 10**6 else None


def flag_of(value: object) -> bool | None:
    """A boolean; None for anything else."""
    return value if isinstance(value, bool) else None


def usage_of(value: object) -> Mapping[str, Any] | None:
    """The gateway's usage report, reduced to numbers, short texts and booleans; None if nothing is left."""
    return _plain(value, _MAX_USAGE_DEPTH) or None if isinstance(value, dict) else None


def _plain(value: Mapping[str, Any], depth: int) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            if depth > 1:
                kept[name] = _plain(item, depth - 1)
        elif isinstance(item, int | float) or (isinstance(item, str) and len(item) <= MAX_WORD_CHARS):
            kept[name] = item
    return kept


_NO_IDS = frozenset({"0", "-1", "null", "undefined", "none", "nil"})
"""What programs write where they have no id."""


def id_of(value: object) -> str:
    """An id that a gateway gives; "" if it is none. Its form is never checked: gateways change it without notice."""
    found = text_of(value)
    named = found.strip()
    usable = found.isprintable() and "\ufffd" not in found and len(found) <= MAX_ID_CHARS
    return named if usable and named.lower() not in _NO_IDS else ""


def task_id_of(data: object) -> str:
    """The task that an answer or a callback names: `task_id` or `id`, at the top or under `data`; "" if there is
    none."""
    top = object_of(data)
    for holder in (top, object_of(top.get("data"))):
        for name in ("task_id", "id"):
            if found := id_of(holder.get(name)):
                return found
    return ""


_FAILURE = re.compile(r"[45]\d\d", re.ASCII)


def says_failure(data: Mapping[str, Any]) -> bool:
    """Whether an answer reports a failure, whatever its HTTP status: it has an `error` or `errors`, `success` is false,
    or its `code` or `status` is an HTTP status of a failure."""
    numbers = (word_of(data.get(name)) for name in ("code", "status"))
    told = bool(data.get("error") or data.get("errors")) or data.get("success") is False
    return told or any(_FAILURE.fullmatch(number) for number in numbers)


def excerpt(body: bytes, limit: int = 500) -> str:
    """The start of an answer, for a message."""
    return body[:limit].decode("utf-8", "replace")
