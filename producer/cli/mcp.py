"""`reelq mcp`: the tools of the Model Context Protocol over standard input and output."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from producer.cli.shared.options import DataDir
from producer.cli.shared.producers import open_producer
from producer.client import Producer
from seedance.problems import InvalidInput, Problem
from storage.actors import actor_of_key
from storage.bucket.objects import Objects
from storage.reporting.ark_tasks import LINK_S
from storage.tenants import keys
from storage.tenants.keys import ALL_SCOPES
from storage.tenants.tenants import DEFAULT_TENANT


def serve(
    ctx: typer.Context,
    tenant: Annotated[
        str | None, typer.Option(help="The tenant whose jobs to make. Default: the key's, else default.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            envvar="REELQ_API_KEY", help="A key: its tenant, its scopes and its purse apply.", show_default=False
        ),
    ] = None,
    files: Annotated[
        Path | None,
        typer.Option(help="Take local files from this folder. Default: none are taken.", file_okay=False, exists=True),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve an agent over standard input and output. The API serves the same tools at /mcp."""
    if find_spec("mcp") is None:
        raise InvalidInput([Problem("mcp", "is not installed; run `pip install 'reelq[mcp]'`")])
    with open_producer(ctx, data_dir, tenant or DEFAULT_TENANT) as producer:
        asyncio.run(_serve(producer, key, tenant, files))


async def _serve(producer: Producer, key: str | None, tenant: str | None, files: Path | None) -> None:
    from producer.api.mcp.desk import Desk
    from producer.api.mcp.tools import make_server

    objects = Objects(producer.settings)

    def find() -> Desk:
        own, scopes = (producer, ALL_SCOPES) if key is None else _of_key(producer, key, tenant)
        return Desk(own, scopes, lambda _job, _what, stored: objects.link(stored, LINK_S), files)

    async def desk_of(_request: Any) -> Desk:
        return await asyncio.to_thread(find)  # each time: a key may be revoked at any time

    await asyncio.to_thread(find)
    await make_server(desk_of, asyncio.to_thread).run_stdio_async()


def _of_key(producer: Producer, key: str, tenant: str | None) -> tuple[Producer, frozenset[str]]:
    """The producer of a key's tenant, and what the key may do.

    Raises:
        InvalidInput: the key is unknown, was revoked or has expired, or belongs to another tenant.
    """
    public = keys.key_id(key)
    with producer.database.begin() as conn:
        found = None if public is None else keys.find(conn, public)
    if found is None or not found.matches(key):
        raise InvalidInput([Problem("key", "is unknown, was revoked or has expired")])
    if tenant not in (None, found.tenant):
        raise InvalidInput([Problem("tenant", f"the key is one of tenant {found.tenant}")])
    own = producer.as_tenant(found.tenant, actor_of_key(found.name, found.id))
    return own, keys.effective_scopes(found.scopes, found.tenant)
