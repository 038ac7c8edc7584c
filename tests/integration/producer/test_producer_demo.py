"""`reelq demo` as users run it: on its own servers, whatever is configured."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from itertools import chain
from pathlib import Path

import psutil
import pytest
from PIL import Image

from producer.cli.demo.stack import choose_directory
from producer.local.errors import StackError
from tests.integration.packaging.environment import PROJECT, ROOT, Environment, build, locked
from tests.waiting import PATIENCE_S

# If the demonstration ever used this account, it would fail; a real one would cost money.
REAL = json.dumps([{"name": "paid", "gateway": "anyfast", "base_url": "http://127.0.0.1:1", "api_key": "k"}])


LIMIT_S = 500.0
"""Fifteen seconds on an idle machine."""


def demo(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "producer.cli.main", "demo", *arguments],
        cwd=cwd,
        env=os.environ | {"REELQ_ACCOUNTS": REAL, "REELQ_DATABASE_URL": "postgresql://127.0.0.1:1/paid"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.fixture
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """What `pip install reelq[local]` gives."""
    wheels = [build(folder, tmp_path_factory.mktemp("wheel")) for folder in (ROOT, ROOT / "simulator")]
    extras = PROJECT["optional-dependencies"]
    wanted = chain.from_iterable(extras[name] for name in ("local", "backup", "media"))
    local = [re.split(r"[^\w-]", line)[0] for line in (*wanted, "multidict")]
    return Environment(tmp_path_factory.mktemp("installed"), wheels, [*locked("requirements.lock"), *local])


@pytest.mark.slow
def test_installed_in_an_empty_folder_it_checks_every_video_and_leaves_a_contact_sheet(
    installed: Environment, tmp_path: Path
) -> None:
    own = {"REELQ_ACCOUNTS": REAL, "REELQ_DATABASE_URL": "postgresql://127.0.0.1:1/paid"}
    code, printed = installed.reelq("demo", cwd=tmp_path, timeout_s=LIMIT_S, environ=own)
    assert code == 0, printed
    assert "12 of 12 in S3 are right" in printed
    [results] = (tmp_path / ".reelq" / "demo").iterdir()
    page = (results / "contact-sheet.html").read_text()
    assert page.count("<article>") == 12
    assert page.count("data:image/jpeg;base64,") == 12
    assert "橘猫" in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert sorted(path.name for path in (results / "videos").iterdir()) == [f"{n:02}.mp4" for n in range(1, 13)]
    with Image.open(results / "contact-sheet.png") as picture:
        assert picture.width > 1500
    assert not (tmp_path / ".reelq" / "stack.json").exists()


@pytest.mark.slow
def test_a_kept_demonstration_runs_until_it_is_stopped(tmp_path: Path) -> None:
    result = demo(tmp_path, "--keep", "--data-dir", str(tmp_path / "kept"))
    stack = json.loads((tmp_path / "kept" / "stack.json").read_text())
    supervisor = psutil.Process(stack["supervisor"])
    try:
        assert result.returncode == 0, result.stdout + result.stderr
        for link in (stack["api"], stack["flower"], stack["simulator"], f"kill {supervisor.pid}"):
            assert link in result.stdout
        with pytest.raises(StackError, match="already; stop it"):
            choose_directory(tmp_path / "kept")
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(PATIENCE_S)
    assert not (tmp_path / "kept" / "stack.json").exists()


def test_the_demonstration_stays_out_of_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert choose_directory(None) == Path(".reelq")
    assert choose_directory(None).name.startswith("reelq-demo-"), "another program made it: it has no demo.toml"
    Path(".reelq/demo.toml").touch()
    assert choose_directory(None) == Path(".reelq")
    Path(".reelq/stack.json").touch()
    assert choose_directory(None).name.startswith("reelq-demo-")
