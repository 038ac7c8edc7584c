"""Which way a command goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from producer.cli.doors.door import Door
from producer.cli.login.stored import api_of
from producer.cli.shared.data_dir import directory
from seedance.problems import InvalidInput, Problem
from storage.tenants.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from reelq_client import Reelq


def api_client(ctx: typer.Context, given: Path | None, tenant: str | None = None) -> Reelq | None:
    """A client of the API that commands use, closed with the command; None: they use the database here. `tenant`: that
    `--tenant` names.

    Raises:
        InvalidInput: `--tenant` is given although the key decides.
    """
    api = api_of(directory(ctx, given))
    if api is None:
        return None
    if tenant not in (None, DEFAULT_TENANT):
        raise InvalidInput([Problem("--tenant", f"cannot be given for {api.url}: the key decides whose jobs they are")])
    # Imported here, as below: each way needs what the other does not, and all of it takes long.
    from reelq_client import Reelq

    return ctx.with_resource(Reelq(api.url, api.key))


def open_door(ctx: typer.Context, given: Path | None, tenant: str = DEFAULT_TENANT) -> Door:
    """A door for a command.

    Raises:
        InvalidInput: the configuration cannot be used, or `--tenant` is given although the key decides.
        DatabaseUnavailable: the database does not answer or is not up to date.
    """
    if (reelq := api_client(ctx, given, tenant)) is None:
        from producer.cli.doors.here.jobs import DatabaseDoor
        from producer.cli.shared.producers import open_producer

        return DatabaseDoor(open_producer(ctx, given, tenant))
    from producer.cli.doors.there.jobs import ApiDoor

    return ApiDoor(reelq)
