"""`reelq db`: the schema."""

from __future__ import annotations

import typer

from producer.cli.options import DataDir, settings_of

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The database."""


@app.command()
def upgrade(ctx: typer.Context, data_dir: DataDir = None) -> None:
    """Bring the schema to the version this program needs."""
    from storage.database import connect, current_revision, newest_revision
    from storage.database import upgrade as bring_up

    url = settings_of(ctx, data_dir).require_database_url()
    with connect(url) as conn:
        before = current_revision(conn)
    bring_up(url)
    if before == newest_revision():
        typer.echo(f"the database is up to date ({before})")
    else:
        typer.echo(f"the database went from {before or 'empty'} to {newest_revision()}")
