"""Jobs that another program has stored with plain SQL, with requests that are no requests."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from producer.operator_actions.waiting import why_it_waits
from simulator.main import SimulatorOptions, running
from storage.database import connect
from storage.jobs import claims
from storage.jobs.enqueue import new_job_id
from storage.jobs.queries import get_jobs
from storage.jobs.shown.document import job_document
from storage.settings import Settings
from tests.contract.clients import account_url
from tests.integration.submitting.rounds import LEASE_S, World
from tests.transfers import Files, a_video
from worker.transferring.transfer import transfer_batch

STORED = """INSERT INTO jobs (id, request, request_hash, gateways) VALUES (%s, %s::jsonb, '', '{ark}')"""
SENT = """
INSERT INTO jobs (id, request, request_hash, gateways, state, account, attempt, gateway_task_id, submitted_at)
VALUES (%s, %s::jsonb, '', '{ark}', 'generating', 'main', 1, %s, now())"""
LINK = """
INSERT INTO jobs (id, request, request_hash, gateways, state, account, video_url)
VALUES (%s, '{"prompt": "a cat"}', '', '{ark}', 'transferring', %s, %s)"""
FACTS = """
UPDATE jobs SET state = 'succeeded', account = 'main', due_at = NULL, finished_at = now(), object_key = 'a.mp4',
                size_bytes = 1, sha256 = repeat('a', 64), error = %(json)s::jsonb, usage = %(json)s::jsonb,
                estimate = %(json)s::jsonb, cost = %(json)s::jsonb, video_format = %(json)s::jsonb,
                metadata = %(json)s::jsonb
WHERE id = %(id)s"""
NO_OBJECTS = ["[]", '"{\\"prompt\\": \\"a cat\\"}"', "null", "5"]


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with running(SimulatorOptions(seed=7, time="fixed", median_seconds=600)) as url:
        near = settings.model_copy(update={"allow_private_networks": True})
        made = World(near, main={"gateway": "ark", "base_url": account_url(url, "ark")})
        yield made
        made.close()


def test_json_that_is_no_object_fails_its_own_job_only(world: World) -> None:
    good = set(world.enqueue(2))
    with connect(world.url) as conn:
        for request in NO_OBJECTS:
            conn.execute(STORED, [new_job_id(), request])
    with connect(world.url) as conn:
        shown = get_jobs(conn, "default", [job["id"] for job in world.jobs()])
        assert len(shown) == len(good) + len(NO_OBJECTS)
        for job in shown.values():
            why_it_waits(conn, world.settings, job)
    world.round()
    assert {job["id"] for job in world.jobs() if job["state"] == "generating"} == good
    failed = [job for job in world.jobs() if job["id"] not in good]
    assert {(job["state"], job["error"]["code"]) for job in failed} == {("failed", "invalid_request")}


def test_tasks_of_such_jobs_are_polled_beside_others(world: World) -> None:
    world.enqueue(1)
    world.round()
    [task] = [job["gateway_task_id"] for job in world.jobs()]
    ids: list[UUID] = []
    with connect(world.url) as conn:
        for number, request in enumerate(NO_OBJECTS):
            ids.append(new_job_id())
            conn.execute(SENT, [ids[-1], request, f"cgt-unknown-{number}"])
    world.poll()
    known = {job["gateway_task_id"]: job["polls"] for job in world.jobs()}
    assert known.pop(task) == 1
    assert set(known.values()) == {1}, "the gateway was asked about each"


def test_a_link_without_an_account_is_copied_beside_others(world: World) -> None:
    with Files({"/a.mp4": a_video(), "/b.mp4": a_video(frames=4)}).running() as base:
        with connect(world.url) as conn:
            for name, account in (("a", None), ("b", "main")):
                conn.execute(LINK, [new_job_id(), account, f"{base}/{name}.mp4"])
        with connect(world.url) as conn:
            claimed = claims.claim_transfers(conn, 10, LEASE_S)
        assert sorted(item.account for item in claimed) == ["", "main"]
        transfer_batch(world.runtime, [(item.id, item.claim) for item in claimed])
    assert world.states() == {"succeeded": 2}


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "20000-01-01", "0044-03-15 BC"])
def test_times_beyond_every_calendar_stop_nothing(world: World, moment: str) -> None:
    """Such as a job that is due at once, or has no deadline, in PostgreSQL's own words."""
    good = world.enqueue(2)
    with connect(world.url) as conn:
        conn.execute(STORED, [due := new_job_id(), '{"prompt": "a cat"}'])
        conn.execute(STORED, [until := new_job_id(), '{"prompt": "a cat"}'])
        beyond = {"moment": moment, "id": until}
        conn.execute("UPDATE jobs SET deadline_at = %(moment)s, created_at = %(moment)s WHERE id = %(id)s", beyond)
        conn.execute("UPDATE jobs SET due_at = %s WHERE id = %s", [moment, due])
        assert len(get_jobs(conn, "default", [*good, due, until])) == 4
    world.submit(world.claim())
    states = {row["id"]: row["state"] for row in world.jobs()}
    assert [states[job_id] for job_id in good] == ["generating", "generating"]
    past = moment.startswith("-") or moment.endswith("BC")
    assert states[due] == ("generating" if past else "queued")
    assert states[until] == ("failed" if past else "generating")
    world.poll()
    assert world.states()["generating"] == 3


@pytest.mark.parametrize("stored", ["[1]", '"mp4"', "7", "null", "{}"])
def test_facts_that_are_no_objects_hide_no_jobs(world: World, stored: str) -> None:
    good = world.enqueue(1)
    with connect(world.url) as conn:
        conn.execute(STORED, [odd := new_job_id(), '{"prompt": "a cat"}'])
        conn.execute(FACTS, {"id": odd, "json": stored})
        shown = get_jobs(conn, "default", [*good, odd])
    documents = {job.id: job_document(job) for job in shown.values()}
    assert set(documents) == {*good, odd}
    assert "playable" not in documents[odd]["links"]
    assert documents[odd]["metadata"] == {}
