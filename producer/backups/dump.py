"""Dump the database into one file, with PostgreSQL's own program."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import BinaryIO

from producer.backups.programs import failure_of, programs_since, target_of


def dump_to(url: str, output: BinaryIO) -> None:
    """Write a dump of reelq's schema, as one consistent snapshot, while everything runs.

    Raises:
        BackupFailed: no program fits the server, or it failed.
    """
    target = target_of(url)
    programs = programs_since(target.major)[0]
    schema = '"{}"'.format(target.schema.replace('"', '""'))
    command = [programs.path("pg_dump"), "--format=custom", "--no-owner", "--no-privileges", f"--schema={schema}"]
    done = subprocess.run(
        [*command, f"--dbname={target.conninfo}"],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        env=dict(target.environ),
        check=False,
    )
    if done.returncode == -signal.SIGPIPE:
        raise BrokenPipeError
    if done.returncode != 0:
        raise failure_of("pg_dump", done.returncode, done.stderr.decode(errors="replace"))


def dump_file(url: str, path: Path) -> int:
    """Write a dump into a file that only its owner may read; it gets its name once it is whole. Returns its size in
    bytes.

    Raises:
        BackupFailed: as `dump_to`; no file is left behind.
        OSError: the file cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            dump_to(url, file)
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return path.stat().st_size
