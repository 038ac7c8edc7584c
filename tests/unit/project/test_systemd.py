"""The units of deploy/systemd: systemd accepts them, they start what the code has, and they are locked down."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from producer.local.processes import commands
from storage.settings import Settings
from worker.ending import stop_limit_s

UNITS = Path(__file__).parents[3] / "deploy" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
SHARED = (UNITS / "reelq-.service.d" / "10-shared.conf").read_text(encoding="utf-8")
VENV = "/opt/reelq/bin/"
MOST_EXPOSED = 1.5
"""Of 10, by `systemd-analyze security`; what is left is the network, which they need."""


def entries(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def started(name: str) -> tuple[str, ...]:
    [line] = entries((UNITS / f"{name}.service").read_text(encoding="utf-8"), "ExecStart")
    return tuple(line.removeprefix(VENV).replace("%%", "%").split())


def installed(folder: Path) -> list[Path]:
    """The units as an installation has them, with templates as their first instance, and programs that exist."""
    shutil.copytree(UNITS, folder, dirs_exist_ok=True)
    found = []
    for path in sorted(folder.glob("reelq*.*")):
        if path.suffix in (".service", ".target"):
            text = re.sub(rf"{VENV}\w+", sys.executable, path.read_text(encoding="utf-8"))
            target = folder / path.name.replace("@.", "@1.")
            target.write_text(text, encoding="utf-8")
            found.append(target)
    return found


def analyze(*arguments: str | Path) -> str:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze (apt-get install systemd)")
    done = subprocess.run(
        ["systemd-analyze", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_accepts_every_unit_without_a_word(tmp_path: Path) -> None:
    assert analyze("verify", "--man=no", *installed(tmp_path)) == ""


def test_systemd_finds_little_that_a_part_could_do(tmp_path: Path) -> None:
    units = [path for path in installed(tmp_path) if path.suffix == ".service"]
    said = analyze("security", "--offline=true", "--no-pager", *units)
    levels = {name: float(level) for name, level in re.findall(r"level for (\S+): ([\d.]+)", said)}
    assert levels.keys() == {path.name for path in units}
    assert max(levels.values()) <= MOST_EXPOSED, levels


def test_they_start_the_same_processes_as_up() -> None:
    def of_instance(command: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word.replace("@%h", "-%i@%h") for word in command)

    assert {path.stem: started(path.stem) for path in SERVICES} == {
        "reelq-migrate": ("reelq", "db", "upgrade"),
        "reelq-scheduler": commands.SCHEDULER,
        "reelq-worker-submit-poll@": of_instance(commands.WORKER_SUBMIT_POLL),
        "reelq-worker-transfer@": of_instance(commands.WORKER_TRANSFER),
        "reelq-api": commands.api("127.0.0.1", 8080),
        "reelq-flower": commands.flower("127.0.0.1", 5555, "/var/lib/reelq-flower/tasks"),
    }


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_what_goes_on_starts_again_and_ends_in_order(path: Path) -> None:
    unit = path.read_text(encoding="utf-8")
    if entries(unit, "Type") == ["oneshot"]:
        assert not entries(unit, "WantedBy"), "an upgrade runs it, no start of the host"
        return
    assert entries(unit, "Restart") == ["always"]
    assert entries(unit, "PartOf") == entries(unit, "WantedBy") == ["reelq.target"]
    assert entries(SHARED, "StartLimitIntervalSec") == ["0"], "it never gives up"
    if "-m worker " in unit:
        assert entries(unit, "WatchdogSec") == ["120"], "it pings: worker/alive.py"
    if "-m worker " in unit:
        assert int(entries(unit, "TimeoutStopSec")[0]) > stop_limit_s(Settings(), {"submit"} if " -Q " in unit else ())


def test_the_readme_names_every_unit() -> None:
    readme = (UNITS / "README.md").read_text(encoding="utf-8")
    assert [path.stem for path in SERVICES if path.stem.removesuffix("@") not in readme] == []
