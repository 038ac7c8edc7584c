"""Admission against a real PostgreSQL: limits hold, shares are fair, accounts are paused and return."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

import pytest

from seedance.account import Account
from seedance.errors import AccountProblem, ModelProblem, Throttled
from storage.accounts import changes
from storage.admission import model_limits
from storage.admission.circuit_breaker import PROBES, breakers
from storage.admission.grants import grants
from storage.admission.usage import slots_in_use, total
from storage.campaigns import controls
from storage.database import Connection, Database, connect
from storage.jobs import attempts
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Correlation, Move, NewJob
from storage.jobs.states import JobState
from storage.leases import Claimed
from storage.settings import Settings
from tests.claiming import claim_submits
from worker.scheduling.admission import claim_for
from worker.submitting.circuit_breaker import Outcome, report

LEASE_S = 60.0
MODEL = "seedance"


def an_account(name: str = "main", **fields: object) -> Account:
    return Account.model_validate(
        {"name": name, "gateway": "anyfast", "api_key": "sk-1", **fields} | {"base_url": "https://g.example"}
    )


def settings_of(*configured: Account) -> Settings:
    return Settings(accounts=configured)


def enqueue(
    conn: Connection, count: int, campaign: str | None = None, tenant: str = "default", **fields: object
) -> list[UUID]:
    campaign_id = controls.ensure_campaign(conn, tenant, campaign) if campaign else None
    values: dict[str, object] = {"gateways": ["anyfast"], "tenant": tenant, "campaign_id": campaign_id, **fields}
    request = values.pop("request", {"prompt": "a cat"})
    new = [NewJob(new_job_id(), request, "h", **values) for _ in range(count)]  # type: ignore[arg-type] # any fields
    return [item.id for item in enqueue_jobs(conn, new)]


def claim(conn: Connection, limit: int, account: str = "main", gateway: str = "anyfast") -> list[UUID]:
    return [item.id for item in claim_submits(conn, account, gateway, limit, LEASE_S)]


def tick(conn: Connection, settings: Settings) -> list[Claimed]:
    """One tick of a scheduler for submits."""
    return claim_for(conn, grants(conn, settings), 400, LEASE_S)


def submit(conn: Connection, claimed: Sequence[Claimed], outcome: Reason = Reason.ACCEPTED) -> list[tuple[UUID, int]]:
    """Begin the attempts of claimed jobs and let each end with `outcome`; returns (job, number) of each."""
    patch = {"gateway": "anyfast", "model": MODEL}
    begun = attempts.begin_attempts(
        conn,
        [
            Move(item.id, (JobState.QUEUED,), JobState.SUBMITTING, Reason.SUBMIT, item.claim, due_in_s=60, patch=patch)
            for item in claimed
        ],
        {item.id: Correlation(model_key=MODEL) for item in claimed},
    )
    accepted = outcome is Reason.ACCEPTED
    moves = [
        Move(
            item.id,
            (JobState.SUBMITTING,),
            JobState.GENERATING if accepted else JobState.QUEUED,
            outcome,
            patch={"gateway_task_id": f"t-{item.id}"} if accepted else {"account": None},
        )
        for item in begun
    ]
    outcomes = [
        AttemptOutcome(item.id, item.attempt, outcome, gateway_task_id=f"t-{item.id}" if accepted else None)
        for item in begun
    ]
    attempts.finish_attempts(conn, outcomes, moves)
    return [(item.id, item.attempt) for item in begun]


def campaigns_of(conn: Connection, ids: Sequence[UUID]) -> Counter[str]:
    rows = conn.execute(
        "SELECT coalesce(c.name, '-') FROM jobs j LEFT JOIN campaigns c ON c.id = j.campaign_id WHERE j.id = ANY(%s)",
        [list(ids)],
    )
    return Counter(row[0] for row in rows)


def test_sixteen_schedulers_never_exceed_a_limit(postgres_url: str) -> None:
    configured = settings_of(an_account("main", max_in_flight=7), an_account("paced", requests_per_minute=5))
    with connect(postgres_url) as conn:
        for name in "abcd":
            enqueue(conn, 30, name)
    database = Database(postgres_url, name="test", size=16)
    start = threading.Barrier(16)
    claimed: list[Claimed] = []
    most: list[int] = []

    def schedule() -> None:
        start.wait()
        for _ in range(4):
            with database.begin() as conn:
                taken = tick(conn, configured)
                most.append(total(slots_in_use(conn, 60.0).get("main", {})).in_flight)
            claimed.extend(taken)
            paced = [item for item in taken if item.account == "paced"]
            with database.begin() as conn:
                submit(conn, paced)

    threads = [threading.Thread(target=schedule) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()
    assert Counter(item.account for item in claimed) == {"main": 7, "paced": 5}
    assert len({item.id for item in claimed}) == 12
    assert max(most) == 7


def test_a_small_campaign_does_not_wait_for_a_big_one(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        big = enqueue(conn, 500, "big")
        assert len(claim(conn, 10)) == 10
        small = set(enqueue(conn, 10, "small"))
        turns = [claim(conn, 1)[0] in small for _ in range(20)]
        assert sum(turns) == 10
        assert all(first != second for first, second in pairwise(turns)), "they alternate"
        assert claim(conn, 3) == big[20:23], "oldest first, and all slots go to the remaining campaign"


def test_slots_are_divided_evenly_and_unused_ones_go_to_other_campaigns(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        for name, count in (("a", 100), ("b", 3), ("c", 100), (None, 100)):
            enqueue(conn, count, name)
        taken = claim(conn, 60)
        assert campaigns_of(conn, taken) == {"a": 19, "b": 3, "c": 19, "-": 19}
        assert campaigns_of(conn, claim(conn, 300)) == {"a": 81, "c": 81, "-": 81}


def test_tenants_alternate_regardless_of_their_campaigns(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        for number in range(10):
            enqueue(conn, 5, f"many {number}", "many")
        few = set(enqueue(conn, 50, None, "few"))
        turns = [claim(conn, 1)[0] in few for _ in range(20)]
        assert all(first != second for first, second in pairwise(turns))
        assert len(few & set(claim(conn, 20))) == 10


def test_a_higher_priority_is_claimed_first(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        enqueue(conn, 20, "normal")
        low = enqueue(conn, 2, "low", priority=0)
        urgent = enqueue(conn, 5, "normal", priority=9)
        assert claim(conn, 5) == urgent
        assert campaigns_of(conn, claim(conn, 20)) == {"normal": 20}
        assert claim(conn, 5) == low


def test_the_priority_of_a_tenant_does_not_starve_another(postgres_url: str) -> None:
    """Seen: as long as one tenant had jobs of priority 9, no other got a slot."""
    with connect(postgres_url) as conn:
        urgent, normal = enqueue(conn, 20, None, "a", priority=9), enqueue(conn, 5, None, "a")
        patient = enqueue(conn, 20, None, "b", priority=0)
        claimed = claim(conn, 10)
        assert (len(set(claimed) & set(urgent)), len(set(claimed) & set(patient))) == (5, 5)
        turns = [claim(conn, 1)[0] in urgent for _ in range(10)]
        assert all(first != second for first, second in pairwise(turns))
        assert set(claim(conn, 20)) == {*urgent[10:], *patient[10:]}, "within a tenant it counts"
        assert claim(conn, 9) == normal
        enqueue(conn, 6, None, "b", priority=0)
        assert len(claim(conn, 9)) == 6, "slots that a tenant leaves go to the others, whatever their priority"


def test_a_job_is_granted_only_to_accounts_that_can_serve_it(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        pinned = enqueue(conn, 2, "a", account_pin="other")
        free = enqueue(conn, 2, "a")
        ark = enqueue(conn, 1, "a", gateways=["ark"])
        assert claim(conn, 9) == free
        assert claim(conn, 9, "other", "ark") == ark
        assert claim(conn, 9, "other") == pinned


def test_a_paused_campaign_gets_no_slots_until_it_is_resumed(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        held, others = enqueue(conn, 4, "held"), enqueue(conn, 2, "others")
        begun = claim(conn, 2)
        assert campaigns_of(conn, begun) == {"held": 1, "others": 1}
        assert controls.set_paused(conn, "default", "held", paused=True)
        assert not controls.set_paused(conn, "another tenant", "held", paused=True)
        assert claim(conn, 9) == others[1:]
        submit(conn, [Claimed(job_id, 1, "main") for job_id in begun])
        assert conn.execute("SELECT count(*) FROM jobs WHERE state = 'generating'").fetchone() == (2,), "they continue"
        assert controls.set_paused(conn, "default", "held", paused=False)
        assert claim(conn, 9) == held[1:]


def test_jobs_that_are_not_due_are_skipped(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        later = enqueue(conn, 3, "a") + enqueue(conn, 3, "b")
        conn.execute("UPDATE jobs SET due_at = now() + interval '1 h' WHERE id = ANY(%s)", [later[1:]])
        assert claim(conn, 9) == later[:1]


def refuse(conn: Connection, configured: Settings, claimed: Sequence[Claimed]) -> None:
    """Let the gateway refuse these as too many."""
    numbers = submit(conn, claimed, Reason.THROTTLED)
    too_many = Throttled("too many", gateway="anyfast", retry_after_s=None)
    report(conn, configured.accounts[0], [Outcome(job_id, number, MODEL, too_many) for job_id, number in numbers])


def slots(conn: Connection, configured: Settings) -> int | None:
    """The limit of the model that the scheduler has learnt so far."""
    grants(conn, configured)
    found = model_limits.model_limits(conn).get(("main", MODEL))
    return None if found is None else found.slots


def half_open(conn: Connection) -> None:
    conn.execute("UPDATE jobs SET due_at = now() WHERE state = 'queued' AND account IS NULL")
    conn.execute("DELETE FROM circuit_breakers")
    conn.execute("UPDATE model_limits SET since = now() - interval '11 s'")


def test_refusals_show_the_limit_and_it_grows_in_larger_steps(postgres_url: str) -> None:
    configured = settings_of(an_account(max_in_flight=10))
    with connect(postgres_url) as conn:
        enqueue(conn, 60)
        claimed = tick(conn, configured)
        submit(conn, claimed[:2])
        refuse(conn, configured, claimed[2:])
    with connect(postgres_url) as conn:
        assert slots(conn, configured) == 2, "the number that it had accepted"
        assert tick(conn, configured) == []
        half_open(conn)
    limits = []
    for _ in range(5):
        with connect(postgres_url) as conn:
            submit(conn, tick(conn, configured))
            limits.append(slots(conn, configured))
            half_open(conn)
    assert limits == [3, 5, 9, None, None]


def test_a_limit_is_judged_when_the_whole_burst_is_answered(postgres_url: str) -> None:
    """Even if the refusals arrive first."""
    configured = settings_of(an_account(max_in_flight=40))
    with connect(postgres_url) as conn:
        enqueue(conn, 60)
        claimed = tick(conn, configured)
        refuse(conn, configured, claimed[10:])
    with connect(postgres_url) as conn:
        assert slots(conn, configured) is None, "some are in flight"
        submit(conn, claimed[:10])
    with connect(postgres_url) as conn:
        assert slots(conn, configured) == 10


def test_a_limit_is_not_raised_while_it_is_not_used(postgres_url: str) -> None:
    configured = settings_of(an_account(max_in_flight=10))
    with connect(postgres_url) as conn:
        enqueue(conn, 60)
        claimed = tick(conn, configured)
        submit(conn, claimed[:3])
        refuse(conn, configured, claimed[3:])
    with connect(postgres_url) as conn:
        assert slots(conn, configured) == 3
        half_open(conn)
        conn.execute("UPDATE jobs SET state = 'cancelled', due_at = NULL, finished_at = now() WHERE state = 'queued'")
        conn.execute(
            """UPDATE jobs SET due_at = NULL, finished_at = now(), state = 'cancelled'
               WHERE id IN (SELECT id FROM jobs WHERE state = 'generating' LIMIT 2)"""
        )
    with connect(postgres_url) as conn:
        assert slots(conn, configured) == 3


def test_a_refused_key_is_probed_and_paused_longer_each_time(postgres_url: str) -> None:
    configured = settings_of(an_account(max_in_flight=10))
    [account] = configured.accounts
    refused = AccountProblem("no such key", gateway="anyfast")
    pauses = []
    with connect(postgres_url) as conn:
        enqueue(conn, 30)
        [first] = tick(conn, configured)[:1]
        submit(conn, [first], Reason.ACCOUNT_PROBLEM)
        report(conn, account, [Outcome(first.id, 1, MODEL, refused)])
    for _ in range(8):
        with connect(postgres_url) as conn:
            [breaker] = breakers(conn).values()
            pauses.append((breaker.open_until - breaker.opened_at).total_seconds())
            assert grants(conn, configured) == []
            conn.execute("UPDATE jobs SET account = NULL, due_at = now() WHERE state = 'queued'")
            conn.execute("UPDATE attempts SET started_at = started_at - interval '1 h'")
            conn.execute("UPDATE circuit_breakers SET open_until = now() - interval '1 s'")
        with connect(postgres_url) as conn:
            probes = tick(conn, configured)
            assert len(probes) == PROBES
            assert tick(conn, configured) == [], "few at a time"
        with connect(postgres_url) as conn:
            before = [Outcome(first.id, 1, MODEL, refused)]
            report(conn, account, before)
            assert not next(iter(breakers(conn).values())).is_open, "answers to earlier POSTs do not count"
            numbers = submit(conn, probes, Reason.ACCOUNT_PROBLEM)
            report(conn, account, [Outcome(item, number, MODEL, refused) for item, number in numbers])
    assert pauses == pytest.approx([10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 900.0], abs=1.0)
    with connect(postgres_url) as conn:
        conn.execute("UPDATE attempts SET started_at = started_at - interval '1 h'")
        conn.execute("UPDATE circuit_breakers SET open_until = now() - interval '1 s'")
    with connect(postgres_url) as conn:
        submit(conn, tick(conn, configured))
    with connect(postgres_url) as conn:
        assert grants(conn, configured)[0].slots == 10 - PROBES, "an acceptance closes it"
        assert breakers(conn) == {}
        report(conn, account, [Outcome(first.id, 1, MODEL, refused)])
        assert grants(conn, configured) == []
        changes.resume_account(conn, "main")
        assert grants(conn, configured)[0].slots == 10 - PROBES


def test_a_closed_model_does_not_delay_other_models(postgres_url: str) -> None:
    """Even if the closed model has many jobs and they are the oldest."""
    configured = settings_of(an_account(max_in_flight=10))
    with connect(postgres_url) as conn:
        enqueue(conn, 200, request={"prompt": "a cat", "tier": "fast"})
        wanted = enqueue(conn, 5)
        [claimed] = tick(conn, configured)[:1]
        closed = ModelProblem("not activated", gateway="anyfast")
        report(conn, configured.accounts[0], [Outcome(claimed.id, 1, "seedance-fast", closed)])
        conn.execute("UPDATE jobs SET account = NULL, due_at = now()")
    with connect(postgres_url) as conn:
        assert {item.id for item in tick(conn, configured)} == set(wanted)


def test_a_model_limit_is_kept_and_other_models_get_the_remaining_slots(postgres_url: str) -> None:
    """The campaigns still alternate, as without the limit."""
    with connect(postgres_url) as conn:
        fast = [enqueue(conn, 20, name, request={"prompt": "a cat", "tier": "fast"}) for name in "ab"]
        standard = enqueue(conn, 20, "c")
        claimed = {item.id for item in claim_submits(conn, "main", "anyfast", 10, LEASE_S, most={"seedance-fast": 4})}
    assert [len(claimed & set(ids)) for ids in fast] == [2, 2]
    assert len(claimed & set(standard)) == 6
