"""The model of the whole system: it loses no job, the same seed gives the same run, limits hold."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest

from bench.scaling.comparing import COMPARED, Compared
from bench.scaling.costs import COSTS_FILE, PARTS, WAL, load_costs, save_costs
from bench.scaling.job_table import Job, JobTable
from bench.scaling.machinery import Cores, Cpu, Layout
from bench.scaling.plan import copies_per_s
from bench.scaling.quotas import Quota
from bench.scaling.run import Figures, simulate
from bench.scaling.system import gathered
from bench.scaling.workload import Latency, Outage, Outages, Part, Workload
from simulator.tasks.timing import Timing
from storage.admission.circuit_breaker import JOBS_IN_A_ROW, PROBES
from storage.jobs.states import IllegalTransition, JobState
from worker.batch import GATHER_S
from worker.retry import OUTAGE, Backoff
from worker.transferring import decisions

COSTS = load_costs()
QUICK = Workload(300, generation=Timing(median_s=8.0, sigma=0.3), video_mib=(1.0, 10.0), submit=Latency(0.3))
SMALL = Layout(accounts=2, max_in_flight=20, poll_min_s=0.5, poll_max_s=5.0, connection_mib_s=50.0)


def run(work: Workload = QUICK, layout: Layout = SMALL, seed: int = 1, weight: int = 1, *outages: Outage) -> Figures:
    return simulate(work, layout, COSTS, outages=outages, seed=seed, weight=weight)


def test_every_job_ends_once() -> None:
    seen = run()
    assert (seen.ended, seen.succeeded, seen.failed) == (300, 300, 0)
    assert seen.posts == 300
    assert seen.polls_per_job >= 1


def test_the_model_moves_jobs_only_as_the_state_machine_allows() -> None:
    table, job = JobTable(), Job(0.0, 1.0, 86400.0)
    with pytest.raises(IllegalTransition):
        table.set(job, JobState.TRANSFERRING, 0.0)
    table.set(job, JobState.FAILED, 0.0)
    with pytest.raises(IllegalTransition):
        table.set(job, JobState.GENERATING, 1.0)


def test_the_same_seed_gives_the_same_run() -> None:
    assert run(seed=3) == run(seed=3)
    assert run(seed=3) != run(seed=4)


def test_all_slots_are_used_and_never_exceeded() -> None:
    assert run().most_in_flight == 20


@pytest.mark.parametrize("part", ["gateway", "store", "broker", "database"])
def test_an_outage_loses_no_job(part: Part) -> None:
    calm, seen = run(), run(QUICK, SMALL, 1, 1, Outage(part, 10.0, 60.0))
    assert seen.succeeded == 300
    if part == "store":
        assert seen.makespan_s > 70.0
        assert seen.most_copies_waiting > calm.most_copies_waiting + 100
    else:
        assert seen.makespan_s > calm.makespan_s + 30


def test_a_long_database_outage_leaves_posts_in_flight_unconfirmed() -> None:
    seen = run(QUICK, SMALL, 1, 1, Outage("database", 0.15, 1200.0))
    assert seen.ended == 300
    assert 0 < seen.failed <= 40  # the jobs whose POST was in flight


def test_a_video_that_is_not_copied_in_time_is_lost() -> None:
    seen = run(replace(QUICK, url_life_s=(100.0,)), SMALL, 1, 1, Outage("store", 10.0, 300.0))
    assert 0 < seen.failed < 300


def test_lots_behave_as_single_jobs() -> None:
    work = Workload(20_000, per_second=5.0, video_mib=(5.0, 5.0))
    layout = Layout(accounts=2, max_in_flight=400, transfer=3)
    one = simulate(work, layout, COSTS, warm_s=300.0, horizon_s=700.0)
    # One run of a hundred lots depends on chance, so average several.
    many = [simulate(work, layout, COSTS, weight=20, seed=seed, warm_s=300.0, horizon_s=700.0) for seed in range(8)]
    for name in ("jobs_per_s", "polls_per_job", "detection_p50_s"):
        assert mean(getattr(run, name) for run in many) == pytest.approx(getattr(one, name), rel=0.25), name
    # The jobs of a lot share its messages, as they do in a backlog; at this rate real ones come one by one.
    wal = mean(run.wal_bytes_per_job for run in many)
    assert 0.5 * one.wal_bytes_per_job < wal <= one.wal_bytes_per_job


def test_a_worker_polls_again_by_itself_while_its_lease_has_time() -> None:
    held = run()
    claimed = run(layout=replace(SMALL, query_timeout_s=SMALL.poll_lease_s))
    assert (held.succeeded, claimed.succeeded) == (300, 300)
    assert held.messages_per_s < 0.8 * claimed.messages_per_s
    assert held.wal_bytes_per_job < 0.9 * claimed.wal_bytes_per_job


def test_a_found_video_is_claimed_before_the_next_tick() -> None:
    work = Workload(40, per_second=0.5, generation=Timing(median_s=8.0, sigma=0.3), video_mib=(1.0, 1.0))
    fast, slow = (run(work, replace(SMALL, tick_s=tick_s)) for tick_s in (0.25, 5.0))
    assert slow.last_late_s == fast.last_late_s == 0.0
    assert slow.queue_wait_p50_s < 1.0
    assert slow.makespan_s < fast.makespan_s + 5.0


def test_an_incomplete_lot_is_dropped_and_the_others_end() -> None:
    seen = run(weight=7)
    assert (seen.jobs, seen.ended) == (294, 294)


def test_work_waits_for_a_core_and_a_process_uses_one_core_at_a_time() -> None:
    cores = Cores(2)
    assert [cores.book(0.0, 1.0) for _ in range(3)] == [1.0, 1.0, 2.0]
    assert Cores(0.5).book(0.0, 1.0) == 2.0
    machine = Cores(2)
    one, other = Cpu(machine), Cpu(machine)
    assert (one.book(0.0, 1.0), one.book(0.0, 1.0), other.book(0.0, 1.0)) == (1.0, 2.0, 2.0)


def test_claims_take_jobs_tried_before_first_then_the_oldest() -> None:
    table = JobTable()
    for number in range(4):
        table.add(Job(float(number), 1.0, 86400.0))
    assert [job.created_s for job in table.claim_submits(0, 0.0, 2, 90.0)] == [0.0, 1.0]
    assert [job.created_s for job in table.claim_submits(0, 91.0, 3, 90.0)] == [1.0, 0.0, 2.0]
    assert table.queued == 1


def test_the_url_that_expires_first_is_copied_first() -> None:
    table = JobTable()
    for expires_s in (500.0, 100.0, 300.0):
        job = Job(0.0, 1.0, 600.0)
        job.state, job.expires_s = JobState.GENERATING, expires_s
        table.set(job, JobState.TRANSFERRING, 0.0)
    assert [job.expires_s for job in table.claim_transfers(1.0, 2, 90.0, urgent=True)] == [100.0]
    assert [job.expires_s for job in table.claim_transfers(1.0, 2, 90.0, urgent=False)] == [300.0, 500.0]


def test_a_job_whose_lease_ended_is_claimed_again_and_its_slot_is_freed() -> None:
    table = JobTable()
    table.add(Job(0.0, 1.0, 86400.0))
    assert len(table.claim_submits(4, 0.0, 1, 90.0)) == 1
    assert table.claim_submits(4, 89.0, 1, 90.0) == []
    assert len(table.claim_submits(4, 91.0, 1, 90.0)) == 1
    assert table.lost == [4]


def test_an_account_whose_gateway_is_down_gets_few_probes_at_a_time() -> None:
    quota = Quota(Layout(max_in_flight=40), 1)
    quota.claim(JOBS_IN_A_ROW + 1)
    quota.begin(JOBS_IN_A_ROW + 1)
    for number in range(JOBS_IN_A_ROW + 1):
        quota.fail(0.1, 0.0)
        assert (quota.pauses > 0) == (number >= JOBS_IN_A_ROW - 1)
    quota.release(JOBS_IN_A_ROW + 1)
    assert (quota.free(0.05 + OUTAGE.wait_s(1)), quota.free(0.15 + OUTAGE.wait_s(1))) == (0, PROBES)
    again_s = 0.2 + OUTAGE.wait_s(1)
    quota.fail(again_s, again_s)
    longer_s = again_s + OUTAGE.wait_s(2)
    assert (quota.free(longer_s - 0.01), quota.free(longer_s + 0.01)) == (0, PROBES)
    quota.claim(1)
    quota.begin(1)
    quota.accept(1, longer_s + 0.1)
    assert quota.free(longer_s + 0.2) == 39


def test_the_model_waits_as_long_as_the_workers_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """`worker.transferring.decisions` decides when a failed copy is retried, not the model's own numbers."""
    soon = run(QUICK, SMALL, 1, 1, Outage("store", 10.0, 60.0))
    for policy in ("TRANSFER", "TRANSFER_EARLY"):
        monkeypatch.setattr(decisions, policy, Backoff(900.0, 900.0))
    assert run(QUICK, SMALL, 1, 1, Outage("store", 10.0, 60.0)).makespan_s > soon.makespan_s + 300


def test_consecutive_outages_count_as_one() -> None:
    outages = Outages([Outage("store", 20.0, 10.0), Outage("store", 10.0, 10.0)])
    assert outages.up_at("store", 15.0) == 30.0
    assert outages.up_at("gateway", 15.0) == 15.0
    assert not outages.down("store", 30.0)


def test_outcomes_within_the_gather_time_are_written_together() -> None:
    step = GATHER_S
    assert list(gathered([0.0, step / 2, step * 2, step * 2.5, step * 9])) == [2, 2, 1]


def test_bytes_limit_the_copies_at_once() -> None:
    layout = Layout(connection_mib_s=8.0, store_s=0.0)
    assert copies_per_s(Workload(1, video_mib=(16.0, 16.0)), layout) == pytest.approx(4 / 2)
    assert copies_per_s(Workload(1, video_mib=(4.0, 4.0)), layout) == pytest.approx(16 / 0.5)
    assert copies_per_s(Workload(1, video_mib=(9.0, 9.0)), layout) == pytest.approx(4 / (9 / 8)), (
        "two parts are in memory"
    )


def test_saved_costs_can_be_loaded(tmp_path: Path) -> None:
    save_costs(COSTS, tmp_path / "costs.toml")
    loaded = load_costs(tmp_path / "costs.toml")
    assert loaded.as_of == COSTS.as_of
    assert {role: set(parts) for role, parts in loaded.parts.items()} == {role: set(PARTS[role]) for role in PARTS}
    assert loaded.of("submit_poll", poll=1) == pytest.approx(COSTS.of("submit_poll", poll=1), abs=1e-4)


def test_an_incomplete_costs_file_is_refused_and_the_missing_entry_named(tmp_path: Path) -> None:
    path = tmp_path / "costs.toml"
    path.write_text(COSTS_FILE.read_text().replace("[decoder]", "[encoder]"))
    with pytest.raises(ValueError, match=r"decoder.*--measure"):
        load_costs(path)


def test_a_slower_machine_uses_more_cpu_but_writes_the_same_bytes() -> None:
    slow = COSTS.at_pace(COSTS.pace_ms * 2)
    assert slow.of("submit_poll", submit=3) == pytest.approx(COSTS.of("submit_poll", submit=3) * 2)
    assert slow.of(WAL, job=1) == COSTS.of(WAL, job=1)


def test_the_load_of_processes_is_what_their_parts_cost() -> None:
    seen = run()
    assert seen.parts["transfer"]["copy"] == seen.parts["decoder"]["poster"] == seen.parts[WAL]["job"] == 300
    assert seen.parts["submit_poll"]["poll"] == pytest.approx(seen.polls_per_job * 300)
    assert seen.servers_ms_per_job * 300 == pytest.approx(
        COSTS.of("database", **seen.parts["database"]) + COSTS.of("broker", **seen.parts["broker"])
    )


def test_a_worker_sends_the_events_of_its_tasks_once_a_second() -> None:
    seen = run()
    for role in ("submit_poll", "transfer"):
        assert 0 < seen.parts[role]["events"] <= seen.makespan_s + 1


def test_every_compared_figure_is_a_figure_of_the_model() -> None:
    assert set(COMPARED) - {"transactions_per_s"} <= set(Figures.__slots__)


def test_a_figure_may_be_off_by_its_own_share() -> None:
    def is_good(name: str, off: float) -> bool:
        return Compared(name, 100.0 * (1 + off), 100.0).is_good

    assert is_good("jobs_per_s", 0.14) and not is_good("jobs_per_s", -0.16)
    assert is_good("wal_bytes_per_job", -0.24) and not is_good("wal_bytes_per_job", 0.26)
    assert is_good("detection_p99_s", 0.9), "it is not judged"
    assert Compared("detection_p50_s", 0.2, 0.1).is_good, "half a tick"


def test_two_schedulers_claim_each_job_once() -> None:
    alone, both = run(), run(layout=replace(SMALL, schedulers=2))
    assert (both.succeeded, both.posts) == (300, 300)
    assert both.rounds > 1.5 * alone.rounds * both.makespan_s / alone.makespan_s


def test_a_transfer_worker_copies_while_more_batches_wait_than_it_has_threads() -> None:
    """Batches are handed over: what a slow copy holds is its place among the copies, not a thread."""
    work = Workload(400, generation=Timing(median_s=1.0, sigma=0.0), video_mib=(0.5, 0.5), submit=Latency(0.1, 0.0))
    layout = Layout(accounts=8, max_in_flight=50, connection_mib_s=0.5, store_s=1.0)
    seen = simulate(work, layout, COSTS)
    assert seen.succeeded == 400
    assert seen.makespan_s < 400 / 16 * 2.0 + 15.0, "16 copies of 2 s each run all the time"


def test_latencies_are_drawn_around_their_median() -> None:
    rng = random.Random(1)
    drawn = sorted(Latency(2.0, 0.5).draw(rng) for _ in range(2001))
    assert drawn[1000] == pytest.approx(2.0, rel=0.1)
    assert Latency(2.0, 0.0).draw(rng) == 2.0
    assert Latency(2.0, 0.0, away_s=0.5).draw(rng) == 2.5


def test_answers_from_afar_come_as_close_together_as_from_near() -> None:
    near, far = (replace(QUICK, submit=Latency(0.001, 0.3, away_s=away_s)) for away_s in (0.0, 0.5))
    assert run(far).parts["submit_poll"]["transaction"] < 1.2 * run(near).parts["submit_poll"]["transaction"]


@pytest.mark.parametrize(("workers", "messages"), [(1, 1), (3, 2)])
def test_a_worker_that_is_alone_gets_the_submits_of_a_round_in_one_message(workers: int, messages: int) -> None:
    work = Workload(90, generation=Timing(median_s=60.0, sigma=0.0))
    layout = Layout(max_in_flight=90, submit_poll=workers)
    seen = simulate(work, layout, COSTS, horizon_s=3.0)
    assert seen.posts == 90
    assert seen.parts["broker"]["message"] == messages


def test_a_slow_disk_delays_what_waits_for_a_commit_and_takes_no_cpu() -> None:
    fast, slow = (run(layout=replace(SMALL, commit_s=commit_s)) for commit_s in (0.0, 0.5))
    assert slow.makespan_s > fast.makespan_s + 1.0
    assert slow.cpu_ms_per_job < 1.1 * fast.cpu_ms_per_job
