"""Compare the model with a run on several hosts beside one PostgreSQL, Valkey, S3 and gateway.

Each host is a network namespace of this machine, with a submit-poll worker and a transfer worker; the first two have a
scheduler, too. The gateway is a host of its own and answers later than at once, as over a distance. Where namespaces
are not allowed, the same processes run side by side on this machine, and the report says so.

All hosts share the cores of this machine, in the run and in the model.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil
import psycopg

from bench.scaling.check import (
    REPORTED_S,
    SIZE,
    Trial,
    enqueue,
    layout_of,
    task_ends,
    wait_until_ended,
    warm_up,
)
from bench.scaling.comparing import Compared, Measured, Observer, compare, measured, predicted, show, spent
from bench.scaling.costs import Costs, load_costs
from bench.scaling.cpu import PaceWatch, decoder_cpu_s, tree_cpu_s
from bench.waiting import wait_for
from producer.local.servers.servers import local_servers, wait_ready
from producer.local.state import load_state
from storage.database import upgrade
from storage.settings import Settings
from tests.chaos.hosts.servers import reachable_at
from tests.chaos.network import INSIDE, OUTSIDE, Network, a_network
from tests.chaos.parts import SCHEDULER, SUBMIT_POLL, TRANSFER, Parts, simulator_spec
from tests.ports import reserve_port
from worker.polling.forecasts import REFRESH_S
from worker.runtime import DATABASE_CONNECTIONS
from worker.scheduling.scheduler import DATABASE_CONNECTIONS as SCHEDULER_CONNECTIONS

AWAY_S = 0.02
GATEWAY, SIMULATOR, DECODER = "gateway", "simulator", "decoder"
START_S = 60.0
MOST = 20
"""More hosts than this have no letter of their own, and no core of this machine."""
SLOW = {"kind": "slow", "seconds": AWAY_S}
"""Not by the network: kernels of small machines come without a queue that delays packets."""


@dataclass(frozen=True, slots=True)
class Spread:
    """What a run on several hosts shows besides the figures of the jobs."""

    hosts: int
    in_namespaces: bool
    real: Measured
    wal_mb_per_s: float
    connections: int
    most_connections: int
    """By the sizes of the pools."""
    shares: tuple[float, ...]
    """The share of the workers' CPU that each host had."""


def names_of(hosts: int) -> list[str]:
    """Short words in small letters: a, b, c, …"""
    return [chr(ord("a") + number) for number in range(hosts)]


@contextmanager
def running(directory: Path, network: Network | None, hosts: int, trial: Trial) -> Iterator[tuple[Parts, str]]:
    """Start everything, and wait until each host works; yields the processes and the URL of the gateway.

    `network`: None: everything runs side by side on this machine.
    """
    servers = local_servers(directory, load_state(directory))
    assert servers.postgres is not None
    assert servers.valkey is not None
    assert servers.s3 is not None
    servers.prepare("reelq")
    here = away = "127.0.0.1"
    if network is not None:
        network.add(GATEWAY, OUTSIDE)
        here, away = network.address(INSIDE), network.address(OUTSIDE, GATEWAY)
    port = reserve_port()
    url = f"http://{away}:{port}"
    given: dict[str, Any] = {
        "database_url": servers.postgres.url,
        "broker_url": servers.valkey.url,
        "s3_endpoint_url": servers.s3.url,
        "s3_bucket": "reelq",
        "s3_access_key_id": servers.s3.access_key_id,
        "s3_secret_access_key": servers.s3.secret_access_key,
        "accounts": trial.account_fields(url),
        "allow_private_networks": True,
        **trial.settings,
    }
    parts = Parts(directory, Settings.model_validate(given), {})
    parts.fired.mkdir(exist_ok=True)
    try:
        for spec in servers.specs() if network is None else reachable_at(here, servers):
            parts.run(spec)
        gateway = simulator_spec(SIMULATOR, directory, port, *trial.simulator_options(), host=away)
        if network is not None:
            gateway = replace(gateway, command=(*network.command(GATEWAY), *gateway.command))
        parts.run(gateway)
        for name in ("postgres", "valkey", "s3", SIMULATOR):
            wait_ready(parts.spec(name), parts.process(name))
        upgrade(servers.postgres.url)
        slow = [SLOW | {"where": where} for where in ("create", "query", "download")]
        httpx.post(f"{url}/_sim/faults", json=slow, timeout=START_S).raise_for_status()
        for name in ("database_url", "broker_url", "s3_endpoint_url"):
            given[name] = str(given[name]).replace("127.0.0.1", here)
        parts.settings = Settings.model_validate(given)
        for host in names_of(hosts):
            if network is not None:
                network.add(host, INSIDE, OUTSIDE)
                parts.host_b = network.command(host)
            for kind in kinds_of(host):
                parts.start(f"{kind}-{host}", kind)
        parts.host_b = ()
        parts.settings = Settings.model_validate(given | {"database_url": servers.postgres.url})
        wait_for("the workers", lambda: _all_work(parts, hosts), START_S)
        yield parts, url
    finally:
        parts.close()
        parts.shut_down()


def kinds_of(host: str) -> list[str]:
    """The processes of a host. Two schedulers are enough for any number of hosts."""
    return [SUBMIT_POLL, TRANSFER, *([SCHEDULER] if host in names_of(2) else [])]


def _all_work(parts: Parts, hosts: int) -> bool:
    with parts.begin() as conn:
        rows = conn.execute("SELECT component, count(*) FROM heartbeats GROUP BY component").fetchall()
    found: dict[str, int] = dict(rows)
    return found.get("scheduler") == min(hosts, 2) and all(found.get(queue) == hosts for queue in ("poll", "transfer"))


class Roles:
    """CPU seconds by role, and of each host's workers."""

    def __init__(self, parts: Parts, hosts: int) -> None:
        self._parts, self._hosts = parts, names_of(hosts)

    def read(self) -> dict[str, float]:
        """By process, each with its children, so far; and of the decoder of each host."""
        found = {name: tree_cpu_s(self._parts.pid(name)) for name in self._parts.names}
        decoders = {host: self._parts.pid(f"{TRANSFER}-{host}") for host in self._hosts}
        return found | {f"{DECODER}-{host}": decoder_cpu_s(pid) for host, pid in decoders.items()}

    def since(self, before: Mapping[str, float]) -> tuple[dict[str, float], tuple[float, ...]]:
        """By role, and by host, since an earlier reading."""
        spent_s = {name: value - before[name] for name, value in self.read().items()}

        def of(kind: str) -> float:
            return sum(spent_s.get(f"{kind}-{host}", 0.0) for host in self._hosts)

        roles = {"scheduler": of(SCHEDULER), "submit_poll": of(SUBMIT_POLL), "database": spent_s["postgres"]}
        roles |= {"broker": spent_s["valkey"], "decoder": of(DECODER), "transfer": of(TRANSFER) - of(DECODER)}
        workers = [spent_s[f"{SUBMIT_POLL}-{host}"] + spent_s[f"{TRANSFER}-{host}"] for host in self._hosts]
        return roles, tuple(one / sum(workers) for one in workers)


def real_run(hosts: int, trial: Trial, network: Network | None) -> Spread:
    """Run the jobs on these hosts."""
    with (
        TemporaryDirectory(prefix="reelq-bench-") as name,
        running(Path(name), network, hosts, trial) as (parts, gateway),
        psycopg.connect(parts.settings.require_database_url(), autocommit=True) as conn,
    ):
        url, accounts = parts.settings.require_database_url(), trial.account_fields(gateway)
        observer, roles = Observer(conn), Roles(parts, hosts)
        warm_up(url, accounts, observer, trial)
        calm, calm_cpu = observer.read(), roles.read()
        with PaceWatch() as calm_pace:
            time.sleep(REFRESH_S + 1.0)  # so that the first poll reads the learned times, as in the model
        before, cpu = observer.read(), roles.read()
        idle = spent(calm, before, roles.since(calm_cpu)[0], calm_pace.ms)
        with PaceWatch() as pace:
            enqueue(url, accounts, trial.jobs, duration=5)
            wait_until_ended(observer, trial.warm + trial.jobs)
        time.sleep(REPORTED_S)
        used, shares = roles.since(cpu)
        run = spent(before, observer.read(), used, pace.ms)
        real, took = measured(conn, task_ends(gateway), run, idle, schedulers=min(hosts, 2))
        return Spread(
            hosts,
            network is not None,
            real,
            took.wal_bytes / took.seconds / 1e6,
            observer.most_connections,
            hosts * 2 * DATABASE_CONNECTIONS + min(hosts, 2) * SCHEDULER_CONNECTIONS,
            shares,
        )


def spread_trial(jobs: int) -> Trial:
    """Two accounts, so that messages of both are under way at once."""
    return Trial(jobs, accounts=2, slots=32, median_s=3.0, away_s=AWAY_S)


def check(hosts: int, jobs: int, costs: Costs) -> tuple[list[Compared], Spread]:
    """Run both."""
    trial = spread_trial(jobs)
    with ExitStack() as stack:
        network = None
        try:
            network = stack.enter_context(a_network())
        except OSError as exc:
            print(f"without namespaces ({exc}): the same processes side by side on this machine", file=sys.stderr)
        found = real_run(hosts, trial, network)
    scaled = costs.at_pace(found.real.pace_ms)
    layout = replace(
        layout_of(trial),
        schedulers=min(hosts, 2),
        submit_poll=hosts,
        transfer=hosts,
        machine_cores=psutil.cpu_count() or 1,
    )
    model = predicted(trial.in_model(), layout, scaled, found.real.round_transactions)
    return compare(model, found.real), found


def main(hosts: int, jobs: int) -> int:
    """Run both and print them side by side. Returns 1 if a figure is off by more than allowed."""
    costs = load_costs()
    figures, found = check(hosts, jobs, costs)
    where = "network namespaces" if found.in_namespaces else "processes on one host"
    print(
        f"{hosts} hosts ({where}), {jobs} jobs of {SIZE // 1024} KiB, the gateway {AWAY_S * 1000:.0f} ms away; "
        f"pace {found.real.pace_ms:.2f} ms ({costs.pace_ms:.2f} ms when the costs were measured)"
    )
    code = show(figures)
    print(
        f"database: {found.wal_mb_per_s:.2f} MB of WAL/s, "
        f"{found.connections} connections (at most {found.most_connections})"
    )
    print("share of the workers' CPU: " + ", ".join(f"{share:.0%}" for share in found.shares))
    return code
