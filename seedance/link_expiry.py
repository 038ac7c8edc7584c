"""How long a link to a video still lives, as the link itself says."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

URGENT_SHARE = 0.25
"""Of a URL's life: when no more is left of it, its video goes before all others."""

_SIGNED_AT = ("x-tos-date", "x-amz-date", "x-goog-date", "x-oss-date")
_LIVES_FOR = ("x-tos-expires", "x-amz-expires", "x-goog-expires", "x-oss-expires")
_DIES_AT = ("expires",)
_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_MAX_LIFE_S = 30 * 86400
_MIN_TIME = 10**9  # in 2001, before there were such links


def url_life_s(url: str, now: datetime | None = None, made_at: datetime | None = None) -> float | None:
    """Seconds until the URL's signature ends, by its own query: below 0 when it has ended. None when the URL does not
    say (or says nonsense).

    `made_at`: from when the life counts of a URL that says how long it lives but not since when; None: from now.
    """
    now = now or datetime.now(UTC)
    query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    lives_for = next((query[name] for name in _LIVES_FOR if name in query), None)
    try:
        if lives_for is not None:
            signed_at = next((query[name] for name in _SIGNED_AT if name in query), None)
            begun = _date(signed_at) if signed_at else made_at or now
            dies_at = begun + timedelta(seconds=_plausible_life(float(lives_for)))
        elif (ends := next((query[name] for name in _DIES_AT if name in query), None)) is not None:
            if float(ends) < _MIN_TIME:
                return None
            dies_at = datetime.fromtimestamp(float(ends), UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    left_s = (dies_at - now).total_seconds()
    return left_s if left_s <= _MAX_LIFE_S else None


def _date(text: str) -> datetime:
    if _DATE.fullmatch(text) is None:
        raise ValueError("not a date of a signature")
    return datetime.fromisoformat(text)


def _plausible_life(seconds: float) -> float:
    if not 0 < seconds <= _MAX_LIFE_S:
        raise ValueError("no link lives that long")
    return seconds
