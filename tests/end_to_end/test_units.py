"""The units of deploy/systemd on a machine with a real systemd, installed as its README says: a campaign runs, each
part is killed, a part that hangs is found, and everything stops in order.

It takes two minutes, root and a package registry: `make units` runs it, `make test` does not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from simulator.main import SimulatorOptions, running
from storage.settings import Settings
from tests.machine.machine import Machine, booted, why_not
from tests.ports import reserve_port
from tests.servers import TestServers, environ_for, settings_for
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
PARTS = ("scheduler", "worker-submit-poll@1", "worker-transfer@1", "api")
KEY = "the-first-key-of-this-test"
# With ProtectHome an interpreter below /root or /home cannot be started; Debian's can.
PYTHON = "/usr/bin/python3"
CONFIGURATION = """\
allow_private_networks = true
poster = false

[[accounts]]
name = "rehearsal"
gateway = "ark"
base_url = "{simulator}/ark/api/v3"
api_key_env = "REHEARSAL_KEY"
"""
# A POST that a kill interrupts is found in the gateway's list of tasks, or proven not to have arrived.
QUICK = {
    "REELQ_LEASE_SECONDS": "8",
    "REELQ_SUBMIT_TIMEOUT_SECONDS": "4",
    "REELQ_QUERY_TIMEOUT_SECONDS": "4",
    "REELQ_UNCONFIRMED_GRACE_SECONDS": "6",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("UNITS_TEST") != "1", reason="`make units` runs it, as root on a Linux machine"),
]


@dataclass(frozen=True, slots=True)
class Host:
    """A machine on which reelq is installed."""

    machine: Machine
    port: int
    simulator: str

    def api(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30)

    def states(self) -> dict[str, str]:
        return {part: self.machine.show(f"reelq-{part}", "ActiveState")["ActiveState"] for part in PARTS}

    def reelq(self, *arguments: str, given: str = "") -> str:
        """As the README runs a command on the host."""
        own = ("-p", "EnvironmentFile=/etc/reelq/reelq.env", "-E", "REELQ_CONFIG=/etc/reelq/reelq.toml")
        return self.machine.run(
            "systemd-run", "--pipe", "--wait", "-q", *own, "/opt/reelq/bin/reelq", *arguments, given=given
        )


@pytest.fixture(scope="module")
def settings(servers: TestServers) -> Iterator[Settings]:
    with servers.database(migrated=False) as url, servers.bucket() as bucket:
        yield settings_for(url, servers.valkey.url, bucket)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Host]:
    assert why_not() is None, why_not()
    folder = tmp_path_factory.mktemp("host")
    for project in (ROOT, ROOT / "client"):
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=project, check=True, capture_output=True, timeout=120)
    (folder / "layers").mkdir()
    with running(SimulatorOptions()) as simulator, booted(folder / "layers") as machine:
        install(machine, folder)
        port = reserve_port()
        configure(machine, settings, simulator, port)
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "start", "reelq-migrate")
        machine.run("systemctl", "enable", "--now", "reelq.target", *(f"reelq-{part}" for part in PARTS))
        yield Host(machine, port, simulator)


def install(machine: Machine, wheels: Path) -> None:
    machine.run(PYTHON, "-m", "venv", "--without-pip", "/opt/reelq")
    pip = (sys.executable, "-m", "pip", "--python", "/opt/reelq/bin/python", "install", "-q")
    machine.run(*pip, "--require-hashes", "-r", ROOT / "deploy" / "docker" / "requirements.lock", timeout_s=600)
    machine.run(*pip, "--no-deps", *wheels.glob("*.whl"))
    machine.run("/opt/reelq/bin/python", "-m", "compileall", "-q", "/opt/reelq")
    for pattern in ("*.service", "*.target"):
        machine.run("cp", *UNITS.glob(pattern), "/etc/systemd/system/")
    machine.run("cp", "-r", *UNITS.glob("*.service.d"), "/etc/systemd/system/")


def configure(machine: Machine, settings: Settings, simulator: str, port: int) -> None:
    machine.write("/etc/reelq/reelq.toml", CONFIGURATION.format(simulator=simulator))
    secrets = {**environ_for(settings), **QUICK, "REELQ_API_KEY": KEY, "REHEARSAL_KEY": "sk-rehearsal"}
    machine.write("/etc/reelq/reelq.env", "".join(f"{name}={value}\n" for name, value in secrets.items()), 0o600)
    own = f"[Service]\nExecStart=\nExecStart=/opt/reelq/bin/python -m producer.api --host 127.0.0.1 --port {port}\n"
    machine.write("/etc/systemd/system/reelq-api.service.d/port.conf", own)
    machine.write("/etc/systemd/system/reelq-scheduler.service.d/watchdog.conf", "[Service]\nWatchdogSec=10\n")


def test_a_campaign_outlives_the_death_of_every_part(host: Host) -> None:
    with host.api() as api:

        def answers(path: str) -> bool:
            try:
                return api.get(path).status_code == 200
            except httpx.TransportError:
                return False

        wait_for("jobs can run", lambda: answers("/readyz"))
        host.reelq("doctor")
        lines = [{"prompt": f"a boat, take {number}", "duration": 4} for number in range(12)]
        sent = api.post("/v1/jobs/batch", content="".join(json.dumps(line) + "\n" for line in lines))
        assert sent.status_code in {200, 201, 202}, sent.text
        before = {part: host.machine.show(f"reelq-{part}", "MainPID")["MainPID"] for part in PARTS}
        for part in PARTS:
            host.machine.run("systemctl", "kill", "--signal=KILL", f"reelq-{part}")

        def ended() -> bool:
            try:
                jobs = api.get("/v1/jobs", params={"limit": 50}).json()["data"]
            except (httpx.TransportError, KeyError):
                return False
            return [job["state"] for job in jobs] == ["succeeded"] * 12

        wait_for("all twelve succeed", ended)
        assert set(host.states().values()) == {"active"}
        assert all(host.machine.show(f"reelq-{part}", "MainPID")["MainPID"] != before[part] for part in PARTS)
    tasks = httpx.get(f"{host.simulator}/_sim/ledger").json()["tasks"]
    assert len(tasks) == 12, "one generation of each job"


def test_a_scheduler_that_hangs_is_started_again(host: Host) -> None:
    wait_for("every part runs", lambda: set(host.states().values()) == {"active"})
    hung = host.machine.show("reelq-scheduler", "MainPID")["MainPID"]
    host.machine.run("systemctl", "kill", "--signal=STOP", "reelq-scheduler")
    wait_for("the watchdog", lambda: host.machine.show("reelq-scheduler", "MainPID")["MainPID"] not in {hung, "0"})
    assert "Watchdog timeout" in host.machine.run("journalctl", "-u", "reelq-scheduler", "--no-pager")


def test_the_parts_have_no_right_of_root(host: Host) -> None:
    # With Type=exec a part is active once its program runs; before that its process still is root's.
    wait_for("every part runs", lambda: set(host.states().values()) == {"active"})
    for part in PARTS:
        pid = host.machine.show(f"reelq-{part}", "MainPID")["MainPID"]
        status = dict(
            line.split(":\t", 1)
            for line in host.machine.run("cat", f"/proc/{pid}/status").splitlines()
            if ":\t" in line
        )
        assert "0" not in status["Uid"].split(), part
        assert status["NoNewPrivs"] == "1", part
        assert int(status["CapBnd"], 16) == 0, part
        assert status["Seccomp"] == "2", part


def test_everything_stops_in_order_and_starts_again(host: Host) -> None:
    begun = time.monotonic()
    host.machine.run("systemctl", "stop", "reelq.target")
    wait_for("the parts to end", lambda: set(host.states().values()) == {"inactive"})
    assert time.monotonic() - begun < 60
    ends = {part: host.machine.show(f"reelq-{part}", "Result")["Result"] for part in PARTS}
    assert set(ends.values()) == {"success"}, ends
    host.machine.run("systemctl", "start", "reelq.target")
    wait_for("every part runs", lambda: set(host.states().values()) == {"active"})
