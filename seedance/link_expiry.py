"""How long a link to a video still lives, as the link itself says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, unquote_plus

URGENT_SHARE = 0.25
"""Of a URL's life: when no more is left of it, its video goes before all others."""

_SIGNED_AT = ("x-tos-date", "x-amz-date", "x-goog-date", "x-oss-date")
_LIVES_FOR = ("x-tos-expires", "x-amz-expires", "x-goog-expires", "x-oss-expires")
_DIES_AT = ("expires", "x-expires", "expire")
"""In Unix seconds: CloudFront's and older S3's, and those of ByteDance's CDN."""
_NAMES = frozenset({*_SIGNED_AT, *_LIVES_FOR, *_DIES_AT, "se", "sig", "q-sign-time"})
_COS_TIMES = re.compile(r"\d+;(\d+)", re.ASCII)
_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_MAX_LIFE_S = 30 * 86400
_MIN_TIME = 10**9  # in 2001, before there were such links


def url_life_s(url: str, now: datetime | None = None, made_at: datetime | None = None) -> float | None:
    """Seconds until the URL's signature ends, by its own query: below 0 when it has ended. None when the URL does not
    say (or says nonsense).

    `made_at`: from when the life counts of a URL that says how long it lives but not since when; None: from now.
    """
    now = now or datetime.now(UTC)
    query = _times(url)
    lives_for = next((query[name] for name in _LIVES_FOR if name in query), None)
    try:
        if lives_for is not None:
            signed_at = next((query[name] for name in _SIGNED_AT if name in query), None)
            begun = _date(signed_at) if signed_at else made_at or now
            dies_at = begun + timedelta(seconds=_plausible_life(float(lives_for)))
        elif (ends := _dies_at(query)) is not None:
            dies_at = ends
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    left_s = (dies_at - now).total_seconds()
    return left_s if left_s <= _MAX_LIFE_S else None


def _times(url: str) -> dict[str, str]:
    """The parameters of a URL's query that may say when it dies, by their names in small letters."""
    found: dict[str, str] = {}
    for part in url.partition("#")[0].partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        if "%" in name:
            name = unquote(name)
        if value and (name := name.lower()) in _NAMES:
            found[name] = unquote_plus(value)
    return found


def _dies_at(query: Mapping[str, str]) -> datetime | None:
    """The moment that a URL names, None if it names none."""
    if "se" in query and "sig" in query:  # Azure
        at = datetime.fromisoformat(query["se"])
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    named = next((query[name] for name in _DIES_AT if name in query), None)
    if named is None and (found := _COS_TIMES.fullmatch(query.get("q-sign-time", ""))) is not None:  # Tencent
        named = found[1]
    if named is None or float(named) < _MIN_TIME:
        return None
    return datetime.fromtimestamp(float(named), UTC)


def _date(text: str) -> datetime:
    if _DATE.fullmatch(text) is None:
        raise ValueError("not a date of a signature")
    return datetime.fromisoformat(text)


def _plausible_life(seconds: float) -> float:
    if not 0 < seconds <= _MAX_LIFE_S:
        raise ValueError("no link lives that long")
    return seconds
