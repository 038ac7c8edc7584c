"""From a command's options to the configuration, and from part of an id to a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import typer

from producer.cli.login.stored import api_of
from producer.cli.shared.data_dir import directory
from producer.errors import JobNotFound
from seedance.problems import InvalidInput, Problem
from storage.actors import Kind, acting, user_of
from storage.database import Connection, DatabaseUnavailable, connect
from storage.jobs import search

if TYPE_CHECKING:
    from storage.settings import Settings

MOST_ALIKE = 3
ONLY_THERE = (
    "`{command}` works only where the server's configuration is, not through {url}; run it there, or name the stack "
    "here with --data-dir"
)


def settings_of(ctx: typer.Context, given: Path | None) -> Settings:
    """The configuration, with the local stack of that data directory. What the command decides from here on is decided
    by this process's user.

    Raises:
        InvalidInput: it is not valid.
    """
    # Imported here: every gateway comes with it, an eighth of the time of `reelq jobs list --help`, which needs none.
    from storage.settings import load_settings

    where = directory(ctx, given)
    if (api := api_of(where)) is not None:
        raise InvalidInput([Problem("", ONLY_THERE.format(command=ctx.command_path, url=api.url))])
    ctx.with_resource(acting(user_of(Kind.COMMAND_LINE)))
    return load_settings(where, check_outbound=False)


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
    return the_job(text, lambda prefix: search.by_id(conn, tenant, prefix, MOST_ALIKE))


def the_job(text: str, beginning: Callable[[str], Sequence[UUID]]) -> UUID:
    """The same; `beginning` gives up to `MOST_ALIKE` jobs whose ids begin with a text.

    Raises:
        JobNotFound, InvalidInput: as `job_id_of`.
    """
    try:
        return UUID(text)
    except ValueError:
        pass
    if not text or not set(text.lower()) <= set("0123456789abcdef-"):
        raise JobNotFound(repr(text))
    found = beginning(text)
    if not found:
        raise JobNotFound(text)
    if len(found) > 1:
        several = ", ".join(str(job_id) for job_id in found)
        raise InvalidInput([Problem("", f"several jobs begin with {text}: {several}; give more of the id")])
    return found[0]
