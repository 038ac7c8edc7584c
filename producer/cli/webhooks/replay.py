"""`reelq webhooks replay`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from producer.cli.doors.webhooks import open_webhooks
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json
from producer.cli.webhooks import endpoints
from producer.wording import plural
from seedance.problems import InvalidInput, Problem
from storage.tenants.tenants import DEFAULT_TENANT


def replay(
    ctx: typer.Context,
    messages: Annotated[list[str] | None, typer.Argument(metavar="[MESSAGE]...", help="Message ids.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Every message whose delivery was given up.")] = False,
    since: Annotated[
        datetime | None, typer.Option(help="Every message created since then.", show_default=False)
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Only messages to this endpoint.", show_default=False)] = None,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Send messages again. They keep their ids.

    Name messages, or select them with --dead, --since or both.
    """
    if messages and (dead or since or endpoint):
        raise InvalidInput([Problem("", "give either message ids, or --dead, --since or --endpoint")])
    door = open_webhooks(ctx, data_dir, tenant)
    endpoint_id = None if endpoint is None else endpoints.endpoint_id_of(door, endpoint)
    if messages:
        several = list(dict.fromkeys(messages))
        door.replay(several)
        number = len(several)
    else:
        at = since.astimezone() if since is not None else None
        number = door.replay_many(dead=dead, since=at, endpoint_id=endpoint_id)
    if as_json:
        print_json({"replayed": number})
    else:
        typer.echo(f"{plural(number, 'message')} will be sent again")
