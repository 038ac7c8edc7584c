"""`reelq db restore`: replace the database by a backup."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from producer.backups import restore as backups
from producer.backups.errors import BackupFailed
from producer.backups.reach import reachable
from producer.cli.shared.access import settings_of
from producer.cli.shared.confirmation import confirm
from producer.cli.shared.data_dir import directory
from producer.cli.shared.options import DataDir, Yes
from producer.wording import plural
from storage.settings import data_dir as default_dir


def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A dump of `reelq db dump`.")],
    yes: Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Replace the database by a backup. Stop every part first.

    It is restored as a whole or not at all. When the scheduler starts again, it compares the database with its journal
    in the bucket: jobs that were submitted after the backup are found and not submitted again.
    """
    place = default_dir(directory(ctx, data_dir))
    with reachable(settings_of(ctx, data_dir), place, create=True) as (url, alone):
        backup = backups.read_backup(url, file)
        if users := backups.users_of(url, alone=alone):
            raise BackupFailed(f"the database is in use by {', '.join(users)}; stop every part and try again")
        found = backups.contents_of(url)
        if found:
            confirm(f"Replace {_jobs(found)} at {backup.target.where} by the backup {file}?", yes)
        backups.restore(backup)
        restored = backups.contents_of(url)
    typer.echo(f"restored {_jobs(restored or {})} from {file}")
    typer.echo(
        "next: `reelq db upgrade`, then start the parts (`reelq up` does both); `reelq db status` shows the rest"
    )


def _jobs(states: Mapping[str, int]) -> str:
    if not states:
        return "no jobs"
    each = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{plural(sum(states.values()), 'job')} ({each})"
