"""Producers, for commands that enqueue jobs or decide about them. Commands that only read do without: what a producer
imports would make them a tenth slower."""

from __future__ import annotations

from pathlib import Path

import typer

from producer.cli.shared.access import settings_of
from producer.client import Producer
from storage.database import connect
from storage.revisions import check_schema
from storage.tenants.tenants import DEFAULT_TENANT


def open_producer(
    ctx: typer.Context, given: Path | None, tenant: str = DEFAULT_TENANT, *, checked: bool = False
) -> Producer:
    """A producer whose database answers and is up to date. `checked`: the command has just seen that it is.

    Raises:
        InvalidInput: the configuration cannot be used.
        DatabaseUnavailable: the database does not answer or is not up to date.
    """
    settings = settings_of(ctx, given)
    if not checked:
        with connect(settings.require_database_url()) as conn:
            check_schema(conn)
    return Producer(settings, tenant=tenant, hints=False)
