"""The Makefile calls what is there."""

from __future__ import annotations

import os
import re
import subprocess
import venv
from pathlib import Path

import pytest

from tools.checkout_paths import make_relative

ROOT = Path(__file__).parents[3]


def test_every_file_and_module_that_a_target_names_exists() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    files = re.findall(r"[\w./-]+/[\w.-]+\.(?:py|lock|in|toml)\b", text)
    modules = [
        name.replace(".", "/") for name in re.findall(r"python -m ([\w.]+)", text) if name not in ("pip", "compileall")
    ]
    assert files and modules
    missing = [path for path in files if not (ROOT / path).exists()]
    missing += [path for path in modules if not ((ROOT / path).is_dir() or (ROOT / f"{path}.py").is_file())]
    assert missing == []


@pytest.mark.parametrize("uv", [True, False])
def test_make_setup_says_what_it_does_at_each_step(tmp_path: Path, uv: bool) -> None:
    """Seen: two minutes without a word. The programs are stand-ins that do nothing."""
    folder, programs = tmp_path / "venv", tmp_path / "programs"
    (folder / "bin").mkdir(parents=True)
    programs.mkdir()
    for program in (programs / "python", programs / "uv", folder / "bin" / "python"):
        program.write_text('#!/bin/sh\ntest "$1" != --version || echo Python 3.13.0\n')
        program.chmod(0o755)
    command = ["make", "setup", f"VENV={folder}", f"PYTHON={programs}/python", f"UV={programs / 'uv' if uv else ''}"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    steps = done.stdout.splitlines()
    assert [line.split(":")[0] for line in steps] == [f"setup {number} of 4" for number in range(1, 5)]
    assert "Python 3.13.0" in steps[0] and re.search(r"\d{2,} packages", steps[1]) and ("uv" in steps[1]) == uv
    assert (folder / ".installed").exists()


def test_a_checkout_in_a_folder_beyond_ascii_is_found_under_a_locale_that_the_machine_does_not_have(
    tmp_path: Path,
) -> None:
    """Seen: every command of the environment ended with UnicodeDecodeError before it began, with Python 3.11."""
    checkout = tmp_path / "Vidéo 项目"
    (checkout / "client").mkdir(parents=True)
    for file in ("here.py", "client/there.py"):
        (checkout / file).touch()
    venv.create(checkout / ".venv", symlinks=True)
    [packages] = checkout.glob(".venv/lib/python3*/site-packages")
    (packages / "_editable_impl_one.pth").write_text(f"{checkout}\n{checkout}", encoding="utf-8")
    (packages / "_editable_impl_two.pth").write_text(f"{checkout}/client", encoding="utf-8")
    make_relative(checkout / ".venv")
    make_relative(checkout / ".venv")
    command = [str(checkout / ".venv/bin/python"), "-c", "import here, there"]
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "xx_XX.UTF-8"}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("lint", "tests", "status"), [(0, 0, 0), (1, 0, 2), (0, 1, 2), (1, 5, 2)])
def test_make_test_fails_if_lint_or_the_tests_fail_and_shows_both(
    tmp_path: Path, lint: int, tests: int, status: int
) -> None:
    for name, code in (("ruff", 0), ("mypy", lint), ("pytest", tests)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {name} says {code}\nexit {code}\n")
        program.chmod(0o755)
    stamp = tmp_path / "installed"  # newer than the lock file: nothing is installed
    stamp.touch()
    command = ["make", "test", f"BIN={tmp_path}", f"STAMP={stamp}", f"VENV={tmp_path}"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert f"pytest says {tests}" in done.stdout
    assert ("make lint failed:" in done.stdout.splitlines()) == bool(lint)
    if lint:
        assert "mypy says 1" in done.stdout.rpartition("make lint failed:")[2], "the fault stands at the end"
