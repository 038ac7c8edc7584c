"""How long a signed URL still lives, as the URL itself says."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

URGENT_SHARE = 0.25
"""Of a URL's life: when no more is left of it, its video goes before all others."""

_SIGNED_AT = ("x-tos-date", "x-amz-date", "x-goog-date")
_LIVES_FOR = ("x-tos-expires", "x-amz-expires", "x-goog-expires")
_DIES_AT = ("expires",)
_DATE_FORMAT = "%Y%m%dT%H%M%SZ"
_MAX_LIFE_S = 30 * 86400


def url_life_s(url: str, now: datetime | None = None) -> float | None:
    """Seconds until the URL's signature ends, by its own query; None when it does not say (or says nonsense)."""
    now = now or datetime.now(UTC)
    query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    lives_for = next((query[name] for name in _LIVES_FOR if name in query), None)
    try:
        if lives_for is not None:
            signed_at = next((query[name] for name in _SIGNED_AT if name in query), None)
            begun = datetime.strptime(signed_at, _DATE_FORMAT).replace(tzinfo=UTC) if signed_at else now
            left_s = (begun - now).total_seconds() + float(lives_for)
        elif dies_at := next((query[name] for name in _DIES_AT if name in query), None):
            left_s = float(dies_at) - now.timestamp()
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return left_s if 0 < left_s <= _MAX_LIFE_S else None
