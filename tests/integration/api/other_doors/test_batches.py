"""OpenAI's own client with files, batches and models."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest

from producer.api.batches import runner as running
from producer.api.batches.runner import BatchRunner
from producer.client import Producer
from producer.http.service import Service
from producer.operator_actions.tenants import set_purse
from storage.batches import batches, files
from storage.database import connect
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import bring, serving, with_account
from tests.media_files import picture
from tests.waiting import wait_for

S = JobState


@dataclass
class Door:
    """A server, and OpenAI's client with a key of each of two tenants."""

    http: httpx.Client
    settings: Settings
    producer: Producer
    keys: list[str]
    shop: Any
    beta: Any

    def upload(self, lines: list[dict[str, Any]], client: Any = None) -> str:
        content = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
        return str((client or self.shop).files.create(file=("jobs.jsonl", content), purpose="batch").id)

    def jobs(self) -> dict[str, str]:
        """The id of each job, by its custom_id."""
        with self.producer.database.begin() as conn:
            rows = conn.execute("SELECT idempotency_key, id FROM jobs WHERE tenant = 'shop'").fetchall()
        return {str(row[0]).rpartition(":")[2]: str(row[1]) for row in rows}

    def when(self, batch_id: str, status: str) -> Any:
        def look() -> Any:
            found = self.shop.batches.retrieve(batch_id)
            return found if found.status == status else None

        return wait_for(f"the batch is {status}", look, every_s=0.1)


def request(custom_id: str, **body: Any) -> dict[str, Any]:
    fields = {"prompt": f"a fox {custom_id}", "seconds": "4", "size": "1280x720"} | body
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/videos", "body": fields}


@pytest.fixture
def door(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    monkeypatch.setattr(running, "IDLE_S", 0.1)
    monkeypatch.setattr(batches, "LOOK_S", 0.1)
    own = with_account(settings)
    with connect(own.require_database_url()) as conn:
        made = [keys.new_key(conn, tenant, "batch", ["enqueue", "read"])[0] for tenant in ("shop", "beta")]
    with serving(own) as client, Producer(own, tenant="shop") as producer:
        url = f"{client.base_url}/v1"
        with (
            openai.OpenAI(base_url=url, api_key=made[0], max_retries=0) as shop,
            openai.OpenAI(base_url=url, api_key=made[1], max_retries=0) as beta,
        ):
            yield Door(client, own, producer, made, shop, beta)


def test_a_batch_becomes_videos_and_two_files_of_results(door: Door) -> None:
    lines = [request("a"), request("b", metadata={"sku": "7"}), request("bad", seconds="99"), request("c")]
    file_id = door.upload(lines)
    batch = door.shop.batches.create(
        input_file_id=file_id, endpoint="/v1/videos", completion_window="24h", metadata={"name": "spring"}
    )
    assert batch.status == "validating" and batch.metadata == {"name": "spring"}
    wait_for("all requests are stored", lambda: len(door.jobs()) == 3)
    jobs = door.jobs()
    assert door.producer.get(jobs["b"]).metadata == {"sku": "7"}
    assert door.producer.get(jobs["a"]).deadline_at is not None
    bring(door.producer, jobs["a"], S.SUCCEEDED)
    bring(door.producer, jobs["b"], S.FAILED)
    assert door.shop.batches.retrieve(batch.id).status == "in_progress"
    assert door.shop.batches.retrieve(batch.id).output_file_id is None
    bring(door.producer, jobs["c"], S.SUCCEEDED)
    done = door.when(batch.id, "completed")
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (4, 2, 2)
    output = [json.loads(line) for line in door.shop.files.content(done.output_file_id).text.splitlines()]
    assert {line["custom_id"]: line["response"]["body"]["id"] for line in output} == {
        "a": jobs["a"],
        "c": jobs["c"],
    }
    assert {line["response"]["body"]["status"] for line in output} == {"completed"}
    errors = {
        line["custom_id"]: line
        for line in map(json.loads, door.shop.files.content(done.error_file_id).text.splitlines())
    }
    assert errors.keys() == {"b", "bad"} and errors["bad"]["response"]["status_code"] == 422
    assert "seconds" in errors["bad"]["error"]["message"] and errors["b"]["error"]["code"] == "x"
    assert door.shop.files.retrieve(done.output_file_id).purpose == "batch_output"
    # The file itself, and the tenant's borders.
    assert door.shop.files.content(file_id).text.splitlines() == [json.dumps(line) for line in lines]
    assert [item.id for item in door.shop.files.list()] == [file_id] and list(door.beta.files.list()) == []
    asked = {"input_file_id": file_id, "endpoint": "/v1/videos", "completion_window": "24h"}
    others, made = door.beta.files, door.beta.batches
    for call in (others.content, others.delete, others.retrieve):
        for theirs in (file_id, done.output_file_id):
            with pytest.raises(openai.NotFoundError):
                call(theirs)
    for call in (made.retrieve, made.cancel):
        with pytest.raises(openai.NotFoundError):
            call(batch.id)
    with pytest.raises(openai.NotFoundError):
        made.create(**asked)
    assert list(door.beta.batches.list()) == [] and [item.id for item in door.shop.batches.list()] == [batch.id]
    assert door.shop.files.delete(file_id).deleted
    with pytest.raises(openai.NotFoundError):
        door.shop.files.retrieve(file_id)


def test_a_file_that_breaks_rules_fails_the_batch_and_nothing_is_stored(door: Door) -> None:
    wrong = [request("a"), request("a"), {"custom_id": "b"}, request("c") | {"url": "/v1/chat/completions"}]
    batch = door.shop.batches.create(input_file_id=door.upload(wrong), endpoint="/v1/videos", completion_window="24h")
    failed = door.when(batch.id, "failed")
    found = [(error.line, error.code, error.param) for error in failed.errors.data]
    assert found == [
        (2, "duplicate_custom_id", "custom_id"),
        (3, "invalid_line", "method"),
        (4, "invalid_line", "url"),
    ]
    assert door.jobs() == {}
    for endpoint, window in (("/v1/chat/completions", "24h"), ("/v1/videos", "90d"), ("/v1/videos", "soon")):
        with pytest.raises(openai.UnprocessableEntityError):
            door.shop.batches.create(
                input_file_id=door.upload([request("a")]), endpoint=endpoint, completion_window=window
            )
    with pytest.raises(openai.UnprocessableEntityError):
        door.shop.files.create(file=("a.jsonl", b"{}"), purpose="fine-tune")


def test_a_step_that_is_killed_in_the_middle_stores_each_request_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = with_account(settings)
    lines = [f"{json.dumps(request(str(number)))}\n".encode() for number in range(5)]
    service = Service(own)
    try:
        with service.producer.database.begin() as conn:
            file = files.add_file(conn, "shop", "a", [lines[0], b"".join(lines[1:])], 3600.0)
            batch = batches.add_batch(conn, "shop", None, file.id, 86_400, None)
        note = batches.note_part
        dies = iter([True, False, True, False])

        def note_or_die(*arguments: Any, **more: Any) -> None:
            if next(dies):
                raise SystemExit("killed between the jobs and the note")
            note(*arguments, **more)

        monkeypatch.setattr(batches, "note_part", note_or_die)
        for _ in range(8):
            with service.producer.database.begin() as conn:  # the lease of a dead process runs out
                conn.execute("UPDATE batches SET due_at = now() WHERE due_at IS NOT NULL")
            try:
                BatchRunner(service).step()  # another process each time
            except SystemExit:
                continue
        with service.producer.database.begin() as conn:
            stored = conn.execute("SELECT count(*), count(DISTINCT idempotency_key) FROM jobs").fetchone()
            found = batches.get_batch(conn, "shop", batch.id)
        assert stored == (5, 5) and found is not None and (found.stored, found.next_part) == (5, None)
        assert next(dies, None) is None, "both parts were interrupted"
    finally:
        asyncio.run(service.close())


def test_a_batch_that_is_cancelled_in_the_middle_of_a_step_pays_for_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the jobs and the note, or cancelled while another process stores them: no job is left behind."""
    own = with_account(settings)
    content = b"".join(f"{json.dumps(request(str(number)))}\n".encode() for number in range(3))
    service = Service(own)
    database = service.producer.database

    def begun() -> batches.Batch:
        with database.begin() as conn:
            file = files.add_file(conn, "shop", "a", [content], 3600.0)
            batch = batches.add_batch(conn, "shop", None, file.id, 86_400, None)
        BatchRunner(service).step()  # checks the file
        return batch

    def wind_up(batch: batches.Batch) -> dict[str, int]:
        for _ in range(4):
            with database.begin() as conn:
                conn.execute("UPDATE batches SET due_at = now() WHERE due_at IS NOT NULL")
            BatchRunner(service).step()
        with database.begin() as conn:
            found = batches.get_batch(conn, "shop", batch.id)
            assert found is not None and (found.state, found.stored, found.failed) == ("cancelled", 3, 3)
            rows = conn.execute(
                "SELECT state, count(*) FROM jobs WHERE idempotency_key LIKE %s GROUP BY 1", [f"batch:{batch.id.hex}:%"]
            )
            return {str(row[0]): row[1] for row in rows}

    try:
        killed = begun()
        with monkeypatch.context() as patch:
            patch.setattr(batches, "note_part", lambda *_, **__: (_ for _ in ()).throw(SystemExit()))
            with pytest.raises(SystemExit):
                BatchRunner(service).step()
        with database.begin() as conn:
            assert batches.cancel_batch(conn, killed.id)
        assert wind_up(killed) == {"cancelled": 3}

        raced = begun()
        store = Producer.store

        def slow(self: Producer, *arguments: Any, **more: Any) -> Any:
            with database.begin() as conn:
                assert batches.cancel_batch(conn, raced.id)
            BatchRunner(service).step()  # another process leaves the part out
            return store(self, *arguments, **more)

        with monkeypatch.context() as patch:
            patch.setattr(Producer, "store", slow)
            BatchRunner(service).step()
        assert wind_up(raced) == {}
    finally:
        asyncio.run(service.close())


def test_requests_of_a_large_batch_are_counted_at_each_look_and_at_its_end_for_good(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "FEW", 2)
    own = with_account(settings)
    content = b"".join(f"{json.dumps(request(str(number)))}\n".encode() for number in range(3))
    service = Service(own)
    database = service.producer.database
    runner = BatchRunner(service)

    def counts(*, exact: bool = False) -> tuple[int, int]:
        with database.begin() as conn:
            found = batches.get_batch(conn, "shop", batch.id, exact=exact)
        assert found is not None
        return found.completed, found.failed

    def step() -> None:
        with database.begin() as conn:
            conn.execute("UPDATE batches SET due_at = now() WHERE due_at IS NOT NULL")
        assert runner.step()

    try:
        with database.begin() as conn:
            file = files.add_file(conn, "shop", "a", [content], 3600.0)
            batch = batches.add_batch(conn, "shop", None, file.id, 86_400, None)
        for _ in range(2):
            step()
        with database.begin() as conn:
            jobs = [line.job_id for line in batches.results_of(conn, batch.id, 0, 10)]
        shop = service.producer.as_tenant("shop", None)
        bring(shop, str(jobs[0]), S.SUCCEEDED)
        assert (counts(), counts(exact=True)) == ((0, 0), (1, 0))
        step()
        assert counts() == (1, 0)
        for job_id in jobs[1:]:
            bring(shop, str(job_id), S.FAILED)
        step()
        with database.begin() as conn:
            conn.execute("DELETE FROM jobs")
        assert counts() == (1, 2)
        # As an older program, or another one, ends it.
        with database.begin() as conn:
            conn.execute("UPDATE batches SET ended_at = now()")
        assert counts() == (0, 3)
        assert runner.step() and not runner.step()
        with database.begin() as conn:
            conn.execute("DELETE FROM batch_lines")
        assert counts() == (0, 3)
    finally:
        asyncio.run(service.close())


def test_a_file_that_is_refused_takes_only_its_own_request_with_it(settings: Settings) -> None:
    own = with_account(settings).model_copy(update={"uploads_max_files": 1})
    pictures = [base64.b64encode(picture(colour=number * 90)).decode() for number in range(2)]
    lines = [
        request("a"),
        request("gone", input_reference={"image_url": f"upload://{'0' * 64}.png"}),
        *(request(str(n), input_reference={"image_url": f"data:image/png;base64,{p}"}) for n, p in enumerate(pictures)),
        request("z"),
    ]
    service = Service(own)
    try:
        with service.producer.database.begin() as conn:
            content = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
            file = files.add_file(conn, "shop", "a", [content], 3600.0)
            batch = batches.add_batch(conn, "shop", None, file.id, 86_400, None)
        for _ in range(2):
            BatchRunner(service).step()
        with service.producer.database.begin() as conn:
            found = batches.results_of(conn, batch.id, 0, 10)
        stored = [line.custom_id for line in found if line.job_id is not None]
        refused = {line.custom_id: line.error["body"]["error"]["code"] for line in found if line.error is not None}
        assert stored == ["a", "0", "z"]
        assert refused == {"gone": "invalid_request", "1": "uploads_full"}
    finally:
        asyncio.run(service.close())


def test_a_cancelled_batch_stores_no_more_and_cancels_what_is_free(door: Door) -> None:
    with connect(door.settings.require_database_url()) as conn:
        set_purse(conn, door.keys[0], "5 USD")
    batch = door.shop.batches.create(
        input_file_id=door.upload([request(name) for name in "abcd"]), endpoint="/v1/videos", completion_window="7d"
    )
    assert batch.completion_window == "7d"
    wait_for("the purse is used up", lambda: len(door.jobs()) == 2)
    wait_for("all are noted", lambda: door.shop.batches.retrieve(batch.id).request_counts.failed == 2)
    first, second = door.jobs().values()
    bring(door.producer, first, S.GENERATING)
    stopping = door.shop.batches.cancel(batch.id)
    assert stopping.status in ("cancelling", "cancelled")
    wait_for("the queued one is cancelled", lambda: door.producer.get(second).state is S.CANCELLED)
    assert door.shop.batches.retrieve(batch.id).status == "cancelling", "one of them is paid for, and runs to its end"
    bring(door.producer, first, S.SUCCEEDED)
    done = door.when(batch.id, "cancelled")
    errors = [json.loads(line) for line in door.shop.files.content(done.error_file_id).text.splitlines()]
    assert sorted(line["error"]["code"] for line in errors) == ["cancelled", "purse_exhausted", "purse_exhausted"]
    assert len(door.shop.files.content(done.output_file_id).text.splitlines()) == 1


def test_models_are_those_that_accounts_sell(door: Door) -> None:
    listed = {model.id: model for model in door.shop.models.list()}
    assert {"seedance-2.0", "seedance-2.0-fast", "seedance-2.5"} <= set(listed)
    assert door.shop.models.retrieve("seedance-2.5") == listed["seedance-2.5"]
    with pytest.raises(openai.NotFoundError):
        door.shop.models.retrieve("sora-3")
