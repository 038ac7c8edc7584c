"""The model of the whole system: nothing is lost in it, the same seed gives the same run, limits hold."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from bench.scaling.check import COMPARED
from bench.scaling.costs import COSTS_FILE, TRANSACTIONS, Linear, load_costs, save_costs
from bench.scaling.job_table import Job, JobTable
from bench.scaling.machinery import Cores, Cpu, Layout
from bench.scaling.plan import copies_per_s
from bench.scaling.quotas import Quota
from bench.scaling.run import Figures, simulate
from bench.scaling.system import gathered
from bench.scaling.workload import Latency, Outage, Outages, Part, Workload
from simulator.tasks.timing import Timing
from storage.admission.usage import PROBES_AWAY
from storage.jobs.states import JobState
from worker.batch import GATHER_S

COSTS = load_costs()
QUICK = Workload(300, generation=Timing(median_s=8.0, sigma=0.3), video_mib=(1.0, 10.0), submit=Latency(0.3))
SMALL = Layout(accounts=2, max_in_flight=20, poll_min_s=0.5, poll_max_s=5.0, connection_mib_s=50.0)


def run(work: Workload = QUICK, layout: Layout = SMALL, seed: int = 1, weight: int = 1, *gone: Outage) -> Figures:
    return simulate(work, layout, COSTS, outages=gone, seed=seed, weight=weight)


def test_every_job_ends_once() -> None:
    seen = run()
    assert (seen.ended, seen.succeeded, seen.failed) == (300, 300, 0)
    assert seen.posts == 300
    assert seen.polls_per_job >= 1


def test_a_terminal_state_is_the_last() -> None:
    book, job = JobTable(), Job(0, 0.0, 1.0, 86400.0)
    book.set(job, JobState.SUCCEEDED, 0.0)
    with pytest.raises(RuntimeError, match="succeeded was made generating"):
        book.set(job, JobState.GENERATING, 1.0)


def test_the_same_seed_gives_the_same_run() -> None:
    assert run(seed=3) == run(seed=3)
    assert run(seed=3) != run(seed=4)


def test_slots_are_never_exceeded_and_all_used() -> None:
    assert run().most_running == 20


def test_requests_per_minute_are_kept() -> None:
    layout = replace(SMALL, accounts=1, max_in_flight=1000, requests_per_minute=60)
    seen = run(replace(QUICK, jobs=240), layout)
    assert seen.succeeded == 240
    assert seen.queue_wait_p99_s >= 170  # 240 jobs, 60 in the first minute, and so on
    assert seen.refused < 60  # POSTs arrive later than they were begun, some by more than others


def test_a_limit_that_the_gateway_does_not_keep_corrects_itself() -> None:
    seen = run(layout=replace(SMALL, accounts=1, max_in_flight=40, gateway_limit=10))
    assert seen.succeeded == 300
    assert seen.most_running == 10
    assert seen.refused > 0


@pytest.mark.parametrize("part", ["gateway", "store", "broker", "database"])
def test_an_outage_loses_nothing(part: Part) -> None:
    calm, seen = run(), run(QUICK, SMALL, 1, 1, Outage(part, 10.0, 60.0))
    assert seen.succeeded == 300
    assert seen.makespan_s > calm.makespan_s + 30


def test_outcomes_that_cannot_be_written_for_long_are_held() -> None:
    seen = run(QUICK, SMALL, 1, 1, Outage("database", 0.15, 1200.0))
    assert seen.ended == 300
    assert 0 < seen.failed <= 40  # those whose POST was under way


def test_a_video_that_is_not_copied_in_time_is_lost() -> None:
    seen = run(replace(QUICK, url_life_s=(100.0,)), SMALL, 1, 1, Outage("store", 10.0, 300.0))
    assert 0 < seen.failed < 300


def test_lots_behave_as_single_jobs() -> None:
    work = Workload(20_000, per_second=5.0, video_mib=(5.0, 5.0))
    layout = Layout(accounts=2, max_in_flight=400, transfer=3)
    one = simulate(work, layout, COSTS, warm_s=300.0, horizon_s=700.0)
    many = simulate(work, layout, COSTS, weight=20, warm_s=300.0, horizon_s=700.0)
    for name in ("jobs_per_s", "polls_per_job", "detection_p50_s", "wal_bytes_per_job"):
        assert getattr(many, name) == pytest.approx(getattr(one, name), rel=0.25), name


def test_lots_that_do_not_come_out_even_end_as_well() -> None:
    seen = run(weight=7)
    assert (seen.jobs, seen.ended) == (294, 294)


def test_work_waits_for_a_core_and_a_process_uses_one_at_a_time() -> None:
    cores = Cores(2)
    assert [cores.book(0.0, 1.0) for _ in range(3)] == [1.0, 1.0, 2.0]
    assert Cores(0.5).book(0.0, 1.0) == 2.0
    machine = Cores(2)
    one, other = Cpu(machine), Cpu(machine)
    assert (one.book(0.0, 1.0), one.book(0.0, 1.0), other.book(0.0, 1.0)) == (1.0, 2.0, 2.0)


def test_campaigns_take_turns() -> None:
    book = JobTable()
    for campaign, count in ((0, 50), (1, 2), (2, 50)):
        for _ in range(count):
            book.add(Job(campaign, 0.0, 1.0, 86400.0))
    given = [job.campaign for job in book.claim_submits(0, 0.0, 6, 90.0)]
    assert sorted(given) == [0, 0, 1, 1, 2, 2]
    assert {job.campaign for job in book.claim_submits(0, 0.0, 4, 90.0)} == {0, 2}
    assert book.queued == 92


def test_the_url_that_dies_first_is_copied_first() -> None:
    book = JobTable()
    for expires_s in (500.0, 100.0, 300.0):
        job = Job(0, 0.0, 1.0, 600.0)
        job.expires_s = expires_s
        book.set(job, JobState.TRANSFERRING, 0.0)
    assert [job.expires_s for job in book.claim_transfers(1.0, 2, 90.0, urgent=True)] == [100.0]
    assert [job.expires_s for job in book.claim_transfers(1.0, 2, 90.0, urgent=False)] == [300.0, 500.0]


def test_a_lost_lease_is_due_again_and_its_slot_is_told() -> None:
    book = JobTable()
    book.add(Job(0, 0.0, 1.0, 86400.0))
    assert len(book.claim_submits(4, 0.0, 1, 90.0)) == 1
    assert book.claim_submits(4, 89.0, 1, 90.0) == []
    assert len(book.claim_submits(4, 91.0, 1, 90.0)) == 1
    assert book.lost == [4]


def test_an_account_learns_its_limit_at_a_refusal_and_tries_more_later() -> None:
    quota = Quota(Layout(max_in_flight=40), 1)
    quota.claim(20)
    quota.begin(0.0, 20)
    quota.accept(12, 0.0)
    quota.throttle(0.0)
    quota.give_back(8)
    assert (quota.limit.slots, quota.free(0.5), quota.free(2.0)) == (12, 0, 0)
    quota.finish(1)
    assert quota.free(2.0) == 1, "one at a time"
    quota.claim(1)
    quota.begin(2.0, 1)
    quota.accept(1, 2.0)
    assert quota.free(2.0) == 0
    assert quota.free(2.5) == 1, "one more than was known"


def test_an_account_that_is_away_is_tried_with_few_lots_at_a_time() -> None:
    quota = Quota(Layout(max_in_flight=40), 1)
    quota.claim(5)
    quota.begin(0.0, 5)
    assert [quota.fail(0.1, 0.0) for _ in range(5)] == [False, False, False, True, True]
    quota.give_back(5)
    assert (quota.free(1.0), quota.free(1.2)) == (0, PROBES_AWAY)
    assert quota.fail(1.4, 1.3)
    assert (quota.free(2.6), quota.free(2.7)) == (0, PROBES_AWAY)
    quota.submitting = quota.in_flight = 1
    quota.accept(1, 3.6)
    assert quota.free(3.7) == 39


def test_outages_in_a_row_are_one() -> None:
    outages = Outages([Outage("store", 20.0, 10.0), Outage("store", 10.0, 10.0)])
    assert outages.up_at("store", 15.0) == 30.0
    assert outages.up_at("gateway", 15.0) == 15.0
    assert not outages.down("store", 30.0)


def test_outcomes_of_the_same_moment_are_written_together() -> None:
    step = GATHER_S
    assert list(gathered([0.0, step / 2, step * 2, step * 2.5, step * 9])) == [2, 2, 1]


def test_copies_are_bounded_by_bytes_not_by_slots() -> None:
    layout = Layout(connection_mib_s=8.0, store_s=0.0)
    assert copies_per_s(Workload(1, video_mib=(16.0, 16.0)), layout) == pytest.approx(4 / 2)
    assert copies_per_s(Workload(1, video_mib=(4.0, 4.0)), layout) == pytest.approx(16 / 0.5)


def test_costs_survive_being_written(tmp_path: Path) -> None:
    save_costs(COSTS, tmp_path / "costs.toml")
    again = load_costs(tmp_path / "costs.toml")
    assert again.as_of == COSTS.as_of
    assert set(again.transactions) == set(TRANSACTIONS)
    assert again.worker.poll_ms == pytest.approx(COSTS.worker.poll_ms, abs=1e-4)


def test_costs_that_are_not_whole_say_so(tmp_path: Path) -> None:
    path = tmp_path / "costs.toml"
    path.write_text(COSTS_FILE.read_text().replace("[transactions.found]", "[transactions.lost]"))
    with pytest.raises(ValueError, match=r"found.*--measure"):
        load_costs(path)


def test_a_slower_machine_takes_longer_but_writes_as_much() -> None:
    slow = COSTS.at_pace(COSTS.pace_ms * 2)
    assert slow.worker.submit_ms == COSTS.worker.submit_ms * 2
    assert slow.worker.copy_wall_s == COSTS.worker.copy_wall_s
    assert slow.transactions["begin"].database_ms.row == COSTS.transactions["begin"].database_ms.row * 2
    assert slow.transactions["begin"].wal_bytes == COSTS.transactions["begin"].wal_bytes


def test_what_is_compared_is_what_the_model_gives() -> None:
    assert set(COMPARED) <= set(Figures.__slots__)


def test_latencies_are_drawn_around_their_median() -> None:
    rng = random.Random(1)
    drawn = sorted(Latency(2.0, 0.5).draw(rng) for _ in range(2001))
    assert drawn[1000] == pytest.approx(2.0, rel=0.1)
    assert Latency(2.0, 0.0).draw(rng) == 2.0
    assert Linear(1.0, 0.5).of(4, 2) == 4.0
