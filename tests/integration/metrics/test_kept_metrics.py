"""Kept counters are exact: in transactions that fail, while others merge, and across releases."""

from __future__ import annotations

import threading
from decimal import Decimal

from producer.api.monitoring.kept_metrics import KeptFamilies
from storage.campaigns import controls
from storage.campaigns.reviews import Review, set_reviews
from storage.database import connect
from storage.jobs import transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import JobState
from storage.metrics.families import QUEUE_LAG, SUBMITS
from storage.metrics.kept import merge_metrics, read_metrics
from storage.metrics.measures import Measures
from tests.integration.jobs.test_jobs import a_job, enqueue

ONE = ("main", "seedance", "accepted")


def add(url: str, number: int = 1, seconds: float = 0.1) -> None:
    with connect(url) as conn:
        measures = Measures()
        measures.count(SUBMITS, *ONE, by=number)
        measures.observe(QUEUE_LAG, seconds, "poll")
        measures.write(conn)


def test_a_transaction_that_is_rolled_back_counts_nothing(postgres_url: str) -> None:
    add(postgres_url)
    with connect(postgres_url) as conn:
        measures = Measures()
        measures.count(SUBMITS, *ONE)
        measures.write(conn)
        conn.execute("ROLLBACK")
    with connect(postgres_url) as conn:
        assert read_metrics(conn)[SUBMITS.name][ONE] == {"": 1}


def test_values_never_shrink_while_two_schedulers_merge(postgres_url: str) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def merge() -> None:
        try:
            while not stop.is_set():
                with connect(postgres_url) as conn:
                    merge_metrics(conn)
        except Exception as exc:  # noqa: BLE001 - the test checks every failure
            failures.append(exc)

    threads = [threading.Thread(target=merge) for _ in range(2)]
    for thread in threads:
        thread.start()
    last = 0.0
    try:
        for _ in range(40):
            add(postgres_url)
            with connect(postgres_url) as conn:
                now = float(read_metrics(conn)[QUEUE_LAG.name]["poll",]["sum"])
            assert now > last
            last = now
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    with connect(postgres_url) as conn:
        while merge_metrics(conn):
            pass
        kept = read_metrics(conn)
        assert kept[SUBMITS.name][ONE] == {"": 40}
        assert kept[QUEUE_LAG.name]["poll",] == {"1": 40, "sum": 4}
        [rows] = conn.execute("SELECT count(*) FROM metric_counts").fetchall()
    assert rows[0] <= 6, "three series, merged by two"


def test_a_histogram_adds_up_and_takes_rows_of_other_releases(postgres_url: str) -> None:
    for seconds in (0.5, 1.0, 40.0, 1e6):
        add(postgres_url, seconds=seconds)
    with connect(postgres_url) as conn:
        conn.execute("""INSERT INTO metric_counts (metric, labels, part, value)
                        VALUES ('reelq_queue_lag_seconds', '{poll}', '7', 1), ('reelq_gone_total', '{a}', '', 1),
                               ('reelq_queue_lag_seconds', '{poll,more}', '1', 1)""")
        families = {family.name: family for family in KeptFamilies(read_metrics(conn)).collect()}
    assert "reelq_gone" not in families
    samples = {(s.name, s.labels.get("le")): s.value for s in families["reelq_queue_lag_seconds"].samples}
    counts = [samples["reelq_queue_lag_seconds_bucket", le] for le in ("1", "5", "10", "30", "60", "43200", "+Inf")]
    assert counts == [2, 2, 3, 3, 4, 4, 5]
    assert samples["reelq_queue_lag_seconds_count", None] == 5


def test_a_job_that_ends_is_counted_once(postgres_url: str) -> None:
    ids = enqueue(postgres_url, a_job("a", tenant="a"), a_job("b", tenant="b"))
    cancel = [Move(job_id, (JobState.QUEUED,), JobState.CANCELLED, Reason.CANCELLED) for job_id in ids]
    with connect(postgres_url) as conn:
        assert len(transitions.move(conn, cancel)) == 2
        assert transitions.move(conn, cancel) == []
        assert read_metrics(conn) == {"reelq_jobs_finished_total": {("cancelled", "cancelled"): {"": 2}}}


def test_a_job_ends_whatever_its_cost_is(postgres_url: str) -> None:
    costs = ['{"amount": 1.5, "currency": "CNY"}', '{"amount": 2}', '{"amount": "much"}', "[]", "null"]
    ids = enqueue(postgres_url, *(a_job(str(n), tenant="ab"[n % 2]) for n in range(len(costs))))
    cancel = [Move(job_id, (JobState.QUEUED,), JobState.CANCELLED, Reason.CANCELLED) for job_id in ids]
    with connect(postgres_url) as conn:
        for job_id, cost in zip(ids, costs, strict=True):
            conn.execute("UPDATE jobs SET cost = %s::jsonb WHERE id = %s", [cost, job_id])
        assert len(transitions.move(conn, cancel)) == len(ids)
        spent = read_metrics(conn)["reelq_spend_total"]
    assert spent == {("", "CNY", "reported"): {"": Decimal("1.5")}, ("", "", "reported"): {"": 2}}


def test_verdicts_count_rows_and_an_open_review_is_none(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "a", "spring")
        set_reviews(conn, campaign, [campaign], Review.APPROVED)
        assert read_metrics(conn) == {}, "there is no such row"
        conn.execute(
            "INSERT INTO campaign_rows (id, campaign_id, number, job_id) VALUES (%(id)s, %(id)s, 1, %(id)s)",
            {"id": campaign},
        )
        for review in (Review.REJECTED, Review.OPEN, Review.APPROVED):
            set_reviews(conn, campaign, [campaign], review)
        assert read_metrics(conn)["reelq_reviews_total"] == {("approved",): {"": 1}, ("rejected",): {"": 1}}
