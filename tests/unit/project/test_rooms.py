"""Folders and files stay small enough to read."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MOST_FILES = 25
MOST_LINES = 450
FOLDERS = ("seedance", "storage", "producer", "worker", "client", "simulator", "bench", "tests")
# Alembic reads one folder, and its files are numbered.
MIGRATIONS = ROOT / "storage/migrations/versions"


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_folder_holds_too_many_files(folder: str) -> None:
    held: dict[Path, int] = {}
    for path in (ROOT / folder).rglob("*.py"):
        held[path.parent] = held.get(path.parent, 0) + 1
    assert held, f"{folder} is empty"
    full = {str(at.relative_to(ROOT)): number for at, number in held.items() if number > MOST_FILES}
    full.pop(str(MIGRATIONS.relative_to(ROOT)), None)
    assert not full, f"more than {MOST_FILES} Python files: make rooms by content"


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_is_too_long(folder: str) -> None:
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in (ROOT / folder).rglob("*.py")}
    long = {str(path.relative_to(ROOT)): number for path, number in lines.items() if number > MOST_LINES}
    assert not long, f"more than {MOST_LINES} lines: split it by idea"
