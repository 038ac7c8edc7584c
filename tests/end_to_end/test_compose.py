"""docker-compose.yml as deploy/README.md starts it, with a Docker Engine: images are built, a campaign runs, every
service is killed once, and the links open from the host.

It takes minutes and needs images that a registry has: `make compose` runs it, `make test` does not. Where Compose
cannot build, build the four targets before and set COMPOSE_TEST_IMAGES=built.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
KEY = "the-first-key-of-this-test"
API, FLOWER = 18080, 15555
PASSWORD = "a-long-password"
ENV = f"""\
POSTGRES_PASSWORD='p/w@#%:? $x\\y"z'
VALKEY_PASSWORD='v/k@#%:? $x\\y"z'
S3_ACCESS_KEY_ID=reelqkey
S3_SECRET_ACCESS_KEY=reelqsecret1234
REELQ_WEBHOOK_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
REELQ_API_KEY={KEY}
REHEARSAL_KEY=sk-rehearsal
API_PORT={API}
FLOWER_PORT={FLOWER}
FLOWER_PASSWORD='{PASSWORD}'
# A POST that a kill interrupts is found in the gateway's list of tasks, or proven not to have arrived.
REELQ_LEASE_SECONDS=8
REELQ_SUBMIT_TIMEOUT_SECONDS=4
REELQ_QUERY_TIMEOUT_SECONDS=4
REELQ_UNCONFIRMED_GRACE_SECONDS=6
"""
ACCOUNT = """\
[[accounts]]
name = "rehearsal"
gateway = "ark"
base_url = "http://simulator:9090/ark/api/v3"
api_key_env = "REHEARSAL_KEY"
"""
JOBS = "".join(json.dumps({"prompt": f"a boat, take {number}", "duration": 4}) + "\n" for number in range(12))
MOVERS = ("scheduler", "worker-submit-poll", "worker-transfer")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("COMPOSE_TEST") != "1", reason="`make compose` runs it, with Docker"),
]


class Site:
    """A folder as a user has it, and `docker compose` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def compose(self, *arguments: str, given: str = "", timeout: float = 900) -> str:
        argv = ["docker", "compose", "-p", "reelq-test", "--profile", "simulator", *arguments]
        done = subprocess.run(
            argv, cwd=self.folder, input=given, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def states(self) -> dict[str, str]:
        rows = [json.loads(line) for line in self.compose("ps", "--all", "--format", "json").splitlines()]
        return {row["Service"]: row["Health"] or row["State"] for row in rows}

    def process_of(self, service: str) -> int:
        container = self.compose("ps", "--quiet", service).split()[0]
        found = subprocess.run(
            ["docker", "inspect", "--format", "{{.State.Pid}}", container], capture_output=True, text=True, check=True
        )
        return int(found.stdout)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    for name in subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    ):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / ".env").write_text(ENV)
    (folder / "reelq.toml").write_text(ACCOUNT)
    (folder / "reelq.toml").chmod(0o644)
    (folder / "backups").mkdir(mode=0o700)
    found = Site(folder)
    how = "--no-build" if os.environ.get("COMPOSE_TEST_IMAGES") == "built" else "--build"
    if how == "--build":
        found.compose("build", "backup", timeout=1800)
    found.compose("up", how, "--detach", timeout=1800)
    try:
        yield found
    finally:
        found.compose("down", "--volumes", "--timeout", "10")


def client() -> httpx.Client:
    return httpx.Client(
        base_url=f"http://127.0.0.1:{API}",
        headers={"Authorization": f"Bearer {KEY}"},
        follow_redirects=True,
        timeout=30,
    )


def test_every_part_becomes_healthy(site: Site) -> None:
    def healthy() -> bool:
        states = site.states()
        once = {states.pop("migrations"), states.pop("bucket")}
        return once == {"exited"} and set(states.values()) <= {"healthy", "running"}

    wait_for("every part is healthy", healthy)
    assert {name for name, state in site.states().items() if state == "healthy"} >= {*MOVERS, "api", "postgres", "s3"}
    with client() as api:
        wait_for("jobs can run", lambda: api.get("/readyz").status_code == 200)
    site.compose("exec", "-T", "api", "reelq", "doctor")
    assert httpx.get(f"http://127.0.0.1:{FLOWER}/").status_code == 401
    assert httpx.get(f"http://127.0.0.1:{FLOWER}/", auth=("reelq", PASSWORD)).status_code == 200


def test_a_campaign_outlives_the_death_of_every_service_and_its_links_open_from_the_host(site: Site) -> None:
    site.compose("exec", "-T", "api", "sh", "-c", "cat > /tmp/jobs.jsonl", given=JOBS)
    site.compose("exec", "-T", "api", "reelq", "campaign", "run", "/tmp/jobs.jsonl", "--name", "killed", "--yes")
    for service in (*MOVERS, "postgres", "valkey", "s3", "api"):
        os.kill(site.process_of(service), 9)
    with client() as api:

        def ended() -> bool:
            try:
                jobs = api.get("/v1/jobs", params={"limit": 50}).json()["data"]
            except (httpx.TransportError, KeyError):
                return False
            return {job["state"] for job in jobs} == {"succeeded"} and len(jobs) == 12

        wait_for("all twelve succeed", ended)
        for job in api.get("/v1/jobs", params={"limit": 50}).json()["data"]:
            assert api.get(f"/v1/jobs/{job['id']}/video").content[4:8] == b"ftyp"


def test_a_backup_is_a_file_of_its_owner_and_is_restored_while_the_parts_are_stopped(site: Site) -> None:
    def backup(*arguments: str) -> str:
        return site.compose("run", "--rm", "-T", "--user", str(os.getuid()), "backup", *arguments)

    backup("dump", "one.dump")
    file = site.folder / "backups" / "one.dump"
    assert (file.read_bytes()[:5], file.stat().st_mode & 0o777, file.stat().st_uid) == (b"PGDMP", 0o600, os.getuid())
    with pytest.raises(AssertionError, match="in use by"):
        backup("restore", "one.dump", "--yes")
    site.compose("exec", "-T", "api", "reelq", "submit", "after the backup", "--duration", "4", "--wait")
    site.compose("stop", *MOVERS, "api", "flower")
    assert "restored 12 jobs (12 succeeded)" in backup("restore", "one.dump", "--yes")
    site.compose("up", "--detach", "--no-build")

    def compared() -> dict[str, Any]:
        ask = "reelq db status --json || true"  # exit code 1 while submits are held
        status: dict[str, Any] = json.loads(site.compose("exec", "-T", "api", "sh", "-c", ask))
        return status if status["hold"] is None and status["restored"] else {}

    assert len(wait_for("the database is compared with its journal", compared)["lost_jobs"]) == 1


def test_a_migration_that_fails_leaves_the_running_parts_alone(site: Site) -> None:
    before = {name: site.process_of(name) for name in (*MOVERS, "api")}
    with pytest.raises(AssertionError):
        site.compose("run", "--rm", "migrations", "false")
    assert {name: site.process_of(name) for name in before} == before


def test_more_workers_can_be_added(site: Site) -> None:
    site.compose("up", "--detach", "--no-build", "--scale", "worker-transfer=2", "--scale", "worker-submit-poll=2")
    assert len(site.compose("ps", "--quiet", "worker-transfer").split()) == 2
