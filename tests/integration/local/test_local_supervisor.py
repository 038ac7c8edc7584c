"""The supervisor with small test children: restarts, stop order, locks, logs, leftover processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from producer.local.errors import StackError
from producer.local.events import EventKind, StackEvent
from producer.local.lock import locked
from producer.local.processes import child, leftovers, logs
from producer.local.processes.child import LONG_LIFE_S, RESTART_DELAYS_S, Child, _counted_life_s, restart_delay_s
from producer.local.processes.children import Children
from producer.local.processes.spec import ChildSpec
from tests.waiting import PATIENCE_S

SLEEP = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('deaf', 'w'); time.sleep(600)"


def _spec(directory: Path, name: str, code: str = SLEEP) -> ChildSpec:
    return ChildSpec(name, (sys.executable, "-c", code), directory, directory / f"{name}.log")


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - processes and files set no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("lives_s", "delay_s"),
    [
        ([], 0.0),
        ([0.1], 0.0),
        ([0.1, 0.1], RESTART_DELAYS_S[1]),
        ([0.1] * 50, RESTART_DELAYS_S[-1]),
        ([0.1, 0.1, LONG_LIFE_S], 0.0),
        ([LONG_LIFE_S, 0.1, 0.1, 0.1], RESTART_DELAYS_S[2]),
    ],
)
def test_the_first_restart_is_immediate_and_later_ones_are_delayed(lives_s: list[float], delay_s: float) -> None:
    assert restart_delay_s(lives_s) == delay_s


@pytest.mark.parametrize(
    ("life_s", "code", "counts_as_long"),
    [(2.0, -signal.SIGKILL, True), (0.1, -signal.SIGKILL, False), (2.0, 1, False), (2.0, -signal.SIGSEGV, False)],
)
def test_a_run_that_was_killed_from_outside_is_no_failure(life_s: float, code: int, counts_as_long: bool) -> None:
    assert (_counted_life_s(life_s, code) >= LONG_LIFE_S) is counts_as_long


def test_a_killed_child_is_restarted_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "RESTART_DELAYS_S", (0.0, 3600.0))
    events: list[StackEvent] = []
    seen: list[dict[str, int]] = []

    async def scenario() -> None:
        children = Children(events.append, lambda: seen.append(children.pids()))
        await children.start(_spec(tmp_path, "one"), _spec(tmp_path, "two"))
        first = children.pids()
        os.kill(first["one"], signal.SIGKILL)
        await _until(lambda: children.pids().get("one") not in (None, first["one"]))
        assert children.pids()["two"] == first["two"]
        assert children.restarts() == {"one": 1, "two": 0}
        assert seen[-1] == children.pids()
        await children.stop([["two"]])
        assert children.pids() == {}

    asyncio.run(scenario())
    assert [(event.kind, event.name) for event in events] == [
        (EventKind.STARTED, "one"),
        (EventKind.STARTED, "two"),
        (EventKind.EXITED, "one"),
        (EventKind.RESTARTED, "one"),
        (EventKind.STOPPING, "two"),
        (EventKind.STOPPING, "one"),
    ]
    assert events[2].text == "signal 9"


def test_a_child_that_keeps_failing_is_restarted_with_growing_delays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "RESTART_DELAYS_S", (0.0, 0.05, 3600.0))
    events: list[StackEvent] = []

    async def scenario() -> None:
        children = Children(events.append, lambda: None)
        spec = _spec(tmp_path, "broken", "raise SystemExit('error: no such option')")
        await children.start(replace(spec, ready=lambda _pid: False))
        await _until(lambda: sum(event.kind is EventKind.EXITED for event in events) == 3)
        with pytest.raises(ExceptionGroup) as caught:
            await children.wait_ready("broken", timeout_s=0.2)
        assert caught.group_contains(StackError, match="broken did not start within .*: error: no such option")
        await children.stop([])

    asyncio.run(scenario())
    exits = [event for event in events if event.kind is EventKind.EXITED]
    assert len(exits) == 3, "the fourth start is delayed by an hour"
    assert exits[0].text == "exit code 1: error: no such option"


def test_a_stop_waits_for_each_group_and_kills_a_child_that_ignores_its_signal(tmp_path: Path) -> None:
    events: list[StackEvent] = []

    async def scenario() -> None:
        children = Children(events.append, lambda: None)
        deaf = replace(_spec(tmp_path, "deaf", DEAF), stop_timeout_s=0.3)
        await children.start(_spec(tmp_path, "last"), deaf)
        await _until((tmp_path / "deaf").exists)
        pids = children.pids()
        await children.stop([["deaf"], ["last"]])
        assert not any(psutil.pid_exists(pid) for pid in pids.values())

    asyncio.run(scenario())
    assert [(event.kind, event.name) for event in events][2:] == [
        (EventKind.STOPPING, "deaf"),
        (EventKind.KILLED, "deaf"),
        (EventKind.STOPPING, "last"),
    ]


def test_a_forced_stop_does_not_wait(tmp_path: Path) -> None:
    async def scenario() -> float:
        deaf = Child(replace(_spec(tmp_path, "deaf", DEAF), stop_timeout_s=3600.0))
        await deaf.start()
        await _until((tmp_path / "deaf").exists)
        force = asyncio.Event()
        asyncio.get_running_loop().call_later(0.2, force.set)
        since = time.monotonic()
        assert await deaf.stop(force)
        return time.monotonic() - since

    assert 0.15 < asyncio.run(scenario()) < PATIENCE_S


def test_a_stop_between_two_starts_leaves_no_process(tmp_path: Path) -> None:
    async def scenario() -> None:
        for pause_s in (0.0, 0.02, 0.05, 0.1):
            brief = Child(_spec(tmp_path, "brief", "raise SystemExit(1)"))
            await brief.start()
            await asyncio.sleep(pause_s)
            await brief.stop()
            assert brief.pid is None

    asyncio.run(scenario())
    assert not [process for process in psutil.Process().children() if "raise SystemExit(1)" in process.cmdline()]


_SUPERVISOR = f"""
import asyncio, sys
from pathlib import Path
from producer.local.processes.children import Children
from producer.local.processes.spec import ChildSpec
async def main(directory):
    children = Children(lambda _: None, lambda: None)
    await children.start(*(
        ChildSpec(name, (sys.executable, "-c", {SLEEP!r}), directory, directory / name) for name in ("one", "two")))
    print(*children.pids().values(), flush=True)
    await asyncio.sleep(600)
asyncio.run(main(Path(sys.argv[1])))
"""


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        children = [psutil.Process(int(pid)) for pid in supervisor.stdout.readline().split()]
        assert len(children) == 2
        supervisor.kill()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert alive == []


def test_a_child_does_not_start_if_its_parent_has_exited(tmp_path: Path) -> None:
    command = _spec(tmp_path, "orphan", "print('ran')").launch_command()
    command[4] = "1" if os.getpid() != 1 else "2"
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout) == (126, "")
    assert done.stderr == "launch: the parent process has exited\n"


def test_a_data_directory_has_one_lock_holder(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    with locked(directory):
        with pytest.raises(StackError, match=rf"is in use by another `reelq up` \(process {os.getpid()}\)"):
            locked(directory).__enter__()
        with locked(tmp_path / "c"):
            pass
    with locked(directory):
        pass
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError) as caught:
        locked(tmp_path / "file" / "data").__enter__()
    assert str(caught.value) == (
        f"the data directory {tmp_path}/file/data cannot be written (Not a directory); use another --data-dir"
    )


def test_logs_are_renamed_at_the_start_and_trimmed(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    logs.begin(log)
    log.write_text("first run\n")
    logs.begin(log)
    assert not log.exists()
    assert logs.previous(log).read_text() == "first run\n"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 2000)
        logs.trim(log, limit_bytes=3000)
        assert log.stat().st_size == 2000
        logs.trim(log, limit_bytes=1000)
        writer.write(b"continues\n")  # the writer still has the file open and appends to it
    assert log.read_bytes() == b"continues\n"
    assert logs.previous(log).stat().st_size == 2000
    logs.trim(tmp_path / "missing.log")


def test_leftover_processes_are_killed_and_others_are_not(tmp_path: Path) -> None:
    mine = subprocess.Popen([sys.executable, "-c", SLEEP])
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP])
    try:
        at = leftovers.started_at(mine.pid)
        other = leftovers.started_at(stranger.pid)
        assert at is not None
        assert other is not None
        recorded = {"mine": (mine.pid, at), "reused": (stranger.pid, other - 100), "gone": (2**22 - 1, at)}
        assert leftovers.end(recorded, grace_s=0.2) == ["mine"]
        assert leftovers.started_at(mine.pid) is None
        assert stranger.poll() is None
    finally:
        for process in (mine, stranger):
            process.kill()
            process.wait()
