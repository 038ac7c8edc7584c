"""Imports run one way: seedance <- storage <- producer, worker; the simulator and the ways in stand apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("seedance", "storage", "producer", "worker", "simulator", "bench")
ALLOWED = {
    "seedance": {"seedance"},
    "storage": {"seedance", "storage"},
    "worker": {"seedance", "storage", "worker"},
    # The commands start the simulator; nothing else of ours knows it.
    "producer": {"seedance", "storage", "producer", "simulator"},
    # An independent reading of the gateways' documents: it must not share our mistakes.
    "simulator": {"simulator"},
    "bench": set(PACKAGES),
}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        ours = set(imported(path)) & set(PACKAGES)
        assert ours <= ALLOWED[package], f"{path.relative_to(ROOT)} imports {sorted(ours - ALLOWED[package])}"


def test_only_the_client_speaks_http_in_seedance() -> None:
    for path in (ROOT / "seedance").rglob("*.py"):
        if path.name != "client.py":
            assert not set(imported(path)) & {"httpx", "aiohttp", "requests", "urllib3"}, path


def test_storage_knows_no_celery_and_no_http() -> None:
    for path in (ROOT / "storage").rglob("*.py"):
        assert not set(imported(path)) & {"celery", "kombu", "httpx", "aiohttp", "fastapi"}, path
