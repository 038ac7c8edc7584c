"""A whole system to break: real servers, two simulated gateways, schedulers and workers."""

from __future__ import annotations

import json
import random
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import redis

from producer.local.ports import HOST
from producer.local.processes.spec import ChildSpec
from producer.local.servers.servers import Servers, local_servers, wait_ready
from producer.local.state import load_state
from storage.database import connect, upgrade
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.chaos.forked import Source
from tests.chaos.gateway_faults import OTHER_ACCOUNTS
from tests.chaos.leaks import leaks_in_logs, leaks_in_rows, secrets_of
from tests.chaos.partition import Partition
from tests.chaos.parts import LARGE_BYTES, SCHEDULER, SUBMIT_POLL, TRANSFER, Parts, account_at, simulator_spec
from tests.chaos.promises import Verdict
from tests.ports import reserve_port

SIZES = {"small": 70_000, "large": LARGE_BYTES}
WORKERS = (f"{SUBMIT_POLL}-1", f"{SUBMIT_POLL}-2", f"{TRANSFER}-1", f"{TRANSFER}-2")
SCHEDULERS = (f"{SCHEDULER}-1", f"{SCHEDULER}-2")
LARGE_SHARE = 8
"""One job in this many has a large video, which is uploaded in parts."""
AT_ONCE = 8
"""Generations at once per account: so few that a fault finds jobs in every state."""

TIMES = {
    "lease_seconds": 8.0,
    "submit_timeout_seconds": 4.0,
    "query_timeout_seconds": 4.0,
    "poll_min_seconds": 0.3,
    "poll_max_seconds": 2.0,
    # How long a held job keeps its slot; many rounds hold some jobs.
    "unconfirmed_grace_seconds": 20.0,
}


@dataclass
class System:
    """The system under test and its random numbers. `scale` shortens faults: 1 in `make chaos`, less in tests."""

    parts: Parts
    servers: Servers
    proxy_mode: Path
    rng: random.Random
    scale: float = 1.0
    partition: Partition | None = None
    fault_keys: dict[str, str] = field(default_factory=dict)
    """The keys of the accounts that each have one kind of gateway fault, by kind."""

    def seconds(self, whole: float) -> float:
        return whole * self.scale

    def enqueue(self, count: int, name: str, **fields: Any) -> list[UUID]:
        """Enqueue the jobs of a round; some have large videos and are pinned to the account for those."""
        large = count // LARGE_SHARE
        ids = self.parts.enqueue(count - large, name, account="small", **fields)
        return ids + (self.parts.enqueue(large, f"{name} large", account="large", **fields) if large else [])

    def under_way(self, ids: Sequence[UUID]) -> None:
        """Wait until at least one job was accepted by its gateway."""
        early = {JobState.QUEUED, JobState.SUBMITTING}
        self.parts.wait_for("jobs under way", lambda: len(self.parts.states(ids).keys() - early) >= 1)

    def flush_broker(self) -> None:
        try:
            with redis.Redis.from_url(self.parts.settings.require_broker_url(), socket_timeout=5) as client:
                client.flushall()
        except redis.RedisError:
            return  # the broker is down

    def break_store(self, kind: str, share: float, seconds: float = 1.0) -> None:
        """Inject a fault into the proxy of the object store; see `tests.chaos.proxy`."""
        mode = {"kind": kind, "share": share, "seconds": seconds, "seed": self.rng.randrange(2**31)}
        partial = self.proxy_mode.with_suffix(".new")
        partial.write_text(json.dumps(mode))
        partial.replace(self.proxy_mode)

    def pause(self, *names: str) -> None:
        for name in names:
            self.parts.signal(name, signal.SIGSTOP)

    def reached(self, request: Callable[[], object]) -> bool:
        """Send a request to a gateway; False when the gateway does not answer."""
        try:
            request()
        except httpx.HTTPError:
            return False
        return True

    def restore(self) -> None:
        """End every fault."""
        if self.partition is not None:
            self.partition.heal()
        self.proxy_mode.unlink(missing_ok=True)
        self.parts.bring_back()
        self.parts.wait_for("the gateways answer", lambda: self.reached(self.parts.clear_faults))

    def judge(self, ids: Sequence[UUID]) -> Verdict:
        """Judge the promises, and that no upload is left and no secret is shown."""
        verdict = self.parts.judge(ids)
        verdict.broken += self.parts.left_behind() + self.leaks()
        return verdict

    def leaks(self) -> list[str]:
        secrets = secrets_of(self.parts.settings, *self.fault_keys.values())
        logs = [path for path in self.parts.directory.glob("**/*.log") if not path.name.startswith("simulator")]
        with connect(self.parts.settings.require_database_url()) as conn:
            rows = leaks_in_rows(conn, secrets)
        return [f"a secret is shown: {leak}" for leak in [*leaks_in_logs(logs, secrets), *rows]]


def _fault_accounts(kinds: Sequence[str], url: str) -> list[dict[str, Any]]:
    accounts = []
    for kind in kinds:
        fields = dict(OTHER_ACCOUNTS.get(kind, {}))
        path = fields.pop("path", "/anyfast")
        accounts.append(account_at(kind, url, max_in_flight=AT_ONCE, base_url=f"{url}{path}", **fields))
    return accounts


@contextmanager
def running_system(
    directory: Path,
    seed: int,
    *,
    scale: float = 1.0,
    fault_kinds: Sequence[str] = (),
    partition: Partition | None = None,
    pairs: int = 2,
    times: Mapping[str, float] = TIMES,
    median_s: float = 1.5,
    source: Source | None = None,
) -> Iterator[System]:
    """Start everything and wait until jobs can run. With a `partition`, the workers run on its other host.
    `source`: forks the workers and schedulers."""
    servers = local_servers(directory, load_state(directory), durable=False)
    assert servers.postgres is not None
    assert servers.valkey is not None
    assert servers.s3 is not None
    servers.prepare("reelq")
    ports = {name: reserve_port() for name in SIZES}
    proxy_port = reserve_port()
    mode = directory / "store.fault"
    here = partition.here if partition is not None else HOST
    gateways = partition.gateways if partition is not None else HOST
    urls = {name: f"http://{gateways}:{port}" for name, port in ports.items()}
    accounts = [account_at(name, url, max_in_flight=AT_ONCE) for name, url in urls.items()]
    accounts += _fault_accounts(fault_kinds, urls["small"])
    given = {
        "database_url": servers.postgres.url,
        "broker_url": servers.valkey.url,
        "s3_endpoint_url": f"http://{HOST}:{proxy_port}",
        "s3_bucket": "reelq",
        "s3_access_key_id": servers.s3.access_key_id,
        "s3_secret_access_key": servers.s3.secret_access_key,
    }
    settings = Settings.model_validate({**given, **times, "accounts": accounts, "allow_private_networks": True})
    parts = Parts(directory, settings, urls, source=source)
    parts.fired.mkdir(exist_ok=True)
    keys = {name: account.key() for account in settings.accounts if (name := account.name) in fault_kinds}
    system = System(parts, servers, mode, random.Random(seed), scale, partition, keys)
    try:
        for spec in servers.specs():
            parts.run(spec)
        for name, port in ports.items():
            options = ("--video-bytes", str(SIZES[name]), "--median-seconds", str(median_s), "--seed", str(seed))
            parts.run(simulator_spec(f"simulator-{name}", directory, port, *options, host=gateways))
        parts.run(proxy_spec(directory, "proxy", f"{HOST}:{proxy_port}", f"{HOST}:{servers.s3.port}", mode))
        _wait_ready(parts, [*servers.specs()])
        upgrade(servers.postgres.url)
        if partition is not None:
            parts.settings = _settings_of_other_host(system, here)
            parts.host_b = partition.command
        for number in range(1, pairs + 1):
            parts.start(f"{SUBMIT_POLL}-{number}", SUBMIT_POLL)
            parts.start(f"{TRANSFER}-{number}", TRANSFER)
        parts.host_b, parts.settings = (), settings
        for number in range(1, pairs + 1):
            parts.start(f"{SCHEDULER}-{number}", SCHEDULER)
        parts.ready()
        yield system
    finally:
        parts.bring_back()
        parts.close()
        parts.shut_down()


def _wait_ready(parts: Parts, specs: Sequence[ChildSpec]) -> None:
    for spec in specs:
        wait_ready(spec, parts.process(spec.name))
    for account in parts.simulators:
        spec_name = f"simulator-{account}"
        wait_ready(parts.spec(spec_name), parts.process(spec_name))


def proxy_spec(directory: Path, name: str, listen: str, to: str, mode: Path) -> ChildSpec:
    """A proxy process; see `tests.chaos.proxy`."""
    root = str(Path(__file__).parents[2])
    command = (sys.executable, "-m", "tests.chaos.proxy", listen, to, str(mode))
    return ChildSpec(name, command, cwd=Path(root), log=directory / f"{name}.log")


def _settings_of_other_host(system: System, here: str) -> Settings:
    """Settings for the other host: the same servers, each behind a forwarder at an address that it can reach."""
    parts, changes = system.parts, {}
    for field_name in ("database_url", "broker_url", "s3_endpoint_url"):
        url = str(getattr(parts.settings, field_name))
        before, _, after = url.rpartition(f"{HOST}:")
        target = after.partition("/")[0]
        port = reserve_port()
        changes[field_name] = f"{before}{here}:{port}" + after[len(target) :]
        none = system.proxy_mode.with_name("never")
        parts.run(proxy_spec(parts.directory, f"forward-{field_name}", f"{here}:{port}", f"{HOST}:{target}", none))
    return parts.settings.model_copy(update=changes)
