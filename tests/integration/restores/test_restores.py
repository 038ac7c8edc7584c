"""A database that is restored from a backup does not pay for what was generated since, and keeps every video."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import SplitResult, urlsplit
from uuid import uuid4

import pytest
from aiohttp import web

from storage.bucket.objects import Objects
from storage.database import connect
from storage.journal import segments
from storage.journal.views import confirm_journal
from storage.settings import Settings
from tests.integration.restores.rig import JOBS, Rig, advance, enqueue, finish, submits
from tests.integration.submitting.doubtful_gateway import LOST, DoubtfulGateway
from tests.ruled_store import refusal, ruled
from tests.servers import Bucket, TestServers
from tests.tcp_door import door
from tests.waiting import wait_for
from worker.scheduling import restores
from worker.scheduling.restores import SETTLE_S
from worker.submitting import submit

ALL = 4 * JOBS


@pytest.fixture
def rig(settings: Settings, gateway: DoubtfulGateway, tmp_path: Path) -> Rig:
    return Rig(settings, gateway, tmp_path / "backup.dump")


def paid_once(rig: Rig) -> bool:
    return set(rig.gateway.generations().values()) == {1}


def test_jobs_that_ran_after_the_backup_are_not_submitted_again(rig: Rig) -> None:
    with rig.world() as world:
        enqueue(world)
        rig.save()
        world.round()
        enqueue(world, "after", idempotency_key=None)
        world.round()
        assert rig.gateway.ledger()["totals"]["tasks"] == 2 * ALL
    rig.restore()
    with rig.world() as world:
        assert world.states() == {"generating": ALL}
        assert world.round() == 0
        finish(world, rig.gateway)
        assert world.states() == {"succeeded": ALL}
        assert {row["outcome"] for row in world.rows("SELECT outcome FROM lost_jobs")} == {"accepted"}
        assert len(world.rows("SELECT 1 FROM lost_jobs WHERE gateway_task_id IS NOT NULL")) == ALL
    assert paid_once(rig)
    report = rig.state().restored
    assert report is not None
    assert (report["adopted"], report["unconfirmed"], report["lost"]) == (ALL, 0, ALL)


def test_a_video_in_the_bucket_ends_its_job_although_its_gateway_has_forgotten_it(rig: Rig) -> None:
    with rig.world() as world:
        enqueue(world)
        rig.save()
        world.round()
        finish(world, rig.gateway)
        before = {job["id"]: (job["object_key"], job["sha256"], job["cost"]) for job in world.jobs()}
    rig.restore()
    rig.gateway.finish(400_000)  # no link lives that long
    with rig.world() as world:
        assert world.states() == {"succeeded": ALL}
        assert {job["id"]: (job["object_key"], job["sha256"], job["cost"]) for job in world.jobs()} == before
        assert world.round() == 0
    assert paid_once(rig)


def test_a_restore_in_the_middle_of_generating(rig: Rig) -> None:
    with rig.world() as world:
        enqueue(world)
        world.round(limit=2)
        rig.save()
        world.round()
    rig.restore()
    with rig.world() as world:
        assert world.states() == {"generating": ALL}
        finish(world, rig.gateway)
        assert world.states() == {"succeeded": ALL}
    rig.restore()  # a second time, when all of them have ended
    with rig.world() as world:
        assert world.states() == {"succeeded": ALL}, "their videos are in the bucket"
    assert paid_once(rig)


def test_a_submit_without_an_answer_is_looked_for_and_held_if_it_cannot_be_found(rig: Rig) -> None:
    with rig.world() as world:
        enqueue(world)
        rig.save()
        rig.gateway.arm(LOST)
        world.round()
        rig.gateway.arm()
        assert world.states() == {"unconfirmed": ALL}
    rig.restore()
    with rig.world() as world:
        assert world.states() == {"unconfirmed": ALL}
        world.reconcile()
        assert world.states() == {"generating": ALL // 2, "unconfirmed": ALL // 2}, "one gateway lists its tasks"
        assert world.round() == 0
        held = world.rows("SELECT account FROM jobs WHERE state = 'unconfirmed'")
        assert {row["account"] for row in held} == {"mute"}
    assert paid_once(rig)


def test_a_scheduler_that_keeps_running_notices_the_restore(rig: Rig) -> None:
    with rig.world() as world:
        watch = rig.watch(world)
        wait_for("compared", watch.may_run)
        enqueue(world)
        advance(world, watch)
        rig.save()
        advance(world, watch)
        assert submits(world, watch) == ALL
        rig.restore()
        assert submits(world, watch) == 0, "the database is older than it was"
        wait_for("compared again", watch.may_run)
        assert submits(world, watch) == 0
        assert world.states() == {"generating": ALL}
    assert paid_once(rig)


def test_another_server_with_the_same_heartbeat_is_compared_before_it_submits(rig: Rig) -> None:
    """A failover between two ticks and two heartbeats: the pool reconnects, and only the last submits are missing."""
    parts = urlsplit(rig.settings.require_database_url())
    own = Rig(rig.settings.model_copy(update={"database_url": starts_as_it_says(parts)}), rig.gateway, rig.dump)
    with own.world() as world:
        watch = own.watch(world)
        wait_for("compared", watch.may_run)
        enqueue(world)
        advance(world, watch)
        own.save()
        assert submits(world, watch) == ALL
        own.restore()
        with connect(world.url) as conn:
            conn.execute("UPDATE journal SET hold = NULL")  # as in a replica that became the primary
            conn.execute("UPDATE server SET started = now()")
        assert submits(world, watch) == 0
        wait_for("compared again", watch.may_run)
        assert submits(world, watch) == 0
        assert world.states() == {"generating": ALL}
    assert paid_once(rig)


def starts_as_it_says(parts: SplitResult) -> str:
    """The URL of this database with a server that can be "started" again: a function before the server's own."""
    with connect(parts.geturl()) as conn:
        conn.execute("CREATE TABLE server AS SELECT now() AS started")
        conn.execute(
            """CREATE FUNCTION public.pg_postmaster_start_time() RETURNS timestamptz LANGUAGE sql STABLE
               AS 'SELECT started FROM public.server'"""
        )
    return f"{parts.geturl()}?options=-csearch_path%3Dpublic,pg_catalog"


def test_an_answer_whose_attempt_was_lost_in_between_is_not_lost(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The POST is made, a replica without its attempt becomes the primary, and then the answer comes."""
    with rig.world() as world:
        enqueue(world)
        rig.save()

        begun = iter(("lists", "mute"))

        def failover(name: str) -> None:
            if name == "submit.after_begin" and next(begun) == "mute":
                rig.restore()

        monkeypatch.setattr(submit, "failpoint", failover)
        assert world.round() == ALL
        monkeypatch.undo()
        assert world.states() == {"queued": ALL}
    with rig.world() as world:
        assert world.states() == {"generating": ALL}, "also those of the gateway that lists no tasks"
        assert world.round() == 0
    assert paid_once(rig)


def test_attempts_that_got_other_numbers_are_found_again(rig: Rig) -> None:
    """A restored database was used without a comparison, so two attempts had the same number."""
    with rig.world() as world:
        enqueue(world)
        rig.save()
        world.round()
    rig.restore()
    with rig.world(compared=False) as world:
        world.round()
    attempts = []
    for _ in range(2):
        with rig.world() as world:
            attempts.append(world.rows("SELECT job_id, number, started_at, outcome FROM attempts ORDER BY 1, 2"))
            assert rig.state().problem is None
            assert world.states() == {"generating": ALL}
    assert len(attempts[0]) == 2 * ALL
    assert attempts[0] == attempts[1]


def test_a_comparison_that_fails_stops_only_submits(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a row that fits nowhere")

    with rig.world() as world:
        enqueue(world)
        watch = rig.watch(world)
        monkeypatch.setattr("worker.scheduling.restores.compare", broken)
        assert not watch.may_run()
        wait_for("polls and copies go on", watch.may_run)
        assert submits(world, watch) == 0
        assert "nothing is submitted" in (rig.state().problem or {})["message"]
        monkeypatch.undo()
        monkeypatch.setattr(watch, "_next_at", 0.0)
        wait_for("compared", lambda: watch.may_run() and submits(world, watch) == ALL)
        assert rig.state().problem is None


def test_a_damaged_segment_hides_no_other_segment(rig: Rig) -> None:
    with rig.world() as world:
        enqueue(world)
        rig.save()
        world.round()
    rig.restore()
    damaged = segments.key_of(objects := Objects(rig.settings), rig.state().lineage, datetime.now(UTC), "aa", 1)
    objects.put_bytes(damaged, b'{"kind":"se', segments.TYPE)
    with rig.world() as world:
        assert damaged in (rig.state().hold or {})["message"]
        assert world.states() == {"generating": ALL}
        with connect(world.url) as conn:
            assert confirm_journal(conn, "the bucket")
        assert world.round() == 0
    assert paid_once(rig)


def test_a_store_that_was_killed_in_the_middle_of_a_put_holds_nothing(rig: Rig) -> None:
    objects = Objects(rig.settings)
    with rig.world() as world:
        enqueue(world)
        damaged = segments.key_of(objects, rig.state().lineage, datetime.now(UTC), "aa", 1)
        objects.put_bytes(damaged, b'{"kind":"se', segments.TYPE)
    with rig.world() as world:
        assert world.round() == ALL
        assert rig.state().hold is None
        with connect(world.url) as conn:  # as in a dump that is older than the segment
            conn.execute("UPDATE journal SET through = through - interval '5 minutes'")
    with rig.world(compared=False) as world:
        watch = rig.watch(world)
        wait_for("compared", watch.may_run)
        assert damaged in (rig.state().hold or {})["message"]
        with connect(world.url) as conn:
            assert confirm_journal(conn, "the bucket")
    with rig.world():
        assert rig.state().hold is None, "a person decides about a segment once"


def test_a_damaged_segment_is_a_doubt_after_a_replica_was_promoted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = Objects(rig.settings)
    with rig.world() as world:
        enqueue(world)
        damaged = segments.key_of(objects, rig.state().lineage, datetime.now(UTC), "aa", 1)
        objects.put_bytes(damaged, b'{"kind":"se', segments.TYPE)
    for unknown in ("SELECT false", "SELECT no_such_function()"):
        monkeypatch.setattr("storage.journal.comparison._FIRST_TIMELINE", unknown)
        with rig.world(compared=False) as world:
            watch = rig.watch(world)
            wait_for("compared", watch.may_run)
            assert submits(world, watch) == 0, unknown
            with connect(world.url) as conn:
                conn.execute("UPDATE journal SET hold = NULL")


def test_a_scheduler_that_starts_just_after_a_failover_waits_for_what_workers_still_write(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replica that was promoted lacks the last submit. Its worker writes it down only after the scheduler began."""
    slept: list[float] = []
    with rig.world() as world:
        enqueue(world)
        rig.save()

        def write_late(seconds: float) -> None:
            slept.append(seconds)
            world.round()  # the worker writes its entries
            rig.restore()

        monkeypatch.setattr(restores, "time", SimpleNamespace(sleep=write_late, monotonic=time.monotonic))
        monkeypatch.setattr("storage.journal.comparison._FIRST_TIMELINE", "SELECT false")
        watch = rig.watch(world)
        wait_for("compared", watch.may_run)
        assert slept == [SETTLE_S]
        assert submits(world, watch) == 0
    assert paid_once(rig)


def test_a_copy_with_another_bucket_submits_nothing_until_it_is_confirmed(rig: Rig, servers: TestServers) -> None:
    with rig.world() as world:
        enqueue(world)
        world.round()
        enqueue(world, "queued")
    with servers.bucket() as other, rig.world(s3_bucket=other.bucket) as world:
        watch = rig.watch(world)
        wait_for("compared", watch.may_run)
        assert submits(world, watch) == 0
        hold = rig.state().hold
        assert hold is not None
        assert hold["code"] == "copy"
        with connect(world.url) as conn:
            conn.execute("UPDATE journal SET hold = NULL")
        assert submits(world, watch) == ALL


def test_without_the_right_to_list_a_restored_database_waits_for_a_person(rig: Rig, s3: Bucket) -> None:
    def rule(request: web.Request) -> web.StreamResponse | None:
        return refusal(403, "AccessDenied", "no s3:ListBucket") if "list-type" in request.query else None

    with ruled(s3, rule, rig.settings) as (_, ours):
        blind = Rig(ours, rig.gateway, rig.dump)
        with blind.world() as world:
            enqueue(world)
            watch = blind.watch(world)
            wait_for("compared", watch.may_run)
            blind.save()
            assert submits(world, watch) == ALL, "it works without the right"
            advance(world, watch)
        assert (blind.state().problem or {})["code"] == "not_listed"
        blind.restore()
        with blind.world() as world:
            watch = blind.watch(world)
            wait_for("compared", watch.may_run)
            assert submits(world, watch) == 0
            assert "s3:ListBucket" in (blind.state().hold or {})["message"]
    with rig.world() as world:  # the right is granted, and the scheduler starts again
        assert world.states() == {"generating": ALL}
        assert (rig.state().hold, rig.state().problem) == (None, None)
    assert paid_once(rig)


def test_another_database_in_the_same_bucket_is_no_alarm(rig: Rig, servers: TestServers) -> None:
    with rig.world() as world:
        enqueue(world)
        world.round()
    with servers.database() as url:
        other = Rig(rig.settings.model_copy(update={"database_url": url}), rig.gateway, rig.dump)
        with connect(url) as conn:  # the test's databases are copies of one
            conn.execute("UPDATE journal SET lineage = gen_random_uuid()")
        old = datetime.now(UTC) - timedelta(days=1)
        objects = Objects(rig.settings)
        damaged = [
            segments.key_of(objects, lineage, opened, "aa", 1)
            for lineage, opened in ((rig.state().lineage, datetime.now(UTC)), (uuid4(), old))
        ]
        for key in damaged:
            objects.put_bytes(key, b"{", segments.TYPE)
        with other.world(compared=False) as world:
            enqueue(world, "neighbour")
            watch = other.watch(world)
            wait_for("compared", watch.may_run)
            assert submits(world, watch) == ALL
        assert other.state().restored is None
    objects.delete(damaged)
    with rig.world():
        assert rig.state().restored is None


def test_a_backup_from_before_the_journal_is_held(rig: Rig) -> None:
    with rig.world(compared=False) as world:
        enqueue(world)
        with connect(world.url) as conn:
            conn.execute("UPDATE jobs SET created_at = created_at - interval '1 hour'")
        rig.save()  # as an older release left it: never compared
        watch = rig.watch(world)
        wait_for("compared", watch.may_run)
        world.round(limit=2)
    rig.restore()
    with connect(rig.settings.require_database_url()) as conn:
        conn.execute("UPDATE journal SET lineage = gen_random_uuid()")  # its migration gave it a name of its own
    with rig.world(compared=False) as world:
        watch = rig.watch(world)
        wait_for("compared", watch.may_run)
        hold = rig.state().hold
        assert hold is not None
        assert hold["code"] == "gap"
        assert submits(world, watch) == 0
        assert world.states()["generating"] > 0, "what the journal knows goes on"
    assert paid_once(rig)


def test_submits_go_on_while_the_store_is_down_and_are_written_down_later(rig: Rig, servers: TestServers) -> None:
    down = True
    with (
        door(("127.0.0.1", servers.s3.port), first=lambda _, data: b"" if down else data) as way,
        rig.world(compared=False, s3_endpoint_url=f"http://127.0.0.1:{way.port}") as world,
    ):
        enqueue(world)
        rig.save()
        assert world.round() == ALL
        wait_for("it is said", lambda: rig.state().behind)
        assert world.states() == {"generating": ALL}
        down = False
    rig.restore()
    with rig.world() as world:
        assert world.states() == {"generating": ALL}
        assert world.round() == 0
    assert paid_once(rig)


def test_a_store_that_is_too_slow_for_the_journal_is_said(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with rig.world() as world:
        enqueue(world)
        monkeypatch.setattr("worker.journal.WAIT_S", 0.0)  # so any store is too slow
        assert world.round() == ALL
        assert rig.state().behind
        assert "longer than" in (rig.state().behind_error or "")


def test_a_scheduler_waits_for_the_store_only_if_the_database_may_be_old(rig: Rig) -> None:
    with rig.world() as world:
        enqueue(world)
    with rig.world(compared=False, s3_endpoint_url="http://127.0.0.1:1") as world:
        wait_for("trusted", rig.watch(world).may_run)
        with connect(world.url) as conn:
            conn.execute("UPDATE journal SET through = through - %s", [timedelta(minutes=10)])
        watch = rig.watch(world)
        assert not watch.may_run()
        wait_for("it is said", lambda: "nothing is moved" in (rig.state().problem or {}).get("message", ""))
        assert not watch.may_run()
