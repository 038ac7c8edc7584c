"""`reelq db`: the database schema."""

from __future__ import annotations

import typer

from producer.cli.shared.access import settings_of
from producer.cli.shared.options import DataDir
from storage.database import connect
from storage.database import upgrade as bring_up
from storage.revisions import current_revision, newest_revision


def upgrade(ctx: typer.Context, data_dir: DataDir = None) -> None:
    """Upgrade the database schema. Brings it to the version that this program needs."""
    url = settings_of(ctx, data_dir).require_database_url()
    with connect(url) as conn:
        before = current_revision(conn)
    bring_up(url)
    newest = newest_revision()
    if before == newest:
        typer.echo(f"the database is up to date ({before})")
    elif before is not None and before > newest:
        typer.echo(f"the database is newer than this program ({before}, not {newest}) and fits it; nothing was changed")
    else:
        typer.echo(f"the database is upgraded from {before or 'empty'} to {newest}")
