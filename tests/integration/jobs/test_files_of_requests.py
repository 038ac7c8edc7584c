"""Files inside requests (data URIs) are read to submit a job, and by nothing else."""

from __future__ import annotations

import base64

import pytest

from seedance.lanes import lane_of
from seedance.request import parse_request
from storage.database import connect
from storage.jobs import claims
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.records import NewJob, Work
from storage.jobs.states import JobState
from storage.jobs.work import fitting, load_work
from tests.claiming import claim_submits
from tests.integration.jobs.test_jobs import LEASE_S, accept, begin

FILE = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 1200).decode()
REQUEST = {
    "prompt": "a cat",
    "duration": 5,
    "resolution": "720p",
    "reference_images": [FILE, "https://example.com/a.png", FILE],
    "seed": 7,
}


def big_job(tenant: str = "default", **fields: object) -> NewJob:
    return NewJob(new_job_id(), REQUEST | fields, "h", ["anyfast"], tenant=tenant)


@pytest.fixture
def loaded(postgres_url: str) -> list[Work]:
    """One job with files before its POST, and after it."""
    with connect(postgres_url) as conn:
        enqueue_jobs(conn, [big_job()])
        claimed = claim_submits(conn, "main", "anyfast", 9, LEASE_S)
        (queued,) = load_work(conn, JobState.QUEUED, [(item.id, item.claim) for item in claimed])
        accept(conn, begin(conn, claimed))
    with connect(postgres_url) as conn:
        conn.execute("UPDATE jobs SET due_at = now()")
        (held,) = claims.claim_polls(conn, 9, LEASE_S)
        (polled,) = load_work(conn, JobState.GENERATING, [(held.id, held.claim)])
    return [queued, polled]


def test_a_poll_reads_a_request_without_its_files(loaded: list[Work]) -> None:
    queued, polled = loaded
    assert queued.request == REQUEST
    assert len(str(polled.request)) < 1000
    assert {**polled.request, "reference_images": None} == {**REQUEST, "reference_images": None}
    assert polled.request["reference_images"][1] == "https://example.com/a.png"


def test_the_same_rules_read_a_request_without_its_files(loaded: list[Work]) -> None:
    queued, polled = loaded
    assert lane_of(polled.request) == lane_of(queued.request)
    short, whole = parse_request(polled.request), parse_request(queued.request)
    assert (short.duration, short.resolution) == (whole.duration, whole.resolution)
    assert [item[:15] for item in short.reference_images] == [item[:15] for item in whole.reference_images]


def test_a_submit_reads_no_more_bytes_than_a_worker_may_hold(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        enqueue_jobs(conn, [big_job(tenant, seed=seed) for seed in range(3) for tenant in ("a", "b")])
        claimed = [(item.id, item.claim) for item in claim_submits(conn, "main", "anyfast", 9, LEASE_S)]
        sizes = [row[0] for row in conn.execute("SELECT pg_column_size(request) FROM jobs")]
        first, later = fitting(conn, claimed, 4 * max(sizes))
        assert (first, later) == (claimed[:4], claimed[4:])
        assert fitting(conn, claimed, 1) == (claimed[:1], claimed[1:]), "at least one, however large it is"
        assert fitting(conn, claimed, 100 * max(sizes)) == (claimed, [])
