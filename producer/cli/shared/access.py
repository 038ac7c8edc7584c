"""From a command's options to the configuration, and from part of an id to a job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import typer

from producer.cli.shared.data_dir import directory
from producer.errors import JobNotFound
from seedance.problems import InvalidInput, Problem
from storage.actors import acting, user_of
from storage.database import Connection, DatabaseUnavailable, connect
from storage.jobs import search

if TYPE_CHECKING:
    from storage.settings import Settings


def settings_of(ctx: typer.Context, given: Path | None) -> Settings:
    """The configuration, with the local stack of that data directory. What the command decides from here on is decided
    by this process's user.

    Raises:
        InvalidInput: it is not valid.
    """
    # Imported here: every gateway comes with it, an eighth of the time of `reelq jobs list --help`, which needs none.
    from storage.settings import load_settings

    ctx.with_resource(acting(user_of("command line")))
    return load_settings(directory(ctx, given))


def accounts_of(ctx: typer.Context, given: Path | None) -> Settings:
    """The configuration, with the accounts of the database as far as it answers.

    Raises:
        InvalidInput: it is not valid.
    """
    settings = settings_of(ctx, given)
    if settings.database_url is None:
        return settings
    from storage.accounts.live import with_accounts

    try:
        with connect(settings.database_url) as conn:
            return with_accounts(conn, settings)
    except DatabaseUnavailable:  # the command says so itself if it needs the database
        return settings


def job_id_of(conn: Connection, tenant: str, text: str) -> UUID:
    """The job of an id or of its first characters.

    Raises:
        JobNotFound: no id begins with them.
        InvalidInput: several do.
    """
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
