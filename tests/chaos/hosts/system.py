"""One system on five hosts: servers on this machine, a gateway, the API, and two with a scheduler and workers each.

Two tenants enqueue over HTTP. Half of the jobs go to a gateway that lists its tasks, so that a lost answer is settled
without a person.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import httpx

from producer.local.http import get
from producer.local.processes import commands
from producer.local.processes.spec import ChildSpec
from producer.local.servers.servers import local_servers, wait_ready
from producer.local.state import load_state
from storage.database import upgrade
from storage.settings import Settings
from storage.tenants import keys
from tests.chaos.hosts.servers import reachable_at
from tests.chaos.network import INSIDE, OUTSIDE, Network
from tests.chaos.parts import (
    SCHEDULER,
    SUBMIT_POLL,
    TRANSFER,
    Parts,
    account_at,
    clean_environ,
    environ_of,
    simulator_spec,
)
from tests.chaos.system import TIMES
from tests.ports import reserve_port
from tests.servers import WEBHOOK_SECRET
from tests.waiting import PATIENCE_S
from tests.webhook_receiver import Receiver, receiving

A, B = "a", "b"
WORKING = (A, B)
"""The hosts that have a scheduler and workers."""
KINDS = (SUBMIT_POLL, TRANSFER, SCHEDULER)
TENANTS = ("acme", "beta")
LISTED, SILENT = "listed", "silent"
"""Two accounts of the gateway: one can list its tasks, the other cannot."""
HOOK = "/hook"
"""The path at which the receiver gets webhooks."""
VIDEO_BYTES = 70_000
_COMPONENTS = {"scheduler", "submit", "poll", "transfer", "notify"}
_NUMBERS = re.compile(r"\d+")


@dataclass
class Hosts:
    """The running system. `ids`: of all jobs that the API has accepted."""

    parts: Parts
    network: Network
    receiver: Receiver
    api: str
    keys: Mapping[str, str]
    ids: list[UUID] = field(default_factory=list)

    def names(self, host: str) -> list[str]:
        """The processes of a host."""
        return [f"{kind}-{host}" for kind in KINDS]

    def start(self, host: str, *prefix: str) -> None:
        """Start the scheduler and the workers of a host; `prefix`: of their commands."""
        self.parts.host_b = (*self.network.command(host), *prefix)
        for name, kind in zip(self.names(host), KINDS, strict=True):
            self.parts.start(name, kind)
        self.parts.host_b = ()

    def work(self, *hosts: str) -> None:
        """Wait until each queue and the scheduler is served by each of these hosts."""
        self.parts.wait_for(f"hosts {', '.join(hosts)} work", lambda: all(self.fresh(host) for host in hosts))

    def fresh(self, host: str) -> bool:
        """Whether all components of a host were seen lately, by processes that run now."""
        with self.parts.begin() as conn:
            rows = conn.execute(
                "SELECT component, instance FROM heartbeats WHERE seen_at > now() - interval '5 s'"
            ).fetchall()
        own = {str(self.parts.pid(name)) for name in self.names(host)}
        return {component for component, instance in rows if own & set(_NUMBERS.findall(instance))} >= _COMPONENTS

    def enqueue(self, count: int, name: str) -> list[UUID]:
        """Enqueue jobs over HTTP, half for each tenant, half at each account."""
        found: list[UUID] = []
        with httpx.Client(base_url=self.api, timeout=PATIENCE_S) as client:
            for tenant, key in self.keys.items():
                rows = [self._row(f"{name} {tenant} {len(self.ids)} {number}", number) for number in range(count // 2)]
                body = "\n".join(map(json.dumps, rows))
                answer = client.post("/v1/jobs/batch", content=body, headers={"Authorization": f"Bearer {key}"})
                assert answer.status_code == 202, answer.text
                found += [UUID(job["id"]) for job in answer.json()["results"]]
        self.ids += found
        return found

    def _row(self, prompt: str, number: int) -> dict[str, object]:
        return {
            "prompt": prompt,
            "duration": 4,
            "resolution": "480p",
            "account": (LISTED, SILENT)[number % 2],
            "webhook_url": f"{self.receiver.url}{HOOK}",
        }

    def feed(self, seconds: float, per_s: int, name: str) -> list[UUID]:
        """Enqueue at a steady rate, and restart what dies."""
        found: list[UUID] = []
        began = time.monotonic()
        for second in range(round(seconds)):
            found += self.enqueue(per_s, name)
            self.parts.pass_time(began + second + 1 - time.monotonic())
        return found

    def restore(self) -> None:
        """End every fault: put the cables back, start what is down, let the gateway answer at once."""
        for host in WORKING:
            self.network.heal(host, INSIDE, OUTSIDE)
        self.parts.bring_back()
        self.parts.clear_faults()


@contextmanager
def running_hosts(directory: Path, network: Network, seed: int) -> Iterator[Hosts]:
    """Start everything and wait until both hosts work."""
    for host, networks in {"gateway": [OUTSIDE], "api": [INSIDE], A: [INSIDE, OUTSIDE], B: [INSIDE, OUTSIDE]}.items():
        network.add(host, *networks)
    servers = local_servers(directory, load_state(directory), durable=False)
    assert servers.postgres is not None
    assert servers.valkey is not None
    assert servers.s3 is not None
    servers.prepare("reelq")
    gateway, inside = network.address(OUTSIDE, "gateway"), network.address(INSIDE)
    port = reserve_port()
    url = f"http://{gateway}:{port}"
    accounts = [
        account_at(SILENT, url),
        account_at(LISTED, url, gateway="ark", base_url=f"{url}/ark/api/v3"),
    ]
    given = {
        "database_url": servers.postgres.url,
        "broker_url": servers.valkey.url,
        "s3_endpoint_url": servers.s3.url,
        "s3_bucket": "reelq",
        "s3_access_key_id": servers.s3.access_key_id,
        "s3_secret_access_key": servers.s3.secret_access_key,
        "webhook_secret": WEBHOOK_SECRET,
        "log_format": "json",
        "accounts": accounts,
        "allow_private_networks": True,
    }
    settings = Settings.model_validate(given | TIMES)
    parts = Parts(directory, settings, {"small": url})
    parts.fired.mkdir(exist_ok=True)
    try:
        with receiving(host=network.address(OUTSIDE)) as receiver:
            for spec in reachable_at(inside, servers):
                parts.run(spec)
            options = ("--video-bytes", str(VIDEO_BYTES), "--median-seconds", "1.5", "--seed", str(seed))
            simulator = simulator_spec("simulator", directory, port, *options, host=gateway)
            parts.run(_on(network, "gateway", simulator))
            for name in ("postgres", "valkey", "s3", "simulator"):
                wait_ready(parts.spec(name), parts.process(name))
            upgrade(servers.postgres.url)
            with parts.begin() as conn:
                keys_ = {tenant: keys.new_key(conn, tenant, "hosts", ["enqueue", "read"])[0] for tenant in TENANTS}
            for name in ("database_url", "broker_url", "s3_endpoint_url"):
                given[name] = str(given[name]).replace("127.0.0.1", inside)
            parts.settings = Settings.model_validate(given | TIMES)
            hosts = Hosts(parts, network, receiver, _start_api(parts, network), keys_)
            for host in WORKING:
                hosts.start(host)
            hosts.work(*WORKING)
            yield hosts
    finally:
        for host in WORKING:
            network.heal(host, INSIDE, OUTSIDE)
        parts.bring_back()
        parts.close()
        parts.shut_down()


def _on(network: Network, host: str, spec: ChildSpec) -> ChildSpec:
    return replace(spec, command=(*network.command(host), *spec.command))


def _start_api(parts: Parts, network: Network) -> str:
    """Start the API on its host, and wait until it answers; returns its URL."""
    address, port = network.address(INSIDE, "api"), reserve_port()
    url = f"http://{address}:{port}"
    command = (*network.command("api"), sys.executable, *commands.api(address, port)[1:])
    spec = ChildSpec(
        "api",
        command,
        cwd=parts.directory,
        log=parts.directory / "api.log",
        env=clean_environ() | environ_of(parts.settings),
        ready=lambda _pid: get(f"{url}/healthz", timeout_s=0.5)[0] == 200,
    )
    parts.run(spec)
    wait_ready(spec, parts.process("api"))
    return url
