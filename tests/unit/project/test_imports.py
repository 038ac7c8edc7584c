"""Imports run one way: between the top-level folders, between the rooms inside them, and between files."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("seedance", "storage", "producer", "worker", "simulator", "bench", "tools")
ALLOWED = {
    "seedance": {"seedance"},
    "storage": {"seedance", "storage"},
    "worker": {"seedance", "storage", "worker"},
    "producer": {"seedance", "storage", "producer"},
    # An independent reading of the gateways' documents: it must not share our mistakes.
    "simulator": {"simulator"},
    "bench": {*PACKAGES} - {"tools"},
    "tools": {"seedance", "storage", "tools"},
}


def modules(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    found = {}
    for path in (ROOT / package).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imported(path: Path) -> frozenset[str]:
    """Dotted names that a file imports, at the top or inside a function."""
    return frozenset(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module


def graph(package: str) -> dict[str, set[str]]:
    """Module by module, which of the same package it imports."""
    known = modules(package)
    return {name: {other for other in imported(path) if other in known} - {name} for name, path in known.items()}


def rooms(package: str) -> dict[str, set[str]]:
    """The same between rooms: a room is a folder directly below the package, or a file that lies there."""

    def room(module: str) -> str:
        return ".".join(module.split(".")[:2])

    found: dict[str, set[str]] = {}
    for name, others in graph(package).items():
        if name != package:
            found.setdefault(room(name), set()).update(
                room(o) for o in others if o != package and room(o) != room(name)
            )
    return found


def circle(edges: Mapping[str, set[str]]) -> list[str]:
    """One circle, or nothing."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as exc:
        return list(exc.args[1])
    return []


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way_between_folders(package: str) -> None:
    for path in modules(package).values():
        ours = {name.split(".")[0] for name in imported(path)} & set(PACKAGES)
        assert ours <= ALLOWED[package], f"{path.relative_to(ROOT)} imports {sorted(ours - ALLOWED[package])}"


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way_between_rooms(package: str) -> None:
    assert circle(rooms(package)) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_files_import_each_other(package: str) -> None:
    edges = graph(package)
    # A package's own file is imported with every module in it; it is no circle unless it imports them back.
    assert (
        circle(
            {name: {other for other in others if not name.startswith(f"{other}.")} for name, others in edges.items()}
        )
        == []
    )


def test_only_the_client_speaks_http_in_seedance() -> None:
    network = ROOT / "seedance" / "network"
    files = ("sessions.py", "public_hosts.py", "direct.py", "wire.py", "http_messages.py", "failures.py")
    speaking = {ROOT / "seedance" / "client.py", *(network / name for name in files)}
    for path in (ROOT / "seedance").rglob("*.py"):
        if path not in speaking:
            assert not {name.split(".")[0] for name in imported(path)} & {"httpx", "aiohttp", "requests", "urllib3"}, (
                path
            )


def test_storage_knows_no_celery_and_only_one_file_speaks_http() -> None:
    for path in (ROOT / "storage").rglob("*.py"):
        if path == ROOT / "storage" / "bucket" / "connection.py":
            continue
        assert not {name.split(".")[0] for name in imported(path)} & {
            "celery",
            "kombu",
            "httpx",
            "aiohttp",
            "fastapi",
        }, path


@pytest.mark.parametrize("package", ["seedance", "storage", "worker", "producer"])
def test_every_session_goes_the_configured_way(package: str) -> None:
    """A session that is made elsewhere knows neither the proxy nor the private authorities."""
    making = {"aiohttp.ClientSession(", "aiohttp.TCPConnector(", "aiohttp.request("}
    for path in (ROOT / package).rglob("*.py"):
        if path != ROOT / "seedance" / "network" / "sessions.py":
            assert not {word for word in making if word in path.read_text(encoding="utf-8")}, path
