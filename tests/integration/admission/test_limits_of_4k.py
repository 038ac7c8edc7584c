"""Ark counts 4k apart: one at a time and 15 requests a minute for each model, whatever its other jobs do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedance.account import Account
from seedance.errors import Throttled
from seedance.lanes import lane_of, model_of
from storage.admission.circuit_breaker import breakers
from storage.admission.grants import Grant, grants, survey
from storage.database import Connection, connect
from storage.jobs import attempts
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Correlation, Move, NewJob
from storage.jobs.states import JobState
from storage.leases import Claimed
from storage.settings import Settings
from worker.scheduling.admission import claim_for
from worker.submitting.circuit_breaker import Outcome, report

ARK = Account.model_validate({"name": "ark", "gateway": "ark", "api_key": "sk-1", "max_in_flight": 6})
CONFIGURED = Settings(accounts=(ARK,))
PLAIN, BIG, BIG_2_5 = "doubao-seedance-2-0-260128", "doubao-seedance-2-0-260128@4k", "doubao-seedance-2-5-260628@4k"
KINDS: dict[str, dict[str, object]] = {
    PLAIN: {"prompt": "a", "resolution": "720p"},
    BIG: {"prompt": "a", "resolution": "4k"},
    BIG_2_5: {"prompt": "a", "resolution": "4k", "model": "seedance-2.5"},
}


def enqueue(conn: Connection, **counts: int) -> None:
    names = {"plain": PLAIN, "big": BIG, "big_2_5": BIG_2_5}
    new = [
        NewJob(new_job_id(), KINDS[names[kind]], "h", gateways=["ark"])
        for kind, count in counts.items()
        for _ in range(count)
    ]
    enqueue_jobs(conn, new)


def tick(conn: Connection) -> list[Claimed]:
    conn.execute("UPDATE jobs SET due_at = now() WHERE state = 'queued' AND account IS NULL")
    return claim_for(conn, grants(conn, CONFIGURED), 400, 60.0)


def keys(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, str]:
    rows = conn.execute("SELECT id, request FROM jobs WHERE id = ANY(%s)", [list(ids)]).fetchall()
    return {job_id: str(model_of(ARK.dialect, lane_of(request))) for job_id, request in rows}


def in_flight(conn: Connection) -> Counter[str]:
    rows = conn.execute(
        "SELECT id FROM jobs WHERE state IN ('submitting', 'generating') OR (state = 'queued' AND account IS NOT NULL)"
    )
    return Counter(keys(conn, [row[0] for row in rows.fetchall()]).values())


def submit(conn: Connection, claimed: Sequence[Claimed], refused: frozenset[str] = frozenset()) -> None:
    """Begin the attempts of claimed jobs; those of the models in `refused` are answered with "too many"."""
    of = keys(conn, [item.id for item in claimed])
    begun = attempts.begin_attempts(
        conn,
        [
            Move(
                i.id, (JobState.QUEUED,), JobState.SUBMITTING, Reason.SUBMIT, i.claim, due_in_s=60, patch={"model": "m"}
            )
            for i in claimed
        ],
        {item.id: Correlation(model_key=of[item.id]) for item in claimed},
    )
    for item in begun:
        accepted = of[item.id] not in refused
        reason = Reason.ACCEPTED if accepted else Reason.THROTTLED
        task = f"t-{item.id}-{item.attempt}" if accepted else None
        state, patch = (
            (JobState.GENERATING, {"gateway_task_id": task}) if accepted else (JobState.QUEUED, {"account": None})
        )
        attempts.finish_attempts(
            conn,
            [AttemptOutcome(item.id, item.attempt, reason, gateway_task_id=task)],
            [Move(item.id, (JobState.SUBMITTING,), state, reason, patch=patch)],
        )
        if not accepted:
            too_many = Throttled("too many", gateway="ark", retry_after_s=None)
            report(conn, ARK, [Outcome(item.id, item.attempt, of[item.id], too_many)])


def end_all(conn: Connection) -> None:
    conn.execute("UPDATE jobs SET state = 'cancelled', due_at = NULL, finished_at = now() WHERE state = 'generating'")


def grant(conn: Connection) -> Grant:
    [found] = survey(conn, CONFIGURED)
    return found


@given(
    counts=st.fixed_dictionaries({"plain": st.integers(0, 9), "big": st.integers(0, 4), "big_2_5": st.integers(0, 4)}),
    rounds=st.lists(st.tuples(st.sampled_from([(), (BIG,), (BIG_2_5,), (BIG, BIG_2_5)]), st.booleans()), max_size=4),
)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_one_4k_of_each_model_is_in_flight_while_other_jobs_go_on(
    postgres_url: str, counts: dict[str, int], rounds: list[tuple[tuple[str, ...], bool]]
) -> None:
    with connect(postgres_url) as conn:
        conn.execute("TRUNCATE jobs, circuit_breakers, model_limits, attempts CASCADE")
        enqueue(conn, **counts)
        plain_left = counts["plain"]
        for refused, ends in rounds:
            before = in_flight(conn)
            claimed = tick(conn)
            now = in_flight(conn)
            assert now[BIG] <= 1 and now[BIG_2_5] <= 1
            # Whatever 4k does, the other jobs get the rest of the account's slots.
            assert now.total() == 6 or now[PLAIN] - before[PLAIN] == plain_left
            plain_left -= now[PLAIN] - before[PLAIN]
            submit(conn, claimed, frozenset(refused))
            assert {key for _, key in breakers(conn)} <= {BIG, BIG_2_5}, "no breaker but that of 4k opens"
            if ends:
                end_all(conn)


def test_too_many_for_4k_rests_4k_of_that_model_alone(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        enqueue(conn, plain=3, big=2, big_2_5=2)
        first = tick(conn)
        assert Counter(keys(conn, [item.id for item in first]).values()) == {PLAIN: 3, BIG: 1, BIG_2_5: 1}
        submit(conn, first, frozenset([BIG]))
        assert set(breakers(conn)) == {("ark", BIG)}
        enqueue(conn, plain=1)
        assert list(keys(conn, [item.id for item in tick(conn)]).values()) == [PLAIN]
        found = grant(conn)
        assert found.model_holds[BIG].code == "throttled"
        assert (found.model_holds[BIG_2_5].code, found.model_holds[BIG_2_5].values["most"]) == ("slots_taken", 1)
        assert PLAIN not in found.model_holds


def test_4k_is_requested_at_most_fifteen_times_a_minute(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        enqueue(conn, plain=1, big=20)
        for _ in range(15):
            submit(conn, tick(conn))
            end_all(conn)  # at once, as those that are refused for their content
        assert tick(conn) == []
        hold = grant(conn).model_holds[BIG]
        assert (hold.code, hold.values["most"], hold.values["model"]) == ("requests_per_minute", 15, BIG)
        enqueue(conn, plain=1, big_2_5=1)
        assert sorted(keys(conn, [item.id for item in tick(conn)]).values()) == [PLAIN, BIG_2_5]
        conn.execute("UPDATE attempts SET started_at = started_at - interval '61 s'")
        assert list(keys(conn, [item.id for item in tick(conn)]).values()) == [BIG]
