"""Generation times learnt from polls: a bounded sample for each kind of video."""

from __future__ import annotations

import pytest

from storage.database import Connection, Database, connect
from storage.jobs import durations
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.records import NewJob
from worker.polling.forecasts import Forecasts


def finished(conn: Connection, taken_s: float, unfinished_s: float | None, duration: int = 5) -> None:
    """Record one job that a poll found finished at age `taken_s`, and that was last unfinished at `unfinished_s`."""
    request = {"prompt": "a cat", "resolution": "720p", "duration": duration}
    new = NewJob(new_job_id(), request, "h", ["anyfast"])
    enqueue_jobs(conn, [new])
    conn.execute(
        "UPDATE jobs SET state = 'transferring', account = 'main', video_url = 'https://x', generated_at = now(),"
        " submitted_at = now() - make_interval(secs => %(taken)s),"
        " polled_at = now() - make_interval(secs => %(taken)s - %(unfinished)s::float8) WHERE id = %(id)s",
        {"taken": taken_s, "unfinished": unfinished_s, "id": new.id},
    )
    durations.record(conn, [new.id])


KIND = ("main", "", "720p", "5")


def test_a_generation_time_lies_between_the_last_two_polls(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        finished(conn, 100.0, 90.0)
        finished(conn, 100.0, None)
        finished(conn, 100.0, -50.0)
        again, first, between = durations.samples(conn)[KIND]
    assert 90.0 <= between <= 100.0
    assert first == again == pytest.approx(85.0), "polls of an earlier attempt do not count"


def test_only_the_latest_times_are_kept_for_each_kind(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        for number in range(durations.KEPT + 5):
            finished(conn, 10.0 + number, 10.0 + number)
        finished(conn, 3.0, 3.0, duration=10)
        samples = durations.samples(conn)
    assert samples[KIND] == pytest.approx([10.0 + n for n in range(durations.KEPT + 4, 4, -1)])
    assert samples["main", "", "720p", "10"] == pytest.approx([3.0])
    assert durations.kind_of("main", {"prompt": "x", "resolution": "720p", "duration": 5}) == KIND


def test_a_worker_forecasts_after_enough_times_are_known(postgres_url: str) -> None:
    database = Database(postgres_url, name="test", size=2)
    with database.begin() as conn:
        for _ in range(7):
            finished(conn, 10.0, 10.0)
    assert Forecasts(database).get(KIND) is None
    with database.begin() as conn:
        finished(conn, 10.0, 10.0)
    forecasts = Forecasts(database)
    forecasts.refresh()
    forecast = forecasts.get(KIND)
    assert forecast is not None
    assert forecast.next_age_s(0.0) == pytest.approx(10.0)
    assert forecasts.get(KIND) is forecast, "computed once"
    assert forecasts.get(("other", "", "720p", "5")) is None
    database.close()
