"""What the client's wheel holds, and that it runs with httpx and pydantic alone, on Python 3.10 as far as that can be
seen without one: the linter knows its syntax and its standard library."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.integration.packaging.environment import PROJECT, ROOT, Environment, build
from tests.integration.packaging.test_wheels import names, requirements

CLIENT = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BELOW = ["anyio", "certifi", "h11", "httpcore", "idna", "annotated-types", "pydantic-core"]
BELOW += ["typing-extensions", "typing-inspection"]
NEW_IN_3_11 = {"tomllib", "wsgiref.types"}
NEW_NAMES = re.compile(
    r"\b(?:from typing import .*\b(?:Self|Unpack|Required|NotRequired|assert_never|Never|LiteralString)\b"
    r"|from datetime import .*\bUTC\b|from enum import .*\bStrEnum\b|asyncio\.(?:timeout|TaskGroup|Runner)"
    r"|ExceptionGroup|except\*|hashlib\.file_digest)"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT / "client", tmp_path_factory.mktemp("client"))


def test_only_reelq_client_is_installed(wheel: Path) -> None:
    held = {name for name in names(wheel) if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in held} == {"reelq_client"}
    there = {
        path.relative_to(ROOT / "client").as_posix()
        for path in (ROOT / "client" / "reelq_client").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == there and "reelq_client/py.typed" in held
    assert {re.split(r"[^\w-]", line)[0] for line in requirements(wheel)} == {"httpx", "pydantic"}


def test_it_is_of_the_servers_version() -> None:
    assert CLIENT["version"] == PROJECT["version"]
    assert (ROOT / "client" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_it_runs_in_an_empty_environment_with_warnings_as_errors(
    wheel: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alone = Environment(tmp_path_factory.mktemp("client"), [wheel], ["httpx", "pydantic", *BELOW])
    code = (
        "import sys; from reelq_client import Reelq, ConnectionFailed; from reelq_client.webhooks import verify\n"
        "try:\n    Reelq('http://127.0.0.1:1', max_retries=0).jobs.create('a fox', duration=5)\n"
        "except ConnectionFailed as exc:\n    print(exc.never_sent)\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted({'storage', 'worker', 'producer', 'seedance', 'bench'} & loaded))\n"
    )
    done = alone.run("-W", "error", "-c", code, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "True\n[]\n"), done.stderr


def test_nothing_in_it_is_newer_than_python_3_10(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--target-version", "py310", "--select", "UP,F,E9", "--no-cache"]
    done = subprocess.run([*command, "client"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    for path in (ROOT / "client").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, feature_version=(3, 10))
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not imported & NEW_IN_3_11, path
        assert not NEW_NAMES.search(text), path
