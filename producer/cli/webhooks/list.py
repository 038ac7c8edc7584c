"""`reelq webhooks list`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from producer.cli.doors.webhooks import open_webhooks
from producer.cli.shared.formatting import ago
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json, print_table
from producer.cli.webhooks import endpoints
from producer.operator_actions.webhooks import endpoint_document, message_document
from seedance.problems import InvalidInput, Problem
from storage.tenants.tenants import DEFAULT_TENANT
from storage.webhooks.messages import MessageState, MessageView, webhook_id


def list_webhooks(
    ctx: typer.Context,
    state: Annotated[
        list[str] | None, typer.Option(help="pending, retrying, delivered or dead; repeat for more.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Only messages to this endpoint.", show_default=False)] = None,
    job: Annotated[str | None, typer.Option(help="Only messages about this job.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The maximum number of messages.")] = 20,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List endpoints and messages, newest message first. Messages to the webhook_url of jobs are included."""
    door = open_webhooks(ctx, data_dir, tenant)
    states = _states(state or [])
    job_id = None if job is None else door.job_id(job)
    endpoint_id = None if endpoint is None else endpoints.endpoint_id_of(door, endpoint)
    found = door.endpoints()
    messages = door.messages(states, endpoint_id, job_id, limit)
    if as_json:
        print_json(
            {
                "endpoints": [endpoint_document(item) for item in found],
                "messages": [message_document(item) for item in messages],
            }
        )
        return
    endpoints.print_endpoints(found)
    _print_messages(messages)


def _states(states: list[str]) -> list[MessageState]:
    if strange := [state for state in states if state not in list(MessageState)]:
        raise InvalidInput([Problem("--state", f"{strange[0]!r} is unknown; use one of: {', '.join(MessageState)}")])
    return [MessageState(state) for state in states]


def _print_messages(messages: Sequence[MessageView]) -> None:
    if not messages:
        typer.echo("no messages", err=True)
        return
    print_table(
        ["MESSAGE", "TYPE", "STATE", "AGE", "ATTEMPTS", "JOB", "ANSWER"],
        [
            [
                webhook_id(item.id),
                item.type,
                item.state,
                ago(item.created_at).removesuffix(" ago"),
                item.attempts,
                item.job_id or "-",
                item.last_error or item.last_status or "-",
            ]
            for item in messages
        ],
        optional="JOB",
    )
