"""What gateways, and programs between us and them, get wrong in JSON, and how it is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seedance.errors import OutcomeUnknown
from seedance.gateways.answers import read_json, task_id_of, url_of
from seedance.gateways.base import TaskStatus, WireAnswer
from seedance.gateways.registry import DIALECTS

LINK = "https://tos.example.com/v.mp4?X-Tos-Date=20260501T110000Z&X-Tos-Expires=86400"


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'\xef\xbb\xbf{"id":"cgt-1"}', {"id": "cgt-1"}),
        (b'{"id":"cgt-1","m":"one\r\n\ttwo"}', {"id": "cgt-1", "m": "one   two"}),
        ('{"id":"cgt-1","m":"余额"}'.encode("gbk"), {"id": "cgt-1", "m": "���"}),
        (rb'{"id":"cgt-1","m":"a fox \ud83d"}', {"id": "cgt-1", "m": "a fox \ufffd"}),
        (rb'{"id":"cgt-1","m":"\uDE00\ud83d\ud83d\ude00\\ud83d \n"}', {"id": "cgt-1", "m": "\ufffd\ufffd😀\\ud83d \n"}),
        (rb'{"id":"cgt-1","m":"\ud83"}', None),
        (rb'{"id":"NaN","m":"\" -Infinity","n":[NaN,-Infinity]}', {"id": "NaN", "m": '" -Infinity', "n": [None, None]}),
        (b'{"id":NaNs}', None),
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


@pytest.mark.parametrize(
    ("data", "task_id"),
    [
        ({"id": 0}, ""),
        ({"id": "null"}, ""),
        ({"id": "undefined", "data": {"task_id": "t-1"}}, "t-1"),
        ({"task_id": "None", "id": "t-1"}, "t-1"),
        ({"id": -1}, ""),
        ({"id": 12345}, "12345"),
        ({"id": "a�"}, ""),
        ({"id": "nullify-1"}, "nullify-1"),
    ],
)
def test_what_stands_for_no_id_is_none(data: object, task_id: str) -> None:
    assert task_id_of(data) == task_id


@pytest.mark.parametrize(
    "beside",
    [
        {"success": False, "message": "blocked"},
        {"code": 503, "message": "try again"},
        {"code": "429", "msg": "too many"},
        {"error": "no"},
        {"errors": [{"message": "no"}]},
        {"type": "about:blank", "title": "Service Unavailable", "status": 503},
    ],
    ids=str,
)
@pytest.mark.parametrize("gateway", ["ark", "anyfast", "12ai", "uniall", "evolink", "openrouter", "new-api"])
def test_an_id_beside_a_failure_is_no_acceptance(gateway: str, beside: dict[str, Any]) -> None:
    body = json.dumps({"id": "7f2c-request"} | beside).encode()
    with pytest.raises(OutcomeUnknown):
        DIALECTS[gateway].read_submitted(WireAnswer(200, {}, body))


def _with_status(gateway: str, word: str, url: str | None) -> bytes:
    """A task that has ended with this word, as a gateway shows it."""
    urls = [] if url is None else [url]
    shown: dict[str, dict[str, Any]] = {
        "ark": {"status": word, "content": {"video_url": url}},
        "anyfast": {"data": {"status": word, "result_url": url}},
        "12ai": {"status": word, "metadata": {"url": url}},
        "uniall": {"status": word, "video_url": url},
        "evolink": {"status": word, "results": urls},
        "kie": {"code": 200, "data": {"state": word, "resultJson": json.dumps({"resultUrls": urls})}},
        "openrouter": {"status": word, "urls": urls},
    }
    return json.dumps(shown[gateway]).encode()


@pytest.mark.parametrize("gateway", ["ark", "anyfast", "12ai", "uniall", "evolink", "kie", "openrouter"])
def test_a_word_that_means_an_end_everywhere_ends_a_task(gateway: str) -> None:
    def status(word: str, url: str | None = LINK) -> TaskStatus:
        report = DIALECTS[gateway].read_report(WireAnswer(200, {}, _with_status(gateway, word, url)))
        assert (report.video_url == LINK) == (report.status is TaskStatus.SUCCEEDED)
        return report.status

    assert {status(word) for word in ("succeeded", "Success", "completed", "done")} == {TaskStatus.SUCCEEDED}
    assert status("finished", None) is TaskStatus.UNKNOWN, "without a video it may mean something else"
    assert status("upscaling") is TaskStatus.UNKNOWN
    assert {status("canceled", None), status("cancelled", None)} == {TaskStatus.CANCELLED}
    assert status("failed", None) in (TaskStatus.FAILED, TaskStatus.LOST)
    assert status("expired", None) is TaskStatus.EXPIRED
