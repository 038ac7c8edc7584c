"""`reelq db`: the database schema."""

from __future__ import annotations

import typer

from producer.cli.shared.access import settings_of
from producer.cli.shared.options import DataDir
from storage.database import connect, current_revision, newest_revision
from storage.database import upgrade as bring_up


def upgrade(ctx: typer.Context, data_dir: DataDir = None) -> None:
    """Upgrade the database schema. Brings it to the version that this program needs."""
    url = settings_of(ctx, data_dir).require_database_url()
    with connect(url) as conn:
        before = current_revision(conn)
    bring_up(url)
    if before == newest_revision():
        typer.echo(f"the database is up to date ({before})")
    else:
        typer.echo(f"the database is upgraded from {before or 'empty'} to {newest_revision()}")
