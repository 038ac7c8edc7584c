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
from tempfile import TemporaryDirectory

import httpx
import psycopg

from bench.scaling.comparing import Compared, Measured, Observer, compare, measured, predicted, show, spent
from bench.scaling.costs import Costs, load_costs
from bench.scaling.cpu import PaceWatch
from bench.scaling.machinery import Layout
from bench.scaling.messages import accounts_setting, small_stack, stack_cpu
from bench.scaling.workload import Latency, Workload
from bench.transfer_rig import simulated_gateway
from producer.client import Producer
from simulator.tasks.timing import Timing
from storage.settings import Settings
from worker.polling.forecasts import REFRESH_S

SEED, SIZE = 7, 256 * 1024
SLOTS, WARM, MEDIAN_S, SIGMA = 48, 48, 2.0, 0.35
POLL_MIN_S, POLL_MAX_S = 0.5, 5.0
REPORTED_S = 1.5
"""After this time every backend has reported its transactions."""
_WAIT_S = 240.0
ROLES = {"scheduler": "scheduler", "worker-submit-poll": "submit_poll", "worker-transfer": "transfer"}
"""The role of each process; the database and the broker are the servers."""


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

    @property
    def timing(self) -> Timing:
        return Timing(median_s=self.median_s, sigma=SIGMA)

    def simulator_options(self) -> tuple[str, ...]:
        """For the simulated gateway."""
        given = {
            "time": "lognormal",
            "median-seconds": self.median_s,
            "sigma": SIGMA,
            "seed": SEED,
            "video-bytes": SIZE,
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

    def in_model(self, costs: Costs) -> Workload:
        """The same jobs for the model."""
        # The same times as the simulator draws: they are an input, not part of the prediction.
        numbers = range(WARM + 1, WARM + self.jobs + 1)
        times = tuple(self.timing.draw(random.Random(f"{SEED}/{number}")) for number in numbers)
        mib = SIZE / 2**20
        return Workload(
            self.jobs,
            generation=self.timing,
            generation_s=times,
            video_mib=(mib, mib),
            submit=Latency(costs.worker.post_wall_s + self.away_s, 0.3),
            query=Latency(costs.worker.query_wall_s + self.away_s, 0.3),
        )


def real_run(trial: Trial) -> Measured:
    """Run the jobs through a real stack."""
    with (
        TemporaryDirectory(prefix="reelq-bench-") as name,
        simulated_gateway(Path(name), *trial.simulator_options()) as gateway,
    ):
        accounts = trial.account_fields(gateway)
        pacing = {"REELQ_POLL_MIN_SECONDS": str(POLL_MIN_S), "REELQ_POLL_MAX_SECONDS": str(POLL_MAX_S)}
        with small_stack(**accounts_setting(*accounts), **pacing) as stack:
            url = str(stack.content()["database_url"])
            with psycopg.connect(url, autocommit=True) as conn:
                observer = Observer(conn)
                warm_up(url, accounts, observer)
                calm, calm_cpu = observer.read(), stack_cpu(stack)
                time.sleep(REFRESH_S + 1.0)  # so that the first poll reads the learned times, as in the model
                before, cpu = observer.read(), stack_cpu(stack)
                idle = spent(calm, before, _by_role(cpu.since(calm_cpu)))
                with PaceWatch() as pace:
                    enqueue(url, accounts, trial.jobs, duration=5)
                    wait_until_ended(observer, WARM + trial.jobs)
                used = _by_role(stack_cpu(stack).since(cpu))
                time.sleep(REPORTED_S)
                return measured(conn, task_ends(gateway), spent(before, observer.read(), used), idle, pace.ms)


def _by_role(cpu_s: Mapping[str, float]) -> dict[str, float]:
    roles = {role: cpu_s[name] for name, role in ROLES.items()}
    return roles | {"servers": cpu_s["postgres"] + cpu_s["valkey"]}


def warm_up(url: str, accounts: Sequence[Mapping[str, object]], observer: Observer) -> None:
    """Warm up processes and connections with jobs of another duration, whose generation times are kept apart."""
    enqueue(url, accounts, WARM, duration=4)
    wait_until_ended(observer, WARM)
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


def layout_of(trial: Trial, costs: Costs) -> Layout:
    """One process of each kind on this machine."""
    return Layout(
        accounts=trial.accounts,
        max_in_flight=trial.slots,
        machine_cores=2,
        connection_mib_s=1e6,
        store_s=costs.worker.copy_wall_s + trial.away_s,
        poll_min_s=POLL_MIN_S,
        poll_max_s=POLL_MAX_S,
    )


def check(jobs: int, costs: Costs) -> tuple[list[Compared], Measured]:
    """Run both."""
    trial = Trial(jobs)
    real = real_run(trial)
    scaled = costs.at_pace(real.pace_ms)
    model = predicted(trial.in_model(scaled), layout_of(trial, scaled), scaled, real.round_transactions)
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
