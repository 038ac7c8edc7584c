"""Each kind of fault has its documented effect, over a real socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.simulator_client import Client, simulator
from tests.waiting import PATIENCE_S

PATH = "/v1/video/generations"
BODY = {"model": "seedance", "content": [{"type": "text", "text": "a red fox"}], "duration": 4, "resolution": "480p"}


@pytest.fixture(scope="module")
def running() -> Iterator[Client]:
    with simulator(time="fixed", median_seconds=0.2) as client:
        yield client


@pytest.fixture
def client(running: Client) -> Client:
    running.http.post("/_sim/reset")
    return running


def create(client: Client) -> str:
    return str(client.post(PATH, BODY).json()["id"])


def task_of(client: Client, task_id: str) -> dict[str, Any]:
    return dict(client.get(f"{PATH}/{task_id}").json()["data"])


def finished_url(client: Client) -> str:
    task_id = create(client)
    return str(client.until(lambda: task_of(client, task_id)["result_url"]))


@pytest.mark.parametrize("status", [400, 401, 403, 408, 429, 500, 502, 503, 504, 524])
@pytest.mark.parametrize("body", ["json", "proxy", "html", "empty"])
def test_status_answers_with_any_status_and_body(client: Client, status: int, body: str) -> None:
    client.arm({"kind": "status", "status": status, "body": body, "retry_after": 7})
    answer = client.post(PATH, BODY)
    assert answer.status_code == status and answer.headers["Retry-After"] == "7"
    if body == "json":
        assert answer.json().keys() & {"code", "error"}
    elif body == "proxy":
        assert answer.json().keys() == {"message"}
    else:
        assert answer.text.startswith("<html>") if body == "html" else answer.text == ""
    assert client.ledger()["tasks"] == []
    assert client.ledger()["refused"][0]["reason"] == "fault: status"


def test_status_takes_a_code_and_a_message(client: Client) -> None:
    client.arm({"kind": "status", "status": 500, "code": "do_request_failed", "message": "EOF"})
    assert client.post(PATH, BODY).json() == {"code": "do_request_failed", "message": "EOF", "data": None}


def test_rate_limit_answers_429_with_or_without_retry_after(client: Client) -> None:
    client.arm({"kind": "rate_limit", "times": 1, "retry_after": 2}, {"kind": "rate_limit", "times": 1})
    answers = [client.post(PATH, BODY) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["2", None, None]


def test_no_money_and_bad_key_answer_in_the_gateways_format(client: Client) -> None:
    client.arm({"kind": "no_money", "times": 1}, {"kind": "bad_key"})
    first, second = client.post(PATH, BODY), client.post(PATH, BODY)
    assert (first.status_code, first.json()["code"]) == (403, "insufficient_user_quota")
    assert second.status_code == 401


@pytest.mark.parametrize("where", ["create", "query"])
@pytest.mark.parametrize("kind", ["garbage", "html_200", "empty_200"])
def test_garbage_html_and_empty_answers_are_not_json(client: Client, kind: str, where: str) -> None:
    task_id = create(client)
    client.arm({"kind": kind, "where": where})
    answer = client.post(PATH, BODY) if where == "create" else client.get(f"{PATH}/{task_id}")
    assert answer.status_code == 200
    with pytest.raises(ValueError):
        answer.json()
    assert len(client.ledger()["tasks"]) == 1


def test_slow_delays_the_answer_and_hang_closes_the_connection(client: Client) -> None:
    client.arm({"kind": "slow", "seconds": 0.3, "times": 1}, {"kind": "hang", "seconds": 0.3, "times": 1})
    started = time.monotonic()
    assert client.post(PATH, BODY).status_code == 200
    assert time.monotonic() - started > 0.3
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(PATH, BODY)
    assert time.monotonic() - started > 0.6
    assert len(client.ledger()["tasks"]) == 1


@pytest.mark.parametrize(
    ("rule", "accepted"),
    [
        ({"kind": "close_before_read"}, 0),
        ({"kind": "close_after_accept"}, 1),
        ({"kind": "rst_after_accept"}, 1),
        ({"kind": "hang", "seconds": 0.1, "accepted": True}, 1),
    ],
)
def test_a_create_without_an_answer(client: Client, rule: dict[str, Any], accepted: int) -> None:
    client.arm({**rule, "where": "create"})
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)) as caught:
        client.post(PATH, BODY)
    if rule["kind"] != "close_before_read":  # a body that arrives after the close is answered with a reset
        assert isinstance(caught.value, httpx.ReadError) is (rule["kind"] == "rst_after_accept")
    ledger = client.ledger()
    assert len(ledger["tasks"]) == accepted and len(ledger["refused"]) == 1 - accepted


def test_accept_then_500_creates_the_task_and_answers_an_error(client: Client) -> None:
    client.arm({"kind": "accept_then_500", "status": 502, "body": "html"})
    assert client.post(PATH, BODY).status_code == 502
    assert len(client.ledger()["tasks"]) == 1


def test_moderate_input_refuses_the_create(client: Client) -> None:
    client.arm(
        {"kind": "moderate_input", "modality": "image", "detail": "PrivacyInformation", "prompt_contains": "fox"}
    )
    answer = client.post(PATH, BODY)
    assert answer.status_code == 400
    assert "InputImageSensitiveContentDetected.PrivacyInformation" in answer.json()["message"]


def test_fail_and_moderate_output_fail_the_task(client: Client) -> None:
    client.arm({"kind": "fail", "code": "Boom", "message": "it broke", "times": 1}, {"kind": "moderate_output"})
    broken, blocked = create(client), create(client)
    task = client.until(lambda: (t := task_of(client, broken))["status"] == "FAILURE" and t)
    assert task["fail_reason"] == "it broke" and task["result_url"] == ""
    assert task["data"]["error"] == {"code": "Boom", "message": "it broke"}
    task = client.until(lambda: (t := task_of(client, blocked))["status"] == "FAILURE" and t)
    assert task["data"]["error"]["code"] == "OutputVideoSensitiveContentDetected"
    assert client.ledger()["totals"]["tokens_billed"] == 0, "only succeeded tasks are billed"


def test_lost_shows_a_failure_while_the_task_runs(client: Client) -> None:
    client.arm({"kind": "lost"})
    task_id = create(client)
    task = client.until(lambda: (t := task_of(client, task_id))["status"] == "FAILURE" and t)
    assert task["fail_reason"] == "upstream returned error" and task["data"]["status"] == "running"


def test_inner_expired_shows_a_task_in_progress(client: Client) -> None:
    client.arm({"kind": "inner_expired"})
    task_id = create(client)
    task = client.until(lambda: (t := task_of(client, task_id))["data"] and t["data"]["status"] == "expired" and t)
    assert (task["status"], task["progress"]) == ("IN_PROGRESS", "30%")


def test_stale_status_unknown_status_and_missing_url_change_one_query(client: Client) -> None:
    url = finished_url(client)
    task_id = client.only_task()["id"]
    assert url
    client.arm(
        {"kind": "stale_status", "seconds": 600, "times": 1},
        {"kind": "unknown_status", "status": "PONDERING", "times": 1},
        {"kind": "missing_url", "times": 1},
    )
    stale, unknown, bare, right = (task_of(client, task_id) for _ in range(4))
    assert stale["status"] == "NOT_START" and unknown["status"] == "PONDERING"
    assert (bare["status"], bare["result_url"], bare["data"]["content"]) == ("SUCCESS", "", {})
    assert right["status"] == "SUCCESS" and right["result_url"]


def test_url_dies_after_fetches_and_a_new_url_works(client: Client) -> None:
    client.arm({"kind": "url_dies", "after_fetches": 1})
    url = finished_url(client)
    assert [client.http.get(url).status_code for _ in range(2)] == [200, 403]
    fresh = task_of(client, client.only_task()["id"])["result_url"]
    assert client.http.get(fresh).status_code == 200


def test_url_dies_after_seconds_and_a_new_url_works(client: Client) -> None:
    client.arm({"kind": "url_dies", "after_s": 0})
    url = finished_url(client)
    client.until(lambda: client.http.get(url).status_code == 403)
    fresh = task_of(client, client.only_task()["id"])["result_url"]
    assert client.http.get(fresh).status_code == 200


def test_url_dies_for_good_ends_new_urls_too(client: Client) -> None:
    client.arm({"kind": "url_dies", "after_fetches": 0, "for_good": True})
    url = finished_url(client)
    fresh = task_of(client, client.only_task()["id"])["result_url"]
    answers = [client.http.get(each) for each in (url, fresh)]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert "<Code>AccessDenied</Code>" in answers[0].text


@pytest.mark.parametrize("reset", [True, False])
def test_cut_ends_a_download_early(client: Client, reset: bool) -> None:
    url = finished_url(client)
    client.arm({"kind": "cut", "bytes": 1000, "times": 1, "reset": reset})
    received, declared, etag = b"", 0, ""

    def read() -> None:
        nonlocal received, declared, etag
        with client.http.stream("GET", url) as answer:
            declared, etag = int(answer.headers["Content-Length"]), answer.headers["ETag"]
            for piece in answer.iter_raw():
                received += piece

    with pytest.raises(httpx.ReadError if reset else httpx.RemoteProtocolError):
        read()
    assert len(received) == 1000 < declared
    rest = client.http.get(url, headers={"Range": "bytes=1000-", "If-Range": etag})
    assert rest.status_code == 206 and len(rest.content) == declared - 1000
    assert received + rest.content == client.http.get(url).content
    task = client.only_task()
    assert (task["fetches"], task["complete_fetches"], task["bytes_served"]) == (3, 2, 2 * declared)


def test_short_sends_fewer_bytes_than_declared(client: Client) -> None:
    url = finished_url(client)
    whole = client.http.get(url).content
    client.arm({"kind": "short", "fraction": 0.25, "times": 1}, {"kind": "short", "fraction": 0.25, "honest": True})
    with pytest.raises(httpx.RemoteProtocolError):
        client.http.get(url)
    assert client.http.get(url).content == whole[: len(whole) // 4]


def test_wrong_content_sends_html_no_bytes_or_zeros(client: Client) -> None:
    url = finished_url(client)
    whole = client.http.get(url).content
    client.arm(*({"kind": "wrong_content", "body": body, "times": 1} for body in ("html", "empty", "zeros")))
    html, empty, zeros = (client.http.get(url) for _ in range(3))
    assert html.headers["Content-Type"].startswith("text/html") and html.status_code == 200
    assert (empty.status_code, empty.content) == (200, b"")
    assert zeros.content == bytes(len(whole)) and zeros.headers["Content-Type"] == "video/mp4"


def test_slow_download_limits_the_rate(client: Client) -> None:
    url = finished_url(client)
    size = len(client.http.get(url).content)
    client.arm({"kind": "slow_download", "bytes_per_s": size * 2})
    started = time.monotonic()
    assert len(client.http.get(url).content) == size
    assert 0.3 < time.monotonic() - started < PATIENCE_S / 2


def test_faults_on_downloads_answer_in_the_stores_format(client: Client) -> None:
    url = finished_url(client)
    client.arm(
        {"kind": "status", "where": "download", "status": 503, "times": 1},
        {"kind": "rate_limit", "where": "download", "times": 1, "retry_after": 1},
        {"kind": "close_before_read", "where": "download", "after": 2},
    )
    slow, limited = client.http.get(url), client.http.get(url)
    assert slow.status_code == 503 and slow.headers["Content-Type"] == "application/xml"
    assert limited.status_code == 429 and limited.headers["Retry-After"] == "1"
    with pytest.raises(httpx.RemoteProtocolError):
        client.http.get(url)


def test_rules_can_be_listed_counted_and_removed(client: Client) -> None:
    client.arm({"kind": "rate_limit", "every": 2, "account": "sk-test"})
    statuses = [client.post(PATH, BODY).status_code for _ in range(4)]
    assert statuses == [200, 429, 200, 429]
    (shown,) = client.http.get("/_sim/faults").json()["rules"]
    assert (shown["seen"], shown["applied"], shown["every"]) == (4, 2, 2)
    client.http.delete("/_sim/faults")
    assert client.post(PATH, BODY).status_code == 200
    wrong = client.http.post("/_sim/faults", json=[{"kind": "status", "status": 1}])
    assert wrong.status_code == 422 and "status" in wrong.json()["error"]
