"""Where a test run's servers keep their files."""

from __future__ import annotations

from pathlib import Path

from tests.in_memory import quick_directory

ENOUGH, TOO_MUCH = 1, 2**60


def test_files_in_memory_are_gone_at_the_end_and_logs_are_kept(tmp_path: Path) -> None:
    disk, memory = tmp_path / "disk", tmp_path / "memory"
    disk.mkdir()
    memory.mkdir()
    with quick_directory(disk, memory, ENOUGH) as directory:
        assert directory.parent == memory
        for server in ("first", "second"):
            (directory / server).mkdir()
            (directory / server / "server.log").write_text(f"{server} is ready")
        with quick_directory(disk, memory, ENOUGH) as other:
            assert directory.is_dir() and other != directory, "a directory in use stays"
    assert list(memory.iterdir()) == []
    for server in ("first", "second"):
        assert (disk / server / "server.log").read_text() == f"{server} is ready"


def test_what_a_killed_run_has_left_is_removed(tmp_path: Path) -> None:
    abandoned = tmp_path / "reelq-tests-of-a-killed-run"
    abandoned.mkdir()
    (abandoned / "lock").touch()
    with quick_directory(tmp_path / "disk", tmp_path, ENOUGH):
        assert not abandoned.exists()


def test_without_room_in_memory_the_disk_is_used(tmp_path: Path) -> None:
    for memory, free in ((tmp_path, TOO_MUCH), (tmp_path / "missing", ENOUGH)):
        with quick_directory(tmp_path / "disk", memory, free) as directory:
            assert directory == tmp_path / "disk"
