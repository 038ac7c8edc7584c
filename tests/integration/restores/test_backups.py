"""`reelq db dump` and `restore` as an operator runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from producer.backups import programs
from producer.backups.dump import dump_file
from producer.backups.errors import BackupFailed
from producer.backups.restore import read_backup
from producer.client import Producer
from producer.local.servers.wheels import postgres_bin
from storage import heartbeats
from storage.database import Limits, connect, limit
from storage.settings import Settings
from tests.integration.api.api_server import with_account
from tests.servers import TestServers, environ_for


def reelq(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "producer.cli.main", *arguments],
        env=dict(os.environ) | environ_for(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def count(url: str) -> int:
    with connect(url) as conn:
        row = conn.execute("SELECT count(*) FROM jobs").fetchone()
    assert row is not None
    return int(row[0])


def test_a_dump_is_restored_whole_or_not_at_all(settings: Settings, tmp_path: Path, servers: TestServers) -> None:
    url, file = settings.require_database_url(), tmp_path / "backup.dump"
    with Producer(with_account(settings)) as producer:
        producer.enqueue_many([{"prompt": "it's a \\ 猫"}, {"prompt": "b"}])
    done = reelq(settings, "db", "dump", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert file.stat().st_mode & 0o777 == 0o600
    with Producer(with_account(settings)) as producer:
        producer.enqueue(prompt="c")

    refused = reelq(settings, "db", "restore", str(file))
    assert refused.returncode == 2
    assert "Replace 3 jobs (3 queued)" in refused.stderr
    with connect(url, name="reelq worker") as conn:
        limit(conn, Limits(idle_s=0.0))  # a loaded machine takes longer than 10 s to start the command
        used = reelq(settings, "db", "restore", str(file), "--yes")
        assert used.returncode == 2
        assert "in use by worker" in used.stderr
    assert count(url) == 3

    cut = tmp_path / "cut.dump"
    cut.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    broken = reelq(settings, "db", "restore", str(cut), "--yes")
    assert broken.returncode == 2
    assert "Traceback" not in broken.stderr
    assert count(url) == 3

    restored = reelq(settings, "db", "restore", str(file), "--yes")
    assert (restored.returncode, restored.stderr) == (0, "")
    assert "restored 2 jobs (2 queued)" in restored.stdout
    status = reelq(settings, "db", "status")
    assert status.returncode == 1
    assert "has not compared it with its journal yet" in status.stdout
    asked = reelq(settings, "db", "confirm")
    assert asked.returncode == 2
    assert "Submit 2 jobs, at least USD 5.00" in asked.stderr
    assert reelq(settings, "db", "confirm", "--yes").returncode == 0
    assert reelq(settings, "db", "status").returncode == 0
    assert count(url) == 2
    with servers.database(migrated=False) as empty:
        elsewhere = settings.model_copy(update={"database_url": empty})
        moved = reelq(elsewhere, "db", "restore", str(file))  # nothing to replace, nothing to ask
        assert moved.returncode == 0, moved.stderr
        assert count(empty) == 2


def test_a_part_that_still_beats_is_waited_for_and_then_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from producer.backups import restore

    monkeypatch.setattr(restore, "IN_USE_S", 1.0)
    url = settings.require_database_url()
    with connect(url) as conn:
        heartbeats.beat(conn, "scheduler", "elsewhere")
    assert restore.users_of(url) == []
    with connect(url) as conn:
        conn.execute("UPDATE heartbeats SET seen_at = now() + interval '1 hour'")
    assert restore.users_of(url) == ["scheduler"]
    assert restore.users_of(url, alone=True) == []


def test_other_files_are_refused(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no dump")
    refused = reelq(settings, "db", "restore", str(file), "--yes")
    assert refused.returncode == 2
    assert "is not a dump" in refused.stderr


def test_without_programs_of_the_servers_version_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_version", lambda _directory: 15)
    with pytest.raises(BackupFailed, match="postgresql-client-18"):
        programs.programs_since(18)
    assert [found.major for found in programs.programs_since(15)] == [15]


def test_a_dump_of_newer_programs_than_the_servers_is_read_by_newer_ones(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, file, old = settings.require_database_url(), tmp_path / "backup.dump", tmp_path / "old"
    dump_file(url, file)
    old.mkdir()
    for name in programs.NAMES:
        (old / name).write_text(
            "#!/bin/sh\necho 'pg_restore: error: unsupported version (1.16) in file header' >&2; exit 1"
        )
        (old / name).chmod(0o755)
    real = postgres_bin()
    major = {old: programs.target_of(url).major, real: 99}
    monkeypatch.setattr(programs, "_directories", lambda: [old, real])
    monkeypatch.setattr(programs, "_version", major.get)
    assert read_backup(url, file).programs.directory == real
    monkeypatch.setattr(programs, "_directories", lambda: [old])
    with pytest.raises(BackupFailed, match="made by a newer pg_dump than that of PostgreSQL"):
        read_backup(url, file)
