"""The stream of a tenant's events: filtered, with the job, without a gap, and read once for all streams."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest

from producer import Producer
from producer.http.event_feed import Page, read_page
from storage.database import Connection
from storage.jobs.events.log import EventLog
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.integration.api.api_server import bring
from tests.waiting import wait_for

S = JobState
Frame = tuple[str, dict[str, Any]]


@pytest.fixture(autouse=True)
def _quick_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that reads a stream holds it until something comes: each test would wait 15 s for its end."""
    monkeypatch.setattr("producer.api.jobs.streams.HEARTBEAT_S", 0.5)


def frames(answer: httpx.Response) -> Iterator[Frame]:
    """The events of a stream, each with its `id:`."""
    position = ""
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            position = value
        elif name == "data":
            yield position, json.loads(value)


class Following:
    """A stream that is read in a thread."""

    def __init__(self, stack: ExitStack, api: httpx.Client, **query: Any) -> None:
        answer = stack.enter_context(api.stream("GET", "/v1/events", params=query))
        assert answer.status_code == 200
        self.frames: list[Frame] = []
        thread = threading.Thread(target=self._read, args=(answer,), daemon=True)
        thread.start()

    def _read(self, answer: httpx.Response) -> None:
        try:
            self.frames.extend(frames(answer))
        except httpx.HTTPError:
            return

    def has(self, name: str) -> bool:
        return name in self.prompts

    @property
    def prompts(self) -> list[str]:
        return [event["job"]["metadata"]["name"] for _, event in self.frames]


def one(producer: Producer, name: str, **fields: Any) -> str:
    return str(producer.enqueue("a cat", metadata={"name": name}, **fields).id)


def test_a_stream_is_filtered_by_campaign_state_and_tag_and_shows_the_job(
    api: httpx.Client, producer: Producer
) -> None:
    with ExitStack() as stack:
        everything = Following(stack, api)
        spring = Following(stack, api, campaign="spring")
        ended = Following(stack, api, state=["succeeded", "failed"])
        tagged = Following(stack, api, tag=["fox", "snow"])
        rows = [{"prompt": "a fox", "metadata": {"name": name}, "tags": ["fox", "snow"]} for name in ("a", "b")]
        first, second = producer.enqueue_many(rows, campaign="spring")
        one(producer, "c", tags=["fox"])
        bring(producer, str(first.id), S.SUCCEEDED)
        bring(producer, str(second.id), S.FAILED)
        for stream, count in ((everything, 9), (spring, 8), (ended, 2), (tagged, 8)):
            wait_for("its events have come", lambda of=stream, n=count: len(of.frames) == n)  # type: ignore[misc] # mypy cannot type the defaults
        assert [event["target"] for _, event in ended.frames] == ["succeeded", "failed"]
        assert spring.prompts.count("a") == tagged.prompts.count("a") == 5
    last = ended.frames[0][1]["job"]
    assert (last["id"], last["state"], last["campaign"], last["tags"]) == (
        str(first.id), "succeeded", "spring", ["fox", "snow"],
    )  # fmt: skip
    assert last["links"] == {"self": f"/v1/jobs/{first.id}", "video": f"/v1/jobs/{first.id}/video"}
    assert "request" not in last
    assert "tenant" not in last
    assert api.get("/v1/events", params={"state": "lost"}).status_code == 422


def test_events_of_another_tenant_do_not_come(api: httpx.Client, producer: Producer) -> None:
    with ExitStack() as stack:
        filters: list[dict[str, Any]] = [{}, {"campaign": "spring"}, {"state": "queued"}, {"tag": "a"}]
        filters.append({"campaign": "spring", "state": "queued", "tag": "a"})
        mine = [Following(stack, api, **query) for query in filters]
        row: dict[str, Any] = {"prompt": "x", "tags": ["a"]}
        other = producer.as_tenant("other")
        other.enqueue_many([row | {"metadata": {"name": "theirs"}}], campaign="spring")
        producer.enqueue_many([row | {"metadata": {"name": "mine"}}], campaign="spring")
        wait_for("an event has come to each", lambda: all(stream.frames for stream in mine))
        assert [stream.prompts for stream in mine] == [["mine"]] * len(filters)
        # What is missed is read from the log, by the same filters.
        missed = [Following(stack, api, after="0", **query) for query in filters]
        wait_for("what was missed has come to each", lambda: all(stream.frames for stream in missed))
        assert [stream.prompts for stream in missed] == [["mine"]] * len(filters)


def test_a_job_in_a_slow_transaction_is_told_once_it_is_committed_and_delays_no_other(
    api: httpx.Client, producer: Producer, configured: Settings
) -> None:
    with ExitStack() as stack, closing(psycopg.connect(configured.require_database_url())) as slow:
        before = Following(stack, api)
        producer.enqueue("a cat", metadata={"name": "slow"}, connection=slow)
        one(producer, "quick")
        wait_for("the quick job is sent", lambda: before.prompts == ["quick"])
        during = Following(stack, api)  # it begins behind a number that has not come yet
        one(producer, "second")
        wait_for("the second job is sent", lambda: before.prompts == ["quick", "second"])
        wait_for("the second job is sent", lambda: during.prompts == ["second"])
        again = Following(stack, api, after=before.frames[0][0])
        wait_for("the second job is sent again", lambda: again.prompts == ["second"])
        slow.commit()
        wait_for("the slow job is sent", lambda: before.prompts == ["quick", "second", "slow"])
        wait_for("the slow job is sent", lambda: during.prompts == ["second", "slow"])
        wait_for("the slow job is sent", lambda: again.prompts == ["second", "slow"])
        assert before.frames[2][1]["id"] < before.frames[0][1]["id"]
        # From each place on, the rest comes: nothing is left out, nothing comes twice.
        one(producer, "last")
        for number, (position, _) in enumerate(before.frames[:3]):
            rest = Following(stack, api, after=position)
            expected = ["slow", "second", "last"] if number == 0 else [*before.prompts[number + 1 : 3], "last"]
            wait_for("the rest has come", partial(rest.has, "last"))
            assert sorted(rest.prompts) == sorted(expected)


def test_many_streams_read_the_log_once(api: httpx.Client, producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[EventLog] = []

    def counted(conn: Connection, log: EventLog, tenants: Collection[str]) -> Page:
        reads.append(log)
        return read_page(conn, log, tenants)

    monkeypatch.setattr("producer.api.jobs.streams.read_page", counted)
    with ExitStack() as stack:
        following = [Following(stack, api) for _ in range(12)]
        one(producer, "first")
        wait_for("all have the first event", lambda: all(item.frames for item in following))
        begun = len(reads)
        for number in range(20):
            one(producer, str(number))
        wait_for("all have all events", lambda: all(len(item.frames) == 21 for item in following))
        assert all(item.prompts == following[0].prompts for item in following)
        assert len(reads) == begun, "streams that have caught up do not read the database"


def test_a_slow_client_that_was_left_behind_catches_up(
    api: httpx.Client, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.http.event_feed.MAX_WAITING", 5)
    with ExitStack() as stack:
        following = Following(stack, api)
        names = [str(number) for number in range(60)]
        producer.enqueue_many([{"prompt": "x", "metadata": {"name": name}} for name in names])
        wait_for("all events have come", lambda: len(following.frames) >= 60)
        one(producer, "last")
        wait_for("the last event has come", lambda: "last" in following.prompts)
        assert sorted(following.prompts) == sorted([*names, "last"])
