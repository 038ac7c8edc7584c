"""What gateways, and programs between us and them, get wrong in JSON, and how it is read."""

from __future__ import annotations

import pytest

from seedance.gateways.answers import read_json, url_of

LINK = "https://tos.example.com/v.mp4?X-Tos-Date=20260501T110000Z&X-Tos-Expires=86400"


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'\xef\xbb\xbf{"id":"cgt-1"}', {"id": "cgt-1"}),
        (b'{"id":"cgt-1","m":"one\r\n\ttwo"}', {"id": "cgt-1", "m": "one   two"}),
        ('{"id":"cgt-1","m":"余额"}'.encode("gbk"), {"id": "cgt-1", "m": "���"}),
        (b'{"id":"cgt-1"', None),
        (b'{"id":"cgt-1"}{"id":"cgt-2"}', None),
        (b'{"id":"a\\u0000"}', None),
        (b'\xef\xbb\xbf{"id":"a\\u0000"}', None),
        (b'\xff\xfe{\x00"\x00', None),
        (b"", None),
    ],
)
def test_json_is_read_as_far_as_it_has_one_meaning(body: bytes, data: object) -> None:
    assert read_json(body) == data
    assert data is None or read_json(body.decode("utf-8", "replace")) == data


@pytest.mark.parametrize(
    ("value", "url"),
    [
        (f" {LINK}\n", LINK),
        (LINK.replace("&", "\\u0026"), LINK),
        (LINK.replace("&", "&amp;"), LINK),
        ("HTTPS://a.example.com/V.mp4", "https://a.example.com/V.mp4"),
        ("https://a.example.com/my video.mp4", "https://a.example.com/my%20video.mp4"),
        ("https://a.example.com/a\nb.mp4", None),
        ("ftp://a.example.com/v.mp4", None),
        ("a.example.com/v.mp4", None),
        ("https:/a.example.com/v.mp4", None),
        ("", None),
        (["https://a.example.com/v.mp4"], None),
    ],
)
def test_a_link_to_a_video_is_put_right(value: object, url: str | None) -> None:
    assert url_of(value) == url
