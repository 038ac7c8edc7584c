"""Compare the model with a small real run of the same jobs and generation times.

The real run is the whole stack of `reelq up` with a simulated gateway on the same machine. The model has only the costs
of single operations, scaled to the machine's speed during the real run.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx
import psycopg

from bench.scaling.costs import Costs, load_costs
from bench.scaling.cpu import PaceWatch
from bench.scaling.machinery import Layout
from bench.scaling.messages import TICK_S, accounts_setting, small_stack, stack_cpu
from bench.scaling.run import simulate
from bench.scaling.workload import Latency, Workload
from bench.transfer_rig import simulated_gateway
from producer.client import Producer
from simulator.tasks.timing import Timing
from storage.database import connect
from storage.settings import Settings
from worker.polling.forecasts import REFRESH_S

SEED, SIZE = 7, 256 * 1024
SLOTS, WARM, MEDIAN_S, SIGMA = 48, 48, 2.0, 0.35
POLL_MIN_S, POLL_MAX_S = 0.5, 5.0
WITHIN, RUNS = 0.15, 10
IN_TICKS = ("detection_p50_s",)
"""These figures may also be off by half a tick, because jobs are claimed once per tick."""
_WAIT_S = 240.0
_JOBS = """
SELECT extract(epoch FROM created_at)::float8, extract(epoch FROM submitted_at)::float8,
       extract(epoch FROM generated_at)::float8, extract(epoch FROM finished_at)::float8, polls, gateway_task_id
FROM jobs WHERE request ->> 'duration' = '5'
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of the real run, named as in `Figures`."""

    makespan_s: float
    jobs_per_s: float
    polls_per_job: float
    detection_p50_s: float
    detection_p99_s: float
    queue_wait_p50_s: float
    queue_wait_p99_s: float
    cpu_ms_per_job: float
    servers_ms_per_job: float
    scheduler_ms: float
    submit_poll_ms: float
    transfer_ms: float
    pace_ms: float


COMPARED = tuple(name for name in Measured.__slots__ if name != "pace_ms")
LOOSE = ("detection_p99_s", "scheduler_ms", "submit_poll_ms", "transfer_ms")
"""Shown, but not judged. With a few hundred jobs the first depends on the three slowest; the others are parts of
`cpu_ms_per_job`."""


def real_run(jobs: int) -> Measured:
    """Run the jobs through a real stack."""
    options = (
        "--time",
        "lognormal",
        "--median-seconds",
        str(MEDIAN_S),
        "--sigma",
        str(SIGMA),
        "--seed",
        str(SEED),
        "--video-bytes",
        str(SIZE),
    )
    with TemporaryDirectory(prefix="reelq-bench-") as name, simulated_gateway(Path(name), *options) as gateway:
        account = {"name": "sim", "gateway": "evolink", "base_url": f"{gateway}/evolink", "api_key": "sk-bench"}
        setting = accounts_setting(account | {"max_in_flight": SLOTS, "callbacks": False})
        pacing = {"REELQ_POLL_MIN_SECONDS": str(POLL_MIN_S), "REELQ_POLL_MAX_SECONDS": str(POLL_MAX_S)}
        with small_stack(**setting, **pacing) as stack:
            url = str(stack.content()["database_url"])
            # Warm up processes and connections with jobs of another duration, whose generation times are kept apart.
            _enqueue(url, account, WARM, duration=4)
            _wait_until_ended(url, WARM)
            time.sleep(REFRESH_S + 1.0)  # so that the first poll reads the learned times, as in the model
            before = stack_cpu(stack)
            with PaceWatch() as pace:
                _enqueue(url, account, jobs, duration=5)
                _wait_until_ended(url, WARM + jobs)
            spent = stack_cpu(stack).since(before)
            with connect(url) as conn:
                rows = conn.execute(_JOBS).fetchall()
        ledger = httpx.get(f"{gateway}/_sim/ledger?sha256=0", timeout=60.0).raise_for_status().json()
    ends = {task["id"]: task["created_at"] + task["generation_s"] for task in ledger["tasks"]}
    return _measured(rows, ends, spent, pace.ms)


def _enqueue(url: str, account: Mapping[str, object], jobs: int, duration: int) -> None:
    settings = Settings.model_validate({"database_url": url, "accounts": [account]})
    with Producer(settings) as producer:
        producer.enqueue_many([{"prompt": f"wave {number}", "duration": duration} for number in range(jobs)])


def _wait_until_ended(url: str, jobs: int) -> None:
    until = time.monotonic() + _WAIT_S
    with psycopg.connect(url, autocommit=True) as conn:
        while True:
            row = conn.execute("SELECT count(*) FROM jobs WHERE state = 'succeeded'").fetchone()
            if row is not None and row[0] == jobs:
                return
            if time.monotonic() > until:
                raise RuntimeError(f"only {row and row[0]} of {jobs} jobs succeeded within {_WAIT_S:g} s")
            time.sleep(2.0)  # rarely, because each query costs CPU of the database


def _measured(
    rows: Sequence[tuple[float, float, float, float, int, str]],
    ends: dict[str, float],
    spent: dict[str, float],
    pace: float,
) -> Measured:
    count = len(rows)
    created_s, finished_s = min(row[0] for row in rows), max(row[3] for row in rows)
    waits = sorted(row[1] - row[0] for row in rows)
    late = sorted(row[2] - ends[row[5]] for row in rows)
    ours = sum(spent[name] for name in ("scheduler", "worker-submit-poll", "worker-transfer"))
    servers = spent["postgres"] + spent["valkey"]
    return Measured(
        makespan_s=finished_s - created_s,
        jobs_per_s=count / (finished_s - created_s),
        polls_per_job=sum(row[4] for row in rows) / count,
        detection_p50_s=median(late),
        detection_p99_s=late[int(count * 0.99)],
        queue_wait_p50_s=median(waits),
        queue_wait_p99_s=waits[int(count * 0.99)],
        cpu_ms_per_job=ours / count * 1000,
        servers_ms_per_job=servers / count * 1000,
        scheduler_ms=spent["scheduler"] / count * 1000,
        submit_poll_ms=spent["worker-submit-poll"] / count * 1000,
        transfer_ms=spent["worker-transfer"] / count * 1000,
        pace_ms=pace,
    )


def predict(jobs: int, costs: Costs) -> dict[str, float]:
    """The same run in the model: means of several runs, because polls have jitter and each run learns separately."""
    timing = Timing(median_s=MEDIAN_S, sigma=SIGMA)
    # The same times as the simulator draws: they are an input, not part of the prediction.
    times = tuple(timing.draw(random.Random(f"{SEED}/{number}")) for number in range(WARM + 1, WARM + jobs + 1))
    mib = SIZE / 2**20
    work = Workload(
        jobs,
        generation=timing,
        generation_s=times,
        video_mib=(mib, mib),
        submit=Latency(costs.worker.post_wall_s, 0.3),
        query=Latency(costs.worker.query_wall_s, 0.3),
    )
    layout = Layout(
        accounts=1,
        max_in_flight=SLOTS,
        machine_cores=2,
        connection_mib_s=1e6,
        store_s=costs.worker.copy_wall_s,
        poll_min_s=POLL_MIN_S,
        poll_max_s=POLL_MAX_S,
    )
    runs = [simulate(work, layout, costs, seed=seed) for seed in range(RUNS)]
    return {name: sum(getattr(run, name) for run in runs) / RUNS for name in COMPARED}


def main(jobs: int, costs: Costs | None = None) -> int:
    """Run both and print them side by side. Returns 1 if a figure is off by more than allowed."""
    measured = real_run(jobs)
    costs = costs or load_costs()
    predicted = predict(jobs, costs.at_pace(measured.pace_ms))
    print(
        f"{jobs} jobs of {SIZE // 1024} KiB, generation median {MEDIAN_S:g} s, {SLOTS} slots; "
        f"pace {measured.pace_ms:.2f} ms ({costs.pace_ms:.2f} ms when the costs were measured)"
    )
    print(f"{'':24}{'predicted':>12}{'measured':>12}{'off by':>10}")
    worst = 0.0
    for name in COMPARED:
        model, real = predicted[name], float(getattr(measured, name))
        off = model / real - 1
        if name not in LOOSE and not (name in IN_TICKS and abs(model - real) <= TICK_S / 2):
            worst = max(worst, abs(off))
        print(f"{name:24}{model:12.3f}{real:12.3f}{off:+10.1%}{'   (not judged)' if name in LOOSE else ''}")
    print(f"largest judged deviation: {worst:.1%} (allowed: {WITHIN:.0%})")
    return 0 if worst <= WITHIN else 1
