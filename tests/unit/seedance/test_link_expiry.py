"""Read from a signed URL how long it is still valid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from seedance.link_expiry import url_life_s

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("query", "life_s"),
    [
        ("X-Tos-Date=20260501T110000Z&X-Tos-Expires=86400", 82800.0),
        ("X-Amz-Date=20260501T115900Z&X-Amz-Expires=43200&X-Amz-Signature=ab", 43140.0),
        ("x-amz-expires=100", 100.0),
        (f"Expires={EPOCH + 500}&Signature=x", 500.0),
        ("X-Tos-Date=20260501T110000Z&X-Tos-Expires=60", -3540.0),
        ("x-oss-date=20260501T110000Z&x-oss-expires=7200", 3600.0),
        (f"Expires={EPOCH - 86400}", -86400.0),
        (f"x-expires={EPOCH + 3600}&x-signature=a%2Bb%3D", 3600.0),
        (f"a=1988&expire={EPOCH + 60}&policy=2", 60.0),
        (f"q-sign-algorithm=sha1&q-sign-time={EPOCH - 60};{EPOCH + 1200}&q-signature=x", 1200.0),
        ("sv=2025-01-05&se=2026-05-01T14%3A00%3A00Z&sr=b&sp=r&sig=x", 7200.0),
        ("se=2026-05-01&sig=x", -43200.0),
        ("se=no&sig=x", None),
        ("se=2026-05-01T14%3A00%3A00Z", None),
        ("expire=3600", None),
        ("q-sign-time=soon", None),
        ("Expires=0", None),
        ("X-Tos-Expires=-5", None),
        ("Expires=99999999999999999999", None),
        ("X-Tos-Date=nonsense&X-Tos-Expires=60", None),
        ("X-Tos-Expires=soon", None),
        ("X-Tos-Expires=1e400", None),
        ("a=b", None),
        ("X%2DTos%2DDate=20260501T110000Z&X-Tos-Expires=86400&%2D=%2D", 82800.0),
        ("Expires=&x-amz-expires=100&x-amz-expires", 100.0),
        (f"a=b#Expires={EPOCH + 500}", None),
        ("", None),
    ],
)
def test_the_life_of_a_url_is_read_from_its_query(query: str, life_s: float | None) -> None:
    assert url_life_s(f"https://host/v.mp4?{query}", NOW) == life_s


def test_a_link_with_a_broken_host_stops_no_poll() -> None:
    """The copy says what is wrong with it."""
    assert url_life_s("https://[broken/v.mp4?x-amz-expires=100", NOW) == 100.0


def test_a_life_without_a_beginning_counts_from_when_the_video_was_made() -> None:
    made_at = NOW - timedelta(hours=20)
    assert url_life_s("https://host/v.mp4?x-amz-expires=86400", NOW, made_at) == 4 * 3600.0
