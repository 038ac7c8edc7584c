"""Which way a command goes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import typer

from producer.cli.doors.door import Door
from producer.cli.login.stored import Login, stored_login
from producer.cli.shared.data_dir import directory
from seedance.problems import InvalidInput, Problem
from storage.settings import STACK_FILE, config_path, data_dir
from storage.tenants.tenants import DEFAULT_TENANT

URL, KEY = "REELQ_API_URL", "REELQ_API_KEY"


def api_of(given: Path | None, environ: Mapping[str, str] = os.environ) -> Login | None:
    """The API that commands use; None: the database here. `REELQ_API_URL` decides; else the API of `reelq login` is
    used where no database is configured and no local stack runs."""
    if url := environ.get(URL):
        stored = stored_login(environ)
        key = environ.get(KEY) or (stored.key if stored is not None and stored.url == url.rstrip("/") else None)
        return Login(url.rstrip("/"), key)
    here = (
        given is not None
        or "REELQ_DATABASE_URL" in environ
        or (data_dir(given, environ) / STACK_FILE).exists()
        or config_path(environ) is not None
    )
    return None if here else stored_login(environ)


def open_door(ctx: typer.Context, given: Path | None, tenant: str = DEFAULT_TENANT) -> Door:
    """A door for a command.

    Raises:
        InvalidInput: the configuration cannot be used, or `--tenant` is given although the key decides.
        DatabaseUnavailable: the database does not answer or is not up to date.
    """
    api = api_of(directory(ctx, given))
    if api is None:
        # Imported here, as below: each way needs what the other does not, and all of it takes long.
        from producer.cli.doors.database_door import DatabaseDoor
        from producer.cli.shared.producers import open_producer

        return DatabaseDoor(open_producer(ctx, given, tenant))
    if tenant != DEFAULT_TENANT:
        raise InvalidInput([Problem("--tenant", f"cannot be given for {api.url}: the key decides whose jobs they are")])
    from reelq_client import Reelq

    from producer.cli.doors.api_door import ApiDoor

    return ApiDoor(Reelq(api.url, api.key))
