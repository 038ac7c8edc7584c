"""The small parts: generation times, ranges, links, limits, the journal."""

from __future__ import annotations

import random
import statistics
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

import pytest

from simulator.options import SimulatorOptions
from simulator.server.ledger import request_hash
from simulator.store.ranges import wanted_range
from simulator.store.signing import LinkSigner
from simulator.tasks.engine import Engine
from simulator.tasks.journal import Journal, Kept
from simulator.tasks.limits import AccountLimits, Limiter, Scope
from simulator.tasks.task import Fate, Order, Phase, Task
from simulator.tasks.timing import Timing

ORDER = Order("seedance", "upstream", "a fox", {"model": "seedance"}, "720p", "16:9", 5)


def engine(clock: list[float], timing: Timing | None = None, seed: int = 1) -> Engine:
    return Engine(seed, timing or Timing("fixed", 10.0), lambda: clock[0])


def test_lognormal_times_have_the_configured_median() -> None:
    drawn = [Timing("lognormal", 3.0, 0.35).draw(random.Random(n)) for n in range(4000)]
    assert statistics.median(drawn) == pytest.approx(3.0, rel=0.05)
    assert statistics.quantiles(drawn, n=10)[-1] == pytest.approx(3.0 * 2.718 ** (0.35 * 1.2816), rel=0.1)


def test_bimodal_times_have_the_configured_share_of_slow_tasks() -> None:
    drawn = [Timing("bimodal", 2.0, 0.1, 60.0, 0.25).draw(random.Random(n)) for n in range(4000)]
    assert 0.2 < sum(seconds > 20 for seconds in drawn) / len(drawn) < 0.3


def test_the_same_seed_gives_the_same_times() -> None:
    runs = [
        [engine([0.0], Timing(), seed).create("g", "a", ORDER, "t", Fate()).total_s for _ in range(1)]
        for seed in (5, 5, 6)
    ]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(
    ("at", "phase"),
    [(0.0, "not_started"), (0.5, "submitted"), (1.0, "queued"), (1.5, "running"), (9.9, "running"), (10, "succeeded")],
)
def test_a_task_passes_through_its_phases(at: float, phase: str) -> None:
    clock = [100.0]
    task = engine(clock).create("g", "a", ORDER, "t", Fate())
    assert task.phase(100.0 + at) == Phase(phase)


@pytest.mark.parametrize(("ending", "phase"), [("failed", "failed"), ("expired", "expired"), ("lost", "running")])
def test_the_fate_decides_the_final_phase(ending: Literal["failed", "expired", "lost"], phase: str) -> None:
    task = engine([0.0]).create("g", "a", ORDER, "t", Fate(ending))
    assert task.phase(10.0) == Phase(phase) and task.lost(10.0) is (ending == "lost")


def test_waiting_tasks_can_be_cancelled_and_running_ones_cannot() -> None:
    clock = [0.0]
    tasks = engine(clock)
    one, two = (tasks.create("g", "a", ORDER, name, Fate()) for name in "xy")
    assert tasks.in_flight("g", "a") == 2
    assert tasks.cancel(one) and one.phase(50.0) is Phase.CANCELLED
    assert tasks.in_flight("g", "a") == 1
    clock[0] = 5.0
    assert not tasks.cancel(two)
    clock[0] = 10.0
    assert tasks.in_flight("g", "a") == 0


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, None),
        ({"Range": "bytes=0-0"}, (0, 1)),
        ({"Range": "bytes=10-"}, (10, 100)),
        ({"Range": "bytes=-10"}, (90, 100)),
        ({"Range": "bytes=-1000"}, (0, 100)),
        ({"Range": "bytes=90-500"}, (90, 100)),
        ({"Range": "bytes=100-"}, "unsatisfiable"),
        ({"Range": "bytes=-0"}, "unsatisfiable"),
        ({"Range": "bytes=5-2"}, None),
        ({"Range": "bytes=0-1,5-6"}, None),
        ({"Range": "lines=0-1"}, None),
        ({"Range": "bytes=10-", "If-Range": '"tag"'}, (10, 100)),
        ({"Range": "bytes=10-", "If-Range": "date"}, (10, 100)),
        ({"Range": "bytes=10-", "If-Range": '"other"'}, None),
    ],
)
def test_the_range_header_selects_bytes(headers: dict[str, str], wanted: object) -> None:
    assert wanted_range(headers, 100, '"tag"', "date") == wanted


def test_links_are_verified_and_expire() -> None:
    signer = LinkSigner(seed=1)
    parts = urlsplit(signer.link("http://h", "/files/a.mp4", 1000.0, 60))
    query = dict(parse_qsl(parts.query))
    assert signer.refusal("/files/a.mp4", query, 1059.0) is None
    assert LinkSigner(seed=1).refusal("/files/a.mp4", query, 1059.0) is None, "links survive a restart"
    assert signer.refusal("/files/a.mp4", query, 1060.0) == ("AccessDenied", "Request has expired")
    for wrong in (("/files/b.mp4", query), ("/files/a.mp4", query | {"X-Tos-Expires": "999999"})):
        refusal = signer.refusal(*wrong, 1001.0)
        assert refusal is not None and refusal[0] == "SignatureDoesNotMatch"
    assert signer.refusal("/files/a.mp4", {}, 1001.0) == ("AccessDenied", "Access Denied")


def test_every_link_is_unique() -> None:
    signer = LinkSigner(seed=1)
    assert len({signer.link("http://h", "/files/a.mp4", 1000.0, 60) for _ in range(10)}) == 10


def test_limits_count_creates_in_a_sliding_minute_and_unfinished_tasks() -> None:
    limits = AccountLimits(requests_per_minute=2, max_in_flight=5)
    limiter = Limiter(limits)

    def admit(account: str, now: float, in_flight: int = 0) -> str | None:
        over = limiter.admit([Scope(("g", account), limiter.of(account), in_flight)], now)
        return over[0] if over is not None else None

    assert [admit("a", now) for now in (0.0, 1.0, 2.0, 60.5)] == [None, None, "requests_per_minute", None]
    assert admit("b", 2.0) is None, "each account has its own count"
    assert admit("b", 3.0, 5) == "max_in_flight"


def test_a_create_that_a_models_rate_refuses_is_not_counted_for_the_account() -> None:
    wide, narrow = AccountLimits(requests_per_minute=2), AccountLimits(requests_per_minute=1)
    limiter = Limiter(wide)
    account, model = Scope(("g", "a"), wide, 0), Scope(("g", "a", "m@4k"), narrow, 0)
    assert limiter.admit([account, model], 0.0) is None
    assert limiter.admit([account, model], 1.0) == ("requests_per_minute", narrow)
    assert limiter.admit([account], 2.0) is None
    assert limiter.admit([account], 3.0) == ("requests_per_minute", wide)


def test_the_journal_restores_tasks_and_drops_an_incomplete_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    assert journal.saved_seed() is None and journal.load(9) == Kept()
    tasks = engine([5.0])
    one, two = (tasks.create("g", "a", ORDER, name, Fate("failed", "Code", "text")) for name in "xy")
    journal.created(one)
    journal.created(two)
    two.cancelled_at = 6.0
    journal.changed(two)
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"id": "half')
    reopened = Journal(path)
    assert reopened.saved_seed() == 9 and reopened.load(9).tasks == (one, two)
    reopened.created(one)
    assert path.read_bytes().count(b"\n") == 5 and b"half" not in path.read_bytes()
    reopened.clear()
    reopened.close()
    assert Journal(path).saved_seed() == 9


def test_two_attempts_of_one_job_have_the_same_request_hash() -> None:
    one = {"model": "seedance", "seed": 1, "metadata": {"webhook_url": "http://a"}}
    assert request_hash("g", one) == request_hash("g", {"seed": 2, "model": "seedance", "metadata": {}})
    assert request_hash("g", one) != request_hash("g", one | {"model": "seedance-fast"})


@pytest.mark.parametrize(
    "wrong",
    [{"port": 70_000}, {"slow_share": 2}, {"video_bytes": 100}, {"max_in_flight": 0}, {"url_seconds": 0}, {"sigma": 9}],
)
def test_an_option_out_of_bounds_is_named_in_the_error(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SimulatorOptions(**wrong)  # type: ignore[arg-type]  # wrong values


def test_updated_at_is_the_time_of_the_last_change() -> None:
    task = Task("t", "u", 1, "g", "a", ORDER, 100.0, 10.0, 5, 1)
    assert [task.updated_at(now) for now in (100.0, 101.0, 101.5, 110.0)] == [100.0, 100.0, 101.5, 110.0]
