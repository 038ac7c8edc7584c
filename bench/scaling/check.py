"""Compare the model with a small real run of the same jobs and generation times.

The real run is the whole stack of `reelq up` with a simulated gateway on the same machine. The costs of the model come
from runs of other shapes (`bench.scaling.measure`), scaled to the machine's speed during the real run.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psycopg

from bench.scaling.comparing import Compared, Measured, Observer, Spent, compare, measured, predicted, show, spent
from bench.scaling.costs import Costs, load_costs
from bench.scaling.cpu import PaceWatch
from bench.scaling.machinery import Layout
from bench.scaling.stack import accounts_setting, by_role, pids, since, small_stack
from bench.scaling.workload import Latency, Workload
from bench.transfer_rig import simulated_gateway
from producer.client import Producer
from simulator.tasks.timing import Timing
from storage.settings import Settings
from worker.polling.forecasts import REFRESH_S

SEED, SIZE = 7, 256 * 1024
SLOTS, MEDIAN_S, SIGMA = 48, 2.0, 0.35
WARM = 48
"""The first jobs, after which the tables are analyzed. As many as there are slots follow, before the measured jobs."""
POLL_MIN_S, POLL_MAX_S = 0.5, 5.0
ANSWER_S, STORE_S, COMMIT_S = 0.002, 0.01, 0.005
"""A gateway, a store and a disk of the same machine answer after some milliseconds."""
REPORTED_S = 1.5
"""After this time every backend has reported its transactions."""
_WAIT_S = 240.0


@dataclass(frozen=True, slots=True)
class Trial:
    """The jobs of a real run. `seed` and `sigma` of the generation times are the same in all."""

    jobs: int
    accounts: int = 1
    slots: int = SLOTS
    """Of each account."""
    median_s: float = MEDIAN_S
    away_s: float = 0.0
    """How much later than at once the gateway answers."""
    per_second: float | None = None
    """Rate at which jobs are enqueued one by one. None: all at once."""
    video_bytes: int = SIZE
    poll_max_s: float = POLL_MAX_S
    lease_s: float | None = None
    """A lease that leaves a worker a tenth of it to poll a task again by itself. None: the default."""

    @property
    def slots_of_all(self) -> int:
        """Slots of all accounts together."""
        return self.accounts * self.slots

    @property
    def warm(self) -> int:
        """Jobs before the measured ones."""
        return WARM + self.slots_of_all

    @property
    def timing(self) -> Timing:
        return Timing(median_s=self.median_s, sigma=SIGMA)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of workers and schedulers that differ from the defaults."""
        pacing = {"poll_min_seconds": POLL_MIN_S, "poll_max_seconds": self.poll_max_s}
        if self.lease_s is None:
            return pacing
        return pacing | {"lease_seconds": self.lease_s, "query_timeout_seconds": 0.8 * self.lease_s}

    def simulator_options(self) -> tuple[str, ...]:
        """For the simulated gateway."""
        given = {
            "time": "lognormal",
            "median-seconds": self.median_s,
            "sigma": SIGMA,
            "seed": SEED,
            "video-bytes": self.video_bytes,
        }
        return tuple(part for name, value in given.items() for part in (f"--{name}", str(value)))

    def account_fields(self, gateway: str) -> list[dict[str, object]]:
        """The accounts, at a gateway with this URL."""
        return [
            {
                "name": f"sim{number}",
                "gateway": "evolink",
                "base_url": f"{gateway}/evolink",
                "api_key": f"sk-bench-{number}",
                "max_in_flight": self.slots,
                "callbacks": False,
            }
            for number in range(self.accounts)
        ]

    def in_model(self) -> Workload:
        """The same jobs for the model."""
        # The same times as the simulator draws: they are an input, not part of the prediction.
        numbers = range(self.warm + 1, self.warm + self.jobs + 1)
        times = tuple(self.timing.draw(random.Random(f"{SEED}/{number}")) for number in numbers)
        mib = self.video_bytes / 2**20
        return Workload(
            self.jobs,
            per_second=self.per_second,
            enqueued_together=self.jobs if self.per_second is None else 1,
            generation=self.timing,
            generation_s=times,
            video_mib=(mib, mib),
            submit=Latency(ANSWER_S, 0.3, self.away_s),
            query=Latency(ANSWER_S, 0.3, self.away_s),
        )


@dataclass(frozen=True, slots=True)
class Ran:
    """A real run that has ended, while its processes still run."""

    figures: Measured
    took: Spent
    """What the jobs took."""
    idle: Spent
    """A time before the jobs, in which the system did what it always does."""
    conn: psycopg.Connection[Any]
    pids: Mapping[str, int]


@contextmanager
def real_run(trial: Trial) -> Iterator[Ran]:
    """Run the jobs through a real stack."""
    with (
        TemporaryDirectory(prefix="reelq-bench-") as name,
        simulated_gateway(Path(name), *trial.simulator_options()) as gateway,
    ):
        accounts = trial.account_fields(gateway)
        own = {f"REELQ_{name.upper()}": str(value) for name, value in trial.settings.items()}
        with small_stack(**accounts_setting(*accounts), **own) as stack:
            content = stack.content()
            url, broker, processes = str(content["database_url"]), str(content["broker_url"]), pids(stack)
            with psycopg.connect(url, autocommit=True) as conn:
                observer = Observer(conn)
                warm_up(url, accounts, observer, trial)
                calm, calm_cpu = observer.read(), by_role(processes)
                with PaceWatch() as calm_pace:
                    time.sleep(REFRESH_S + 1.0)  # so that the first poll reads the learned times, as in the model
                before, cpu = observer.read(), by_role(processes)
                idle = spent(calm, before, since(cpu, calm_cpu), calm_pace.ms)
                with PaceWatch() as pace:
                    if trial.per_second is None:
                        enqueue(url, accounts, trial.jobs, duration=5)
                    else:
                        enqueue_singly(url, accounts, trial.jobs, trial.per_second, broker)
                    wait_until_ended(observer, trial.warm + trial.jobs)
                time.sleep(REPORTED_S)
                run = spent(before, observer.read(), since(by_role(processes), cpu), pace.ms)
                yield Ran(*measured(conn, task_ends(gateway), run, idle), idle, conn, processes)


def warm_up(url: str, accounts: Sequence[Mapping[str, object]], observer: Observer, trial: Trial) -> None:
    """Warm up processes and connections with jobs of another duration, whose generation times are kept apart.

    Each connection plans each statement when it runs it first, and again when its tables have been analyzed. In a run
    of a minute that is a quarter of the CPU of PostgreSQL, in one of a day nothing. So the tables are analyzed once,
    and then as many jobs run at once as ever will, which opens the connections.
    """
    enqueue(url, accounts, WARM, duration=4)
    wait_until_ended(observer, WARM)
    observer.analyze()
    enqueue(url, accounts, trial.slots_of_all, duration=4)
    wait_until_ended(observer, trial.warm)
    time.sleep(REPORTED_S)


def task_ends(gateway: str) -> dict[str, float]:
    """When each generation ended, by its task."""
    ledger = httpx.get(f"{gateway}/_sim/ledger?sha256=0", timeout=60.0).raise_for_status().json()
    return {task["id"]: task["created_at"] + task["generation_s"] for task in ledger["tasks"]}


def enqueue(url: str, accounts: Sequence[Mapping[str, object]], jobs: int, duration: int) -> None:
    """Enqueue jobs at once."""
    settings = Settings.model_validate({"database_url": url, "accounts": list(accounts)})
    with Producer(settings) as producer:
        producer.enqueue_many([{"prompt": f"wave {number}", "duration": duration} for number in range(jobs)])


def enqueue_singly(
    url: str, accounts: Sequence[Mapping[str, object]], jobs: int, per_second: float, broker: str
) -> None:
    """Enqueue jobs one after the other, each with a hint, as an API does."""
    settings = Settings.model_validate({"database_url": url, "broker_url": broker, "accounts": list(accounts)})
    with Producer(settings) as producer:
        began_s = time.monotonic()
        for number in range(jobs):
            time.sleep(max(0.0, began_s + number / per_second - time.monotonic()))
            producer.enqueue("one of many", duration=5)


def wait_until_ended(observer: Observer, jobs: int) -> None:
    """Wait until this number of jobs has succeeded.

    Raises:
        RuntimeError: they did not in time.
    """
    until = time.monotonic() + _WAIT_S
    while (ended := observer.succeeded()) != jobs:
        if time.monotonic() > until:
            raise RuntimeError(f"only {ended} of {jobs} jobs succeeded within {_WAIT_S:g} s")
        time.sleep(2.0)  # rarely, because each query costs CPU of the database
        observer.read()


def layout_of(trial: Trial) -> Layout:
    """One process of each kind on this machine."""
    settings = Settings.model_validate(trial.settings)
    return Layout(
        accounts=trial.accounts,
        max_in_flight=trial.slots,
        machine_cores=2,
        connection_mib_s=1e6,
        store_s=STORE_S + trial.away_s,
        commit_s=COMMIT_S,
        poll_min_s=settings.poll_min_seconds,
        poll_max_s=settings.poll_max_seconds,
        lease_s=settings.lease_seconds,
        poll_lease_s=settings.poll_lease_seconds,
        query_timeout_s=settings.query_timeout_seconds,
    )


def check(jobs: int, costs: Costs) -> tuple[list[Compared], Measured]:
    """Run both."""
    trial = Trial(jobs)
    with real_run(trial) as ran:
        real = ran.figures
    model = predicted(trial.in_model(), layout_of(trial), costs.at_pace(real.pace_ms), real.round_transactions)
    return compare(model, real), real


def main(jobs: int, costs: Costs | None = None) -> int:
    """Run both and print them side by side. Returns 1 if a figure is off by more than allowed."""
    costs = costs or load_costs()
    figures, real = check(jobs, costs)
    print(
        f"{jobs} jobs of {SIZE // 1024} KiB, generation median {MEDIAN_S:g} s, {SLOTS} slots; "
        f"pace {real.pace_ms:.2f} ms ({costs.pace_ms:.2f} ms when the costs were measured)"
    )
    return show(figures)
