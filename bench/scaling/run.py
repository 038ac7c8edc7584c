"""One run of the model and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.scaling.costs import PARTS, WAL, Costs
from bench.scaling.job_table import Job
from bench.scaling.machinery import Layout
from bench.scaling.scheduling import scheduler
from bench.scaling.system import Steps, System
from bench.scaling.working import SubmitPollWorker, TransferWorker
from bench.scaling.workload import Outage, Outages, Workload
from storage.jobs.states import JobState


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a run. Shares are of one core, over the measured time."""

    jobs: int
    ended: int
    succeeded: int
    failed: int
    makespan_s: float
    last_late_s: float
    """When the last job ended that the system had delayed by more than five minutes; 0: no such job."""
    jobs_per_s: float
    polls_per_job: float
    detection_p50_s: float
    detection_p99_s: float
    queue_wait_p50_s: float
    queue_wait_p99_s: float
    life_used_most: float
    """The largest share of a URL's life that had passed when its video was stored."""
    scheduler_share: float
    submit_poll_share: float
    submit_poll_threads: float
    """Average number of busy threads in all processes together."""
    transfer_share: float
    decoder_share: float
    database_share: float
    broker_share: float
    cpu_ms_per_job: float
    """CPU of scheduler and workers, decoders included."""
    scheduler_ms: float
    submit_poll_ms: float
    transfer_ms: float
    """These three are the parts of `cpu_ms_per_job`."""
    servers_ms_per_job: float
    """CPU of PostgreSQL and the broker."""
    messages_per_s: float
    transactions_per_job: float
    """Without those of rounds."""
    rounds: int
    """Rounds of all schedulers, from the start on."""
    wal_bytes_per_job: float
    posts: int
    most_queued: int
    most_copies_waiting: int
    most_in_flight: int
    """The largest number of slots that one account used at once."""
    parts: Mapping[str, Mapping[str, float]]
    """How often each part of the work was done, by process; see `bench.scaling.costs.PARTS`."""


def simulate(
    work: Workload,
    layout: Layout,
    costs: Costs,
    *,
    outages: Sequence[Outage] = (),
    seed: int = 1,
    weight: int = 1,
    warm_s: float = 0.0,
    horizon_s: float | None = None,
) -> Figures:
    """Run until every job has ended, or for `horizon_s`. The measurement starts at `warm_s`.

    `weight`: number of jobs that are simulated as one, so that a day of millions of jobs takes seconds. The figures
    then do not show waits that are shorter than a lot's own work.
    """
    system = System(work, layout, costs, Outages(outages), seed=seed, weight=weight, warm_s=warm_s)
    system.env.process(_arrivals(system))
    for number, cpu in enumerate(system.schedulers):
        # Several have their rounds at different times.
        system.env.process(scheduler(system, cpu, layout.tick_s * number / layout.schedulers))
    for cpu in system.submit_poll:
        SubmitPollWorker(system, cpu)
    for cpu in system.transfer:
        TransferWorker(system, cpu)
    before = NOTHING
    if warm_s:
        system.env.run(until=warm_s)
        before = _snapshot(system)
    system.env.run(
        until=system.done
        if horizon_s is None
        else system.env.any_of([system.done, system.env.timeout(horizon_s - warm_s)])
    )
    return _figures(system, before)


def _arrivals(system: System) -> Steps:
    work, weight = system.work, system.weight
    if not work.per_second:
        # One statement stores all jobs, so the first round sees all of them.
        yield system.env.timeout(0.0)
    for number in range(system.lots):
        if work.per_second:
            yield system.env.timeout(system.rng.expovariate(work.per_second / weight))
        low, high = work.video_mib
        life_s = work.url_life_s[number % len(work.url_life_s)]
        system.enqueued()
        system.table.add(Job(system.now_s, system.rng.uniform(low, high), life_s))
        if work.per_second and weight == 1:  # commands, which enqueue many at once, give no hints
            system.hint("submit")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The counts of a run so far."""

    at_s: float
    ended: int
    polls: int
    transactions: int
    messages: int
    threads_s: float
    parts: Mapping[tuple[str, str], float]


def _snapshot(system: System) -> Snapshot:
    tally = system.tally
    ended = sum(system.table.ended.values()) * system.weight
    return Snapshot(
        system.now_s,
        ended,
        tally.polls,
        tally.transactions,
        tally.messages,
        system.submit_poll_threads_s,
        dict(tally.parts),
    )


NOTHING = Snapshot(0.0, 0, 0, 0, 0, 0.0, {})


def _parts(system: System, before: Snapshot, seconds: float) -> dict[str, dict[str, float]]:
    """How often each part was done since then, by process."""
    found: dict[str, dict[str, float]] = {role: {} for role in PARTS}
    for (role, part), times in system.tally.parts.items():
        found[role][part] = times - before.parts.get((role, part), 0.0)
    found["submit_poll"]["second"] = seconds * system.layout.submit_poll
    found["transfer"]["second"] = seconds * system.layout.transfer
    found["broker"]["second"] = seconds
    return found


def _figures(system: System, before: Snapshot) -> Figures:
    now, tally = _snapshot(system), system.tally
    seconds, ended = now.at_s - before.at_s, now.ended - before.ended
    parts = _parts(system, before, seconds)
    spent = {role: system.costs.of(role, **times) for role, times in parts.items()}
    share = {role: ms / 1000 / seconds for role, ms in spent.items()}
    per = max(1.0, ended)
    return Figures(
        jobs=system.lots * system.weight,
        ended=sum(system.table.ended.values()) * system.weight,
        succeeded=system.table.ended[JobState.SUCCEEDED] * system.weight,
        failed=system.table.ended[JobState.FAILED] * system.weight,
        makespan_s=tally.last_s,
        last_late_s=tally.last_late_s,
        jobs_per_s=ended / seconds if before.at_s else ended / max(tally.last_s, 1e-9),
        polls_per_job=(now.polls - before.polls) / per,
        detection_p50_s=_at(tally.detections, 0.5),
        detection_p99_s=_at(tally.detections, 0.99),
        queue_wait_p50_s=_at(tally.queue_waits, 0.5),
        queue_wait_p99_s=_at(tally.queue_waits, 0.99),
        life_used_most=max(tally.lives_used, default=0.0),
        scheduler_share=share["scheduler"],
        submit_poll_share=share["submit_poll"],
        submit_poll_threads=(now.threads_s - before.threads_s) / seconds,
        transfer_share=share["transfer"],
        decoder_share=share["decoder"],
        database_share=share["database"],
        broker_share=share["broker"],
        cpu_ms_per_job=sum(spent[role] for role in ("scheduler", "submit_poll", "transfer", "decoder")) / per,
        scheduler_ms=spent["scheduler"] / per,
        submit_poll_ms=spent["submit_poll"] / per,
        transfer_ms=(spent["transfer"] + spent["decoder"]) / per,
        servers_ms_per_job=(spent["database"] + spent["broker"]) / per,
        messages_per_s=(now.messages - before.messages) / seconds,
        transactions_per_job=(now.transactions - before.transactions) / per,
        rounds=tally.rounds,
        wal_bytes_per_job=spent[WAL] / per,
        posts=tally.posts,
        most_queued=tally.most_queued,
        most_copies_waiting=tally.most_copies_waiting,
        most_in_flight=max(quota.most_in_flight for quota in system.quotas),
        parts=parts,
    )


def _at(values: Sequence[float], share: float) -> float:
    if not values:
        return 0.0
    return median(values) if share == 0.5 else sorted(values)[int(len(values) * share)]
