"""The benchmark parts on invented figures: their comparisons and their handling of missing figures."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pytest

from bench import inflight, pacing, transfer
from bench.contender import Contender
from bench.crash import Victim
from bench.inflight import Load, lateness
from bench.transfer import MIB, Copied

MS = 1e-3


def test_lateness_is_the_time_from_a_due_time_to_the_next_poll_or_to_the_end() -> None:
    due = {"a": [10.0, 20.0], "b": [11.0], "c": [29.0]}
    polled = {"a": [9.0, 10.5, 21.0], "b": [10.9]}
    assert sorted(lateness(due, polled, until=30.0)) == pytest.approx([0.5, 1.0, 1.0, 19.0])


def test_every_load_offers_the_same_polls_per_second_except_the_last() -> None:
    *even, most = inflight.loads(quick=False)
    assert {load.offered_per_s for load in even} == {inflight.OFFERED_PER_S}
    assert most.offered_per_s > 5 * inflight.OFFERED_PER_S
    assert Load(1000, 5.0).offered_per_s == 200.0


def test_memory_in_flight_is_compared_between_the_fewest_and_the_most_jobs() -> None:
    def row(jobs: str, workers: float, late: float) -> dict[str, Any]:
        return {"jobs generating": jobs, "workers MiB": workers, "scheduler MiB": 70.0, "late p99 s": late}

    rows = [row("1,000", 100.0, 0.1), row("100,000", 180.0, 1.0), row("100,000, by default", 500.0, 60.0)]
    workers, scheduler, late = inflight.report_of(rows).targets
    assert (workers.measured, workers.reached) == (80.0, False)
    assert (scheduler.measured, scheduler.reached) == (0.0, True)
    assert (late.measured, late.reached) == (1.0, True)


def test_transfers_are_compared_by_video_only_if_that_was_measured() -> None:
    found = {
        "256 KiB": {
            "reelq": (10, Copied(2.0, 60 * MS, 100 * MIB)),
            "reelq, video only": (10, Copied(1.0, 20 * MS, 100 * MIB)),
            "boto3 upload_fileobj": (10, Copied(4.0, 50 * MS, 80 * MIB)),
        },
        "256 MiB": {"reelq": (1, Copied(2.0, 1.0, 120 * MIB)), "rclone copyurl": (1, Copied(1.0, 1.0, 50 * MIB))},
    }
    rows = transfer.rows_of(found)
    boto3 = next(row for row in rows if row["tool"] == "boto3 upload_fileobj")
    assert boto3["CPU ms/file"] == pytest.approx(5.0)
    assert boto3["CPU ratio"] == pytest.approx(0.4)
    assert boto3["MB/s ratio"] == pytest.approx(4.0)
    reached = {target.what: target.reached for target in transfer.targets_of(rows)}
    assert reached == {
        "MB/s against rclone copyurl, 256 MiB": False,  # half as fast
        "CPU against upload_fileobj, 256 KiB": True,
        "CPU against upload_fileobj, 8 MiB": False,  # not measured
    }


def test_the_pacing_report_has_every_strategy_and_targets_for_the_learned_one() -> None:
    report = pacing.measure_part(quick=True)
    assert len(report.tables[0].rows) == 3 * 4 * 3
    assert len(report.targets) == 12
    assert all(row["polls ratio"] == 1.0 for row in report.tables[0].rows if row["strategy"] == "exponential")


class Killable:
    """A contender without processes."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.place = self
        self.stored = 0

    def kill(self) -> None:
        self.calls.append("kill")

    def launch(self) -> None:
        self.calls.append("launch")

    def videos(self) -> list[int]:
        return list(range(self.stored))

    def ended(self) -> bool:
        return self.stored > 7

    def held(self) -> int:
        return 1


class Enqueued:
    def done(self) -> bool:
        return True


def test_a_victim_is_killed_once_restarted_and_judged_by_its_videos() -> None:
    contender = Killable()
    victim = Victim("reelq", cast(Contender, contender), jobs=10, enqueueing=cast(Any, Enqueued()))
    victim.update(Counter({"a": 1, "b": 1}), 100.0)
    assert contender.calls == []
    for now in (101.0, 102.0, 104.0):
        victim.update(Counter({"a": 1, "b": 1, "c": 1}), now)
    assert contender.calls == ["kill", "launch"]
    contender.stored = 8
    victim.update(Counter({"a": 2, "b": 1, "c": 1}), 110.0)
    assert not victim.finished
    contender.stored = 9
    victim.update(Counter({"a": 2, "b": 1, "c": 1}), 111.0)
    assert victim.finished
    row = victim.row()
    assert (row["paid at the kill"], row["paid twice"], row["held"], row["missing"]) == (3, 1, 1, 0)
    assert row["last video s"] == pytest.approx(10.0)
