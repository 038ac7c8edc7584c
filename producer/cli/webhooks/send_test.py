"""`reelq webhooks test`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from producer.cli.doors.webhooks import WebhooksDoor, open_webhooks
from producer.cli.shared.formatting import clean
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json
from producer.cli.webhooks import endpoints
from producer.operator_actions import webhooks
from storage.tenants.tenants import DEFAULT_TENANT
from storage.webhooks.messages import MessageView

TEST_S = 30.0
_POLL_S = 0.2


def send_test(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="URL|ENDPOINT", help="The URL or the endpoint that receives it.")],
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Send a test event once and print the answer. Exit code 1 if the receiver does not accept it."""
    door = open_webhooks(ctx, data_dir, tenant)
    is_url = "://" in target
    endpoint_id = None if is_url else endpoints.endpoint_id_of(door, target)
    sent = door.send_test(target if is_url else None, endpoint_id)
    found = _outcome(door, sent)
    if as_json:
        print_json(webhooks.message_document(found))
    else:
        _print_outcome(found, sent)
    if found.state != "delivered":
        raise typer.Exit(1)


def _outcome(door: WebhooksDoor, sent: str) -> MessageView:
    give_up = time.monotonic() + TEST_S
    while True:
        found = door.message(sent)
        if found.due_at is None:
            return found
        if time.monotonic() > give_up:
            raise TimeoutError(f"{sent} was not sent within {TEST_S:.0f} s; run `reelq doctor` to check the workers")
        time.sleep(_POLL_S)


def _print_outcome(found: MessageView, sent: str) -> None:
    if found.last_status is None:
        typer.echo(f"{sent}: no answer: {found.last_error}")
    else:
        accepted = "accepted" if found.state == "delivered" else "not accepted"
        typer.echo(f"{sent}: HTTP {found.last_status}, {accepted}")
    if found.last_answer:
        typer.echo(clean(found.last_answer))
