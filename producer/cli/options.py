"""Options that commands share, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storage.tenants.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from producer.client import Producer
    from storage.database import Connection
    from storage.settings import Settings

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Where the local stack lives (REELQ_DATA_DIR, else ./.reelq)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Discard = Annotated[
    bool, typer.Option("--discard", help="Also give up jobs that were submitted; they are billed all the same.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
OfTenant = Annotated[str, typer.Option("--tenant", help="Whose; see `reelq tenants list`.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until nothing more happens by itself.")]


def directory(ctx: typer.Context, given: Path | None) -> Path | None:
    """The data directory given to the command, or before it to `reelq` itself."""
    remembered: Path | None = ctx.find_root().ensure_object(dict).get("data_dir")
    return given or remembered


def settings_of(ctx: typer.Context, given: Path | None) -> Settings:
    """The configuration in force, with the local stack of that data directory.

    Raises:
        InvalidInput: it cannot be used.
    """
    from storage.settings import load_settings

    return load_settings(directory(ctx, given))


def open_producer(ctx: typer.Context, given: Path | None, tenant: str = DEFAULT_TENANT) -> Producer:
    """A producer whose database is known to answer and to be up to date.

    Raises:
        InvalidInput: the configuration cannot be used.
        DatabaseUnavailable: the database does not answer or is not up to date.
    """
    from producer.client import Producer
    from storage.database import DatabaseUnavailable, connect, current_revision, newest_revision

    settings = settings_of(ctx, given)
    with connect(settings.require_database_url()) as conn:
        if (found := current_revision(conn)) != newest_revision():
            stands = f"at {found}" if found else "empty"
            raise DatabaseUnavailable(f"the database is {stands}, not at {newest_revision()}; run `reelq db upgrade`")
    return Producer(settings, tenant=tenant)


def job_id_of(conn: Connection, tenant: str, text: str) -> UUID:
    """The job a person means by an id or by its beginning.

    Raises:
        JobNotFound: no id begins so.
        InvalidInput: several do.
    """
    from uuid import UUID

    from producer.errors import JobNotFound
    from seedance.problems import InvalidInput, Problem
    from storage.jobs import search

    try:
        return UUID(text)
    except ValueError:
        pass
    if not text or not set(text.lower()) <= set("0123456789abcdef-"):
        raise JobNotFound(repr(text))
    found = search.by_id(conn, tenant, text, 3)
    if not found:
        raise JobNotFound(text)
    if len(found) > 1:
        several = ", ".join(str(job_id) for job_id in found)
        raise InvalidInput([Problem("", f"several jobs begin with {text}: {several}; give more of the id")])
    return found[0]


def job_ids_of(producer: Producer, texts: list[str]) -> Iterator[UUID]:
    """`job_id_of` for several, each one once."""
    with producer.database.begin() as conn:
        return iter(dict.fromkeys([job_id_of(conn, producer.tenant, text) for text in texts]))
