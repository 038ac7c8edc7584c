"""The client against the real API, blocking and asynchronous, with two tenants."""

from __future__ import annotations

import asyncio
import hashlib
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from reelq_client import (
    ApiError,
    AsyncReelq,
    ConfigurationError,
    ConnectionFailed,
    IdempotencyConflict,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotPossible,
    Reelq,
    WaitTimeout,
)

from producer import Producer
from producer.operator_actions.tenants import create_key
from storage.bucket.objects import Objects
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.integration.api.api_server import bring
from tests.media_files import clip
from tests.waiting import PATIENCE_S

S = JobState


@pytest.fixture
def reelq(api: httpx.Client, producer: Producer) -> Iterator[Reelq]:
    with producer.database.begin() as conn:
        key, _ = create_key(conn, "acme", "backend", ["read", "enqueue"], None)
    with Reelq(str(api.base_url), key, timeout=60) as client:
        yield client


@pytest.fixture
def other(api: httpx.Client, producer: Producer, reelq: Reelq) -> Iterator[Reelq]:
    with producer.database.begin() as conn:
        key, _ = create_key(conn, "globex", "backend", ["read", "enqueue"], None)
    with Reelq(str(api.base_url), key, timeout=60) as client:
        yield client


@pytest.fixture
def acme(producer: Producer) -> Producer:
    return producer.as_tenant("acme")


def test_a_job_is_created_once_and_read(reelq: Reelq, other: Reelq) -> None:
    job = reelq.jobs.create("a red fox", duration=5, tags=["spring"], metadata={"sku": "B-17"})
    assert (job.state, job.request["duration"], job.tags, job.metadata) == ("queued", 5, ["spring"], {"sku": "B-17"})
    assert job.idempotency_key and (job.terminal, job.held, job.video_url) == (False, False, None)
    assert reelq.jobs.get(job.id) == job
    again = [reelq.jobs.create("a red fox", idempotency_key="fox-1").id for _ in range(2)]
    assert len(set(again)) == 1
    with pytest.raises(IdempotencyConflict) as conflict:
        reelq.jobs.create("a blue fox", idempotency_key="fox-1")
    assert conflict.value.problem.job_id == str(again[0])
    assert [item.id for item in reelq.jobs.list(tag="spring").data] == [job.id]
    for ask in (other.jobs.get, other.jobs.cancel, other.jobs.retry, other.jobs.timeline):
        with pytest.raises(NotFound) as unknown:
            ask(job.id)
        assert unknown.value.code == "job_not_found"
    assert not other.jobs.list().data
    assert reelq.jobs.cancel(job.id).state == "cancelled"
    assert reelq.jobs.retry(job.id).metadata["retry_of"] == str(job.id)


def test_errors_say_what_is_wrong(api: httpx.Client, reelq: Reelq) -> None:
    with pytest.raises(InvalidRequest) as invalid:
        reelq.jobs.create("a fox", duration=3, priority=10)
    assert {item.field for item in invalid.value.errors} == {"duration", "priority"}
    assert invalid.value.advice and invalid.value.status == 422 and invalid.value.request_id
    copied = pickle.loads(pickle.dumps(invalid.value))
    assert (str(copied), copied.errors) == (str(invalid.value), invalid.value.errors)
    with pytest.raises(NotAllowed):
        reelq.keys.list()
    with Reelq(str(api.base_url), "rq_wrong") as wrong, pytest.raises(NotAuthenticated):
        wrong.tenant.get()
    assert reelq.tenant.get().name == "acme"
    with pytest.raises(NotFound):
        reelq.request("GET", "/v1/nothing")


def test_without_an_api_the_error_says_where_it_was_sought(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with Reelq(f"http://127.0.0.1:{closed_port}", max_retries=1) as nowhere, pytest.raises(ConnectionFailed) as failed:
        nowhere.jobs.create("a fox")
    assert failed.value.never_sent and f"127.0.0.1:{closed_port} cannot be reached" in str(failed.value)
    monkeypatch.delenv("REELQ_API_URL", raising=False)
    with pytest.raises(ConfigurationError, match="set REELQ_API_URL"):
        Reelq()
    with pytest.raises(ConfigurationError, match="must begin with http"):
        Reelq("reelq.example")
    monkeypatch.setenv("REELQ_API_URL", "https://reelq.example/")
    monkeypatch.setenv("REELQ_API_KEY", "rq_secret")
    with Reelq() as found:
        assert found.base_url == "https://reelq.example"
        assert "rq_secret" not in repr(vars(found._driver))


def test_many_jobs_and_pages(reelq: Reelq) -> None:
    rows: list[dict[str, Any]] = [{"prompt": f"fox {number}"} for number in range(5)]
    report = reelq.jobs.create_many(rows)
    assert (report.rows, report.created, report.refused) == (5, 5, 0)
    partly = reelq.jobs.create_many([*rows, {"prompt": "x", "duration": 3}], partial=True)
    assert (partly.created, partly.refused, partly.results[-1].errors[0].field) == (5, 1, "duration")
    page = reelq.jobs.list(limit=3)
    assert page.next_cursor and len(reelq.jobs.list(cursor=str(page.next_cursor)).data) == 7
    assert len({job.id for job in reelq.jobs.iterate()}) == 10


class Frame:
    """As much of a pandas DataFrame as the client uses."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    @property
    def columns(self) -> list[str]:
        return list(self._rows[0])

    def to_dict(self, orient: str) -> list[dict[str, Any]]:
        assert orient == "records"
        return self._rows


def test_campaigns_of_lists_frames_and_files(reelq: Reelq, other: Reelq, tmp_path: Path) -> None:
    nan = float("nan")
    frame = Frame(
        [{"prompt": "a fox", "duration": 5.0, "seed": nan}, {"prompt": "a hare", "duration": nan, "seed": 3.0}]
    )
    plan = reelq.campaigns.plan(frame, name="spring", budget="100 USD")
    assert (plan.rows, plan.good, plan.bad, plan.cost.currency) == (2, 2, [], "USD")
    assert reelq.campaigns.plan([{"prompt": "x", "duration": 3}]).bad[0].column == "duration"
    errors = reelq.campaigns.plan_errors([{"prompt": "x", "duration": 3}], tmp_path / "errors.jsonl")
    assert "duration" in errors.read_text("utf-8") and errors.suffix == ".jsonl"
    stored = [reelq.campaigns.run("spring", frame, budget="100 USD", paused=True) for _ in range(2)]
    assert (stored[0].created, stored[1].created, stored[0].ids) == (2, 0, stored[1].ids)
    assert reelq.jobs.get(stored[0].ids[0]).request["duration"] == 5
    sheet = tmp_path / "more.csv"
    sheet.write_text("product,seconds\nbadger,5\n", encoding="utf-8")
    more = reelq.campaigns.run("spring", sheet, prompt="a {{ product }}", map=["seconds=duration"])
    assert more.created == 1
    assert reelq.campaigns.check("spring", [{"prompt": "another"}]).dry_run is True
    found = reelq.campaigns.resume("spring")
    assert (found.total, found.paused_at, found.budget is not None) == (3, None, True)
    assert reelq.campaigns.update("spring", budget="none", weight=3).budget is None
    assert [item.name for item in reelq.campaigns.iterate()] == ["spring"]
    assert len(reelq.campaigns.manifest("spring")) == 3
    assert reelq.campaigns.cancel("spring").cancelled == 3
    assert reelq.campaigns.wait("spring").counts == {"cancelled": 3}
    assert {item.what for item in reelq.campaigns.decisions("spring")} >= {"campaign.resumed"}
    with pytest.raises(NotFound):
        other.campaigns.get("spring")
    assert not list(other.campaigns.iterate())


def test_a_campaign_is_waited_for_until_its_budget_has_the_costs(reelq: Reelq, acme: Producer) -> None:
    def reserve(amount: int) -> None:
        with acme.database.begin() as conn:
            conn.execute("UPDATE budgets SET reserved = %s WHERE currency = 'USD'", (amount,))

    reelq.campaigns.run("poor", [{"prompt": "a fox"}], budget="100 USD", paused=True)
    with pytest.raises(WaitTimeout, match="0 of 1 jobs have ended; it continues"):
        reelq.campaigns.wait("poor", timeout=0.2)
    assert reelq.campaigns.cancel("poor").cancelled == 1
    reserve(5)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(reelq.campaigns.wait, "poor", PATIENCE_S)
        with pytest.raises(TimeoutError):
            waiting.result(1.0)
        reserve(0)
        budget = waiting.result(PATIENCE_S).budget
    assert budget is not None and budget.reserved == 0


def test_waiting_and_events(reelq: Reelq, acme: Producer) -> None:
    job = reelq.jobs.create("a fox")
    with pytest.raises(WaitTimeout, match="is queued and did not finish"):
        reelq.jobs.wait(job.id, timeout=0.2)
    timer = threading.Timer(0.3, bring, (acme, str(job.id), S.SUCCEEDED))
    timer.start()
    assert reelq.jobs.wait(job.id, timeout=60).state == "succeeded"
    timer.join()
    events = list(reelq.jobs.events(job.id))
    assert [event.target for event in events] == ["queued", "submitting", "generating", "transferring", "succeeded"]
    assert reelq.jobs.timeline(job.id).data == events
    assert list(reelq.jobs.events(job.id, after=events[2].id)) == events[3:]
    assert list(reelq.jobs.events(job.id, after=events[-1].id)) == []
    following = reelq.events.stream(after=events[0].id - 1)
    assert [next(following).id for _ in events] == [event.id for event in events]
    held = reelq.jobs.create("a hare")
    bring(acme, str(held.id), S.UNCONFIRMED)
    assert reelq.jobs.wait(held.id, timeout=60).held


def test_files_are_saved_and_checked(
    reelq: Reelq, other: Reelq, acme: Producer, configured: Settings, tmp_path: Path
) -> None:
    job = reelq.jobs.create("a fox")
    with pytest.raises(NotPossible):
        reelq.jobs.video(job.id).save(tmp_path / "early.mp4")
    source = clip(tmp_path / "source.mp4")
    content = source.read_bytes()
    key = f"videos/{job.id}.mp4"
    Objects(configured).put_file(source, key)
    facts = {"object_key": key, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    bring(acme, str(job.id), S.SUCCEEDED, **facts)
    seen: list[tuple[int, int | None]] = []
    path = reelq.jobs.video(job.id).save(tmp_path / "fox.mp4", progress=lambda have, of: seen.append((have, of)))
    assert path.read_bytes() == content and seen[-1] == (len(content), len(content))
    assert sorted(item.name for item in tmp_path.iterdir()) == ["fox.mp4", "source.mp4"]
    link = reelq.jobs.video(job.id).link()
    assert link is not None and httpx.get(link).content == content
    url = reelq.jobs.get(job.id).video_url
    assert url == f"{reelq.base_url}/v1/jobs/{job.id}/video"
    with pytest.raises(NotFound):
        other.jobs.video(job.id).save(tmp_path / "theirs.mp4")
    assert not (tmp_path / "theirs.mp4").exists()


async def _everything(base_url: str, key: str, acme: Producer, tmp_path: Path) -> None:
    async with AsyncReelq(base_url, key) as reelq:
        job = await reelq.jobs.create("a fox", duration=5)
        made = await reelq.jobs.create_many([{"prompt": "a"}, {"prompt": "b"}])
        assert made.created == 2
        assert len([item async for item in reelq.jobs.iterate()]) == 3
        waiting = asyncio.create_task(reelq.jobs.wait(job.id, timeout=60))
        await asyncio.to_thread(bring, acme, str(job.id), S.FAILED)
        done = await waiting
        assert done.state == "failed" and done.error is not None and done.error.code == "x"
        assert [event.target async for event in reelq.jobs.events(job.id)][-1] == "failed"
        with pytest.raises(NotPossible):
            await reelq.jobs.video(job.id).save(tmp_path / "none.mp4")
        with pytest.raises(ApiError):
            await reelq.jobs.get(uuid4())
        sheet = tmp_path / "jobs.csv"
        sheet.write_text("prompt\na fox\n")
        assert (await reelq.campaigns.run("spring", sheet)).rows == 1


def test_the_same_with_await(reelq: Reelq, acme: Producer, tmp_path: Path) -> None:
    key = reelq._driver.options.api_key or ""
    asyncio.run(_everything(reelq.base_url, key, acme, tmp_path))


def test_the_rest_answers(reelq: Reelq, api: httpx.Client, producer: Producer) -> None:
    with Reelq(str(api.base_url), _admin(producer)) as admin:
        endpoint = admin.webhooks.endpoints.create("https://shop.example/hook", events=["job.failed"])
        assert admin.webhooks.endpoints.get(endpoint.id).events == ["job.failed"]
        assert admin.webhooks.endpoints.update(endpoint.id, disabled=True).disabled_at is not None
        assert admin.webhooks.endpoints.rotate(endpoint.id).secret != endpoint.secret
        assert [item.id for item in admin.webhooks.endpoints.list()] == [endpoint.id]
        admin.webhooks.endpoints.delete(endpoint.id)
        assert not list(admin.webhooks.messages.iterate())
        assert admin.webhooks.messages.replay_many(dead=True).replayed == 0
        assert admin.webhooks.secret()[0].startswith("whsec_")
        made = admin.keys.create("other", scopes=["read"])
        replaced = admin.keys.rotate(made.id, overlap_seconds=0)
        admin.keys.revoke(replaced.id)
        assert {item.id for item in admin.keys.list()} >= {made.id, replaced.id}
        assert {item.what for item in admin.decisions.iterate()} >= {"key.revoked"}
        assert [item.name for item in admin.accounts.list().accounts] == ["main"]
    assert reelq.capabilities.list().accounts[0].gateway == "anyfast"
    assert reelq.jobs.estimate("a fox", duration=5).chosen == "main"
    assert reelq.health.live().status == "ok"


def _admin(producer: Producer) -> str:
    with producer.database.begin() as conn:
        return create_key(conn, "default", "admin", ["read", "enqueue", "admin"], None)[0]
