"""`docs/adding-a-gateway.md` is true: a gateway made by following it to the letter passes every check."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seedance.gateways.base import AttemptOptions, Dialect
from seedance.gateways.capabilities import Capabilities
from seedance.gateways.http_errors import ErrorForm

TEST = "tests/unit/project/test_adding_a_gateway.py"
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "adding-a-gateway.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COPIED = ("docs", "examples", "seedance", "simulator", "tests")
LIMIT_S = 170


def blocks(language: str) -> list[tuple[str, str]]:
    """The page's code blocks in a language: the file that each is for, and its text."""
    return [(name, text) for found, name, text in BLOCK.findall(PAGE) if found == language]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the page's gateway in it. What the page does not touch is linked."""
    copy = tmp_path_factory.mktemp("checkout")
    for path in ROOT.iterdir():
        if path.name in COPIED:
            shutil.copytree(path, copy / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif not path.name.startswith("."):
            (copy / path.name).symlink_to(path)
    (copy / ".venv").symlink_to(sys.prefix)
    for name, text in (*blocks("python"), *blocks("json"), *blocks("toml")):
        add(copy / name, text)
    for name, text in blocks("diff"):
        patch(copy / name, text)
    return copy


def add(path: Path, text: str) -> None:
    """Make a file, or add lines to one that is a list of lines."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a" if path.suffix == ".jsonl" else "x", encoding="utf-8") as file:
        file.write(text)


def patch(path: Path, diff: str) -> None:
    """Add each line with a plus after the line before it, which the file has once."""
    text, before = path.read_text(encoding="utf-8"), ""
    for line in diff.splitlines():
        if line.startswith("+"):
            assert text.count(f"\n{before}\n") == 1, f"{path.name}: {before!r}"
            text = text.replace(f"\n{before}\n", f"\n{before}\n{line[1:]}\n")
        before = line[1:]
    path.write_text(text, encoding="utf-8")


def run(checkout: Path, command: str) -> str:
    """Paste a command into a shell at the root of the checkout; what it printed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=checkout,
        env=inherited | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


def command(start: str) -> str:
    """The one command of the page that starts so."""
    (found,) = [line for _, text in blocks("sh") for line in text.splitlines() if line.startswith(start)]
    return found


def test_the_contract_suite_passes_with_the_simulator(checkout: Path) -> None:
    printed = run(checkout, command(".venv/bin/pytest -n 0 tests/contract") + " -v")
    ran = set(re.findall(r"^tests/contract/(\w+)\.py::.*\bexample\b.* PASSED", printed, re.MULTILINE))
    assert ran == {path.stem for path in (ROOT / "tests" / "contract").glob("test_*.py")}
    assert " skipped" not in printed


def test_the_tests_over_every_gateway_pass_once_the_tables_are_written(checkout: Path) -> None:
    run(checkout, command(".venv/bin/python -m tests.unit.project.gateway_tables"))
    assert "| example | seedance-2.0 | standard | `seedance-2` | 720p |" in (checkout / "docs/gateways.md").read_text(
        encoding="utf-8"
    )
    over_all = "tests/unit/project/test_gateways_doc.py tests/unit/simulator/test_simulator_fuzz.py"
    run(checkout, f".venv/bin/pytest -n 0 {over_all} -k 'tables or example'")


def test_the_code_passes_the_linter_and_the_type_checker(checkout: Path) -> None:
    names = " ".join(name for name, _ in (*blocks("python"), *blocks("diff")))
    run(checkout, f".venv/bin/ruff check {names} && .venv/bin/ruff format --check {names} && .venv/bin/mypy {names}")


def test_the_new_gateway_explains_a_job(checkout: Path) -> None:
    assert "POST https://api.example.com/api/video" in run(checkout, command("REELQ_ACCOUNTS="))


def test_the_steps_name_every_file_that_the_page_changes() -> None:
    steps = PAGE[: PAGE.index("## 1.")]
    named = set(re.findall(r"`((?:docs|examples|seedance|simulator|tests)/[^`]+)`", steps)) - {TEST}
    changed = {re.sub(r"example/\w+\.json$", "example/*.json", name) for _, name, _ in BLOCK.findall(PAGE) if name}
    assert named == changed | {"docs/gateways.md"}


def test_what_it_names_to_override_exists() -> None:
    rows = PAGE[PAGE.index("| the gateway …") : PAGE.index("Parts to build on")]
    owners = {"": Dialect, "Capabilities": Capabilities, "ErrorForm": ErrorForm, "attempt": AttemptOptions}
    named = re.findall(r"`(?:(\w+)[(.])?(\w+)\W", rows)
    assert len(named) > 10
    assert [(owner, name) for owner, name in named if not hasattr(owners[owner], name)] == []
