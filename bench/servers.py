"""Real servers for measurements in a temporary directory, and a simulated gateway."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
import redis
from psycopg import sql

from producer.local.ports import free_port
from producer.local.processes.spec import ChildSpec
from producer.local.servers.postgres import Postgres
from producer.local.servers.s3 import S3
from producer.local.servers.servers import local_servers, running, spawn, stop, wait_ready
from producer.local.servers.valkey import Valkey
from producer.local.state import load_state

API_KEY = "sk-bench"


@dataclass(frozen=True, slots=True)
class Servers:
    """The running servers."""

    directory: Path
    postgres: Postgres
    valkey: Valkey
    s3: S3
    pids: Mapping[str, int]

    def database(self, name: str) -> str:
        """Create an empty database; returns its URL."""
        self.drop(name)
        with psycopg.connect(self.postgres.url, autocommit=True) as conn:
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return f"{self.postgres.url.rpartition('/')[0]}/{name}"

    def drop(self, name: str) -> None:
        """Drop a database, even when it has connections."""
        with psycopg.connect(self.postgres.url, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def allow_extension(self, name: str) -> None:
        """Make `CREATE EXTENSION name` succeed without effect, for a contender that requires but does not use it."""
        folder = self.directory / "extensions" / "extension"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.control").write_text("default_version = '1.0'\nrelocatable = true\n")
        (folder / f"{name}--1.0.sql").write_text("SELECT 1;\n")
        for path in (self.directory, folder.parent, folder):
            path.chmod(0o755)  # PostgreSQL may run as another user
        with psycopg.connect(self.postgres.url, autocommit=True) as conn:
            places = sql.Literal(f"$system:{folder.parent}")
            conn.execute(sql.SQL("ALTER SYSTEM SET extension_control_path = {}").format(places))
            conn.execute("SELECT pg_reload_conf()")

    def broker(self, number: int = 0) -> str:
        """Empty one of the broker's databases; returns its URL."""
        url = f"{self.valkey.url.rpartition('/')[0]}/{number}"
        client: Any = redis.Redis.from_url(url)
        client.flushdb()
        client.close()
        return url

    def store_client(self) -> Any:
        """A boto3 client of the store."""
        return boto3.client(
            "s3",
            endpoint_url=self.s3.url,
            region_name="us-east-1",
            aws_access_key_id=self.s3.access_key_id,
            aws_secret_access_key=self.s3.secret_access_key,
        )

    def bucket(self, name: str) -> Path:
        """Create a bucket; returns the directory whose files are its objects."""
        self.store_client().create_bucket(Bucket=name)
        return self.s3.buckets / name

    def remove_bucket(self, name: str) -> None:
        """Remove the bucket's files; the server notices within seconds."""
        shutil.rmtree(self.s3.buckets / name, ignore_errors=True)

    def store_environ(self) -> dict[str, str]:
        """The store's keys as the environment variables of boto3 and aws."""
        return {
            "AWS_ACCESS_KEY_ID": self.s3.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.s3.secret_access_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextmanager
def run_servers(*, valkey: bool = True) -> Iterator[Servers]:
    """Run PostgreSQL, Valkey and S3. Call from the main thread: the servers die with the thread that started them."""
    with tempfile.TemporaryDirectory(prefix="reelq-bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        servers = local_servers(directory, load_state(directory))
        servers.prepare("reelq")
        assert servers.postgres is not None
        assert servers.valkey is not None
        assert servers.s3 is not None
        with running(servers.specs()) as processes:
            pids = {key: process.pid for key, process in processes.items()}
            yield Servers(directory, servers.postgres, servers.valkey, servers.s3, pids)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running simulator."""

    url: str
    pid: int

    @property
    def base_url(self) -> str:
        """The `base_url` of an account."""
        return f"{self.url}/anyfast"

    def ledger(self) -> list[dict[str, Any]]:
        """Every created task."""
        tasks: list[dict[str, Any]] = httpx.get(f"{self.url}/_sim/ledger?sha256=0", timeout=60).json()["tasks"]
        return tasks

    def queries(self) -> int:
        """Number of queries; a list of several tasks counts once."""
        summary = httpx.get(f"{self.url}/_sim/ledger?summary=1", timeout=60).json()
        return sum(count for what, count in summary["requests"].items() if what.endswith((".query", ".list")))

    def reset(self) -> None:
        """Return to the state at the start."""
        httpx.post(f"{self.url}/_sim/reset", timeout=60).raise_for_status()


@contextmanager
def gateway(directory: Path, *options: str) -> Iterator[Gateway]:
    """Run the simulator with these command-line options."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def answers(_pid: int) -> bool:
        try:
            return httpx.get(f"{url}/_sim/health", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    command = (sys.executable, "-m", "simulator", "--port", str(port), "--seed", "1", *options)
    spec = ChildSpec("simulator", command, directory, directory / "simulator.log", clean_environ(), answers)
    process = spawn(spec)
    try:
        wait_ready(spec, process)
        yield Gateway(url, process.pid)
    finally:
        stop(spec, process)


def clean_environ() -> dict[str, str]:
    """This process's environment without variables that configure reelq, PostgreSQL or the store."""
    foreign = ("REELQ_", "PG", "AWS_", "BENCH_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    root = str(Path(__file__).parents[1])
    return kept | {
        "PYTHONPATH": os.pathsep.join([root, *filter(None, [kept.get("PYTHONPATH")])]),
        "PYTHONUNBUFFERED": "1",
    }


def end_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a session leader and all processes of its session."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
