"""`reelq up` with real servers, real workers, and real kills."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest

from producer.local.background import BackgroundStack, running_stack, start
from producer.local.errors import StackError
from producer.local.http import get
from storage.settings import Settings, load_settings
from tests.servers import Bucket, environ_for
from tests.waiting import PATIENCE_S, wait_for

ALL_PROCESSES = {
    *("postgres", "valkey", "s3", "simulator", "api", "flower"),
    *("scheduler", "worker-submit-poll", "worker-transfer"),
}


def _processes(stack: BackgroundStack) -> list[psutil.Process]:
    return [psutil.Process(pid) for pid in stack.content()["processes"].values()]


def _gone(processes: list[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    return [process for process in psutil.wait_procs(processes, timeout=timeout_s)[1] if _runs(process)]


def _runs(process: psutil.Process) -> bool:
    """Whether a process is running and not a zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _beats(database_url: str, pid: int) -> bool:
    with psycopg.connect(database_url) as conn:
        return conn.execute("SELECT 1 FROM heartbeats WHERE instance LIKE %s", [f"%:{pid}"]).fetchone() is not None


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[BackgroundStack]]:
    """Two stacks that start together."""
    directory = tmp_path_factory.mktemp("pair")
    stacks = [start(directory / name, cwd=directory) for name in ("ä b", "c:d")]
    try:
        for started in stacks:
            started.wait_ready()
        yield stacks
    finally:
        for started in stacks:
            started.stop()


@pytest.fixture(scope="module")
def stack(pair: list[BackgroundStack]) -> BackgroundStack:
    return pair[0]


@pytest.mark.slow
def test_a_stack_becomes_ready_and_describes_itself_in_stack_json(stack: BackgroundStack) -> None:
    content = stack.content()
    assert (stack.directory / "stack.json").stat().st_mode & 0o777 == 0o600
    assert set(content["processes"]) == ALL_PROCESSES
    assert {key: type(content["s3"][key]) for key in content["s3"]} == dict.fromkeys(
        ("endpoint_url", "bucket", "access_key_id", "secret_access_key"), str
    )
    assert (stack.directory / "api_key").stat().st_mode & 0o777 == 0o600
    assert (stack.directory / "api_key").read_text().strip() == content["api_key"]
    shown = {"Host": "elsewhere.example", "X-API-Key": content["api_key"]}
    assert httpx.get(f"{content['api']}/v1/accounts", headers=shown, timeout=PATIENCE_S).status_code == 200
    assert get(content["flower"])[0] == 200
    assert get(f"{content['simulator']}/_sim/health")[0] == 200
    for name, pid in content["processes"].items():
        command = " ".join(psutil.Process(pid).cmdline())
        assert content["s3"]["secret_access_key"] not in command, name
        assert content["database_url"] not in command, name
    assert load_settings(stack.directory, {}).accounts[0].name == "simulator"


def _ports(*contents: dict[str, Any]) -> list[int | None]:
    urls = [
        content[key] for content in contents for key in ("api", "flower", "simulator", "database_url", "broker_url")
    ]
    return [urlsplit(url).port for url in [*urls, *(content["s3"]["endpoint_url"] for content in contents)]]


@pytest.mark.slow
def test_stacks_that_start_together_share_no_port(pair: list[BackgroundStack]) -> None:
    ports = _ports(*(running.content() for running in pair))
    assert len(set(ports)) == len(ports) == 12
    assert all(running.is_ready() for running in pair)


def _is_used(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as client:
        return client.connect_ex((parts.hostname or "", parts.port or 0)) == 0


@pytest.mark.slow
def test_a_killed_supervisor_leaves_no_process_and_the_next_one_keeps_the_data(pair: list[BackgroundStack]) -> None:
    first, other = pair[1], pair[0].content()
    before = first.content()
    with psycopg.connect(before["database_url"]) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS one")
    processes = _processes(first)
    first.supervisor.kill()
    first.supervisor.wait(PATIENCE_S)
    with running_stack(first.directory, cwd=first.directory.parent) as second:
        assert _gone(processes, 0) == []
        after = second.content()
        for key in ("database_url", "broker_url", "s3", "simulator", "api", "flower"):
            # A stack of another test that started in between may have taken a usual port.
            assert after[key] == before[key] or _is_used(before[key]), key
        assert pair[0].content() == other and pair[0].is_ready(), "the stack beside it does not notice"
        with psycopg.connect(after["database_url"]) as conn:
            assert conn.execute("SELECT one FROM kept").fetchone() == (1,)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ALL_PROCESSES))
def test_a_killed_child_is_restarted(stack: BackgroundStack, name: str) -> None:
    before = stack.content()
    os.kill(before["processes"][name], signal.SIGKILL)

    def back() -> bool:
        pid = stack.content()["processes"].get(name)
        return pid is not None and pid != before["processes"][name] and psutil.pid_exists(pid)

    wait_for("it is restarted", back)
    wait_for("the stack is ready", stack.is_ready)
    after = stack.content()
    others = ALL_PROCESSES - {name}
    assert {other: after["processes"][other] for other in others} == {
        other: before["processes"][other] for other in others
    }
    assert {key: value for key, value in after.items() if key != "processes"} == {
        key: value for key, value in before.items() if key != "processes"
    }
    if name == "flower":
        wait_for("Flower answers", lambda: get(after["flower"])[0] == 200)
    if name in ("scheduler", "worker-submit-poll", "worker-transfer"):
        # The heartbeat of the killed process stays fresh for a while: wait for the new one's.
        wait_for("its heartbeat", lambda: _beats(after["database_url"], after["processes"][name]))


@pytest.mark.slow
def test_a_second_stack_needs_another_data_directory(stack: BackgroundStack, tmp_path: Path) -> None:
    before = stack.content()
    second = start(stack.directory, cwd=tmp_path)
    assert second.supervisor.wait(PATIENCE_S) == 2
    message = second.log.read_text().strip()
    assert message.startswith(f"the data directory {stack.directory} is in use by another `reelq up` (process ")
    assert "\n" not in message
    assert stack.content() == before
    assert stack.is_ready()


@pytest.mark.slow
def test_a_stack_beside_another_uses_the_configured_servers_and_accounts(
    tmp_path: Path, settings: Settings, s3: Bucket, stack: BackgroundStack
) -> None:
    account = '[[accounts]]\nname = "main"\ngateway = "anyfast"\nbase_url = "http://127.0.0.1:9"\napi_key = "sk-1"\n'
    (tmp_path / "reelq.toml").write_text(account)
    bucket = f"{settings.s3_bucket}-up"
    environ = dict(os.environ) | environ_for(settings) | {"REELQ_S3_BUCKET": bucket}
    before = stack.content()
    with running_stack(tmp_path / "data", environ=environ, cwd=tmp_path) as other:
        content = other.content()
        assert set(content["processes"]) == ALL_PROCESSES - {"postgres", "valkey", "s3", "simulator"}
        assert content["database_url"] == settings.database_url
        assert content["s3"]["bucket"] == bucket
        shutil.rmtree(s3.directory.parent / bucket)  # a store on this machine, so `up` has created it
        assert content["simulator"] is None
        assert content["config"] == str(tmp_path / "reelq.toml")
        assert not {urlsplit(content[key]).port for key in ("api", "flower")} & set(_ports(before))
        assert stack.content() == before and stack.is_ready()


@pytest.mark.slow
def test_a_stop_leaves_no_process(stack: BackgroundStack) -> None:
    """The last of the tests that use this stack."""
    processes = _processes(stack)
    assert {process.pid for process in processes} == set(stack.content()["processes"].values())
    assert stack.stop() == 0
    assert _gone(processes, 0) == []
    assert stack.content() == {}


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.3, 1.0, 1.8, 2.5])
def test_a_stop_during_the_start_leaves_no_process(tmp_path: Path, after_s: float) -> None:
    stack = start(tmp_path, cwd=tmp_path)
    time.sleep(after_s)  # the test is about this moment
    # Until the signal handlers are installed, SIGTERM ends Python at once.
    assert stack.stop() in (0, -signal.SIGTERM)
    assert [process for process in psutil.process_iter() if _is_of(process, tmp_path)] == []
    assert stack.content() == {}


def _refusal(directory: Path, *arguments: str, data_dir: str = "data", **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "producer.local", f"--data-dir={directory / data_dir}", *arguments],
        cwd=directory,
        env=dict(os.environ) | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_database_that_does_not_answer_is_reported_in_one_line(tmp_path: Path, closed_port: int) -> None:
    url = f"postgresql://reelq:hidden@127.0.0.1:{closed_port}/reelq"
    message = _refusal(tmp_path, REELQ_DATABASE_URL=url)
    assert message.startswith("database_url: no server answers at 127.0.0.1:")
    assert "hidden" not in message


def test_a_refused_database_password_is_reported_in_one_line_and_leaves_no_process(
    tmp_path: Path, postgres_url: str
) -> None:
    before = {process.pid for process in psutil.process_iter()}
    message = _refusal(tmp_path, REELQ_DATABASE_URL=postgres_url.replace("reelq:", "reelq:wrong", 1))
    assert message.startswith("database_url: database at 127.0.0.1:")
    assert "password authentication failed" in message
    ours = [process for process in psutil.process_iter() if process.pid not in before and _is_of(process, tmp_path)]
    assert ours == []


def _is_of(process: psutil.Process, directory: Path) -> bool:
    try:
        return str(directory) in " ".join(process.cmdline())
    except psutil.Error:
        return False


def test_a_requested_port_in_use_is_reported_in_one_line(tmp_path: Path, postgres_url: str) -> None:
    port = psycopg.conninfo.conninfo_to_dict(postgres_url)["port"]
    message = _refusal(tmp_path, f"--api-port={port}")
    assert message == f"port {port} is in use; stop the program that uses it, or choose another --api-port"


def test_an_unusable_data_directory_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = _refusal(tmp_path, data_dir="file/data")
    assert message.endswith("/file/data cannot be written (Not a directory); use another --data-dir")
    with pytest.raises(StackError, match="cannot be written"):
        start(tmp_path / "file" / "data")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "postgres").write_text("")
    assert "cannot be used (File exists" in _refusal(tmp_path)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"REELQ_LEASE_SECONDS": "soon"}, "REELQ_LEASE_SECONDS: "),
        ({"REELQ_CONFIG": "missing.toml"}, "missing.toml: REELQ_CONFIG: the file does not exist"),
    ],
)
def test_an_invalid_setting_is_reported_by_name(tmp_path: Path, environ: dict[str, str], message: str) -> None:
    assert _refusal(tmp_path, **environ).startswith(message)


def test_a_failed_start_raises_the_reason(tmp_path: Path) -> None:
    environ = dict(os.environ) | {"REELQ_POLL_MIN_SECONDS": "never"}
    with pytest.raises(StackError, match="REELQ_POLL_MIN_SECONDS"), running_stack(tmp_path, environ=environ):
        pass
    assert not (tmp_path / "stack.json").exists()
