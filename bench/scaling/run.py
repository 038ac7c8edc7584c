"""One run of the model and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.scaling.costs import Costs
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
    before = None
    if warm_s:
        system.env.run(until=warm_s)
        before = _spent(system)
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


Spent = tuple[float, ...]


def _spent(system: System) -> Spent:
    return (
        system.now_s,
        sum(cpu.busy_s for cpu in system.schedulers),
        sum(cpu.busy_s for cpu in system.submit_poll),
        sum(cpu.busy_s for cpu in system.transfer),
        system.decoder_busy_s,
        system.database_busy_s,
        system.broker_busy_s,
        sum(system.table.ended.values()) * system.weight,
        system.tally.polls,
        system.tally.transactions,
        system.tally.wal_bytes,
        system.tally.messages,
        system.submit_poll_threads_s,
    )


def _figures(system: System, before: Spent | None) -> Figures:
    spent = _spent(system)
    span = [now - then for now, then in zip(spent, before or (0.0,) * len(spent), strict=True)]
    seconds, scheduler_s, submit_s, transfer_s, decoder_s, database_s, broker_s, ended = span[:8]
    other, layout, tally = system.costs.other, system.layout, system.tally
    idle = other.idle_worker_share * seconds
    submit_s, transfer_s = submit_s + idle * layout.submit_poll, transfer_s + idle * layout.transfer
    database_s += system.costs.tables.vacuum_ms * ended / 1000
    database_s, broker_s = (
        database_s + other.idle_database_share * seconds,
        broker_s + other.idle_broker_share * seconds,
    )
    per = max(1.0, ended)
    return Figures(
        jobs=system.lots * system.weight,
        ended=sum(system.table.ended.values()) * system.weight,
        succeeded=system.table.ended[JobState.SUCCEEDED] * system.weight,
        failed=system.table.ended[JobState.FAILED] * system.weight,
        makespan_s=tally.last_s,
        last_late_s=tally.last_late_s,
        jobs_per_s=ended / seconds if before else ended / max(tally.last_s, 1e-9),
        polls_per_job=span[8] / per,
        detection_p50_s=_at(tally.detections, 0.5),
        detection_p99_s=_at(tally.detections, 0.99),
        queue_wait_p50_s=_at(tally.queue_waits, 0.5),
        queue_wait_p99_s=_at(tally.queue_waits, 0.99),
        life_used_most=max(tally.lives_used, default=0.0),
        scheduler_share=scheduler_s / seconds,
        submit_poll_share=submit_s / seconds,
        submit_poll_threads=span[12] / seconds,
        transfer_share=transfer_s / seconds,
        decoder_share=decoder_s / seconds,
        database_share=database_s / seconds,
        broker_share=broker_s / seconds,
        cpu_ms_per_job=(scheduler_s + submit_s + transfer_s + decoder_s) / per * 1000,
        scheduler_ms=scheduler_s / per * 1000,
        submit_poll_ms=submit_s / per * 1000,
        transfer_ms=(transfer_s + decoder_s) / per * 1000,
        servers_ms_per_job=(database_s + broker_s) / per * 1000,
        messages_per_s=span[11] / seconds,
        transactions_per_job=span[9] / per,
        rounds=tally.rounds,
        wal_bytes_per_job=span[10] / per,
        posts=tally.posts,
        most_queued=tally.most_queued,
        most_copies_waiting=tally.most_copies_waiting,
        most_in_flight=max(quota.most_in_flight for quota in system.quotas),
    )


def _at(values: Sequence[float], share: float) -> float:
    if not values:
        return 0.0
    return median(values) if share == 0.5 else sorted(values)[int(len(values) * share)]
