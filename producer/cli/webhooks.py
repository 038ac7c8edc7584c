"""`reelq webhooks`: who is told of what, what was told, and telling it again."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from producer.cli import webhook_endpoints
from producer.cli.options import AsJson, DataDir, OfTenant, settings_of
from storage.tenants.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from storage.settings import Settings
    from storage.webhooks.messages import MessageFilter, MessageView

app = typer.Typer(help="Webhooks: endpoints, and what they were told.", no_args_is_help=True)
app.command("add")(webhook_endpoints.add)
app.command("remove")(webhook_endpoints.remove)
app.command("rotate")(webhook_endpoints.rotate)
app.command("enable")(webhook_endpoints.enable)
app.command("disable")(webhook_endpoints.disable)

TEST_S = 30.0
_POLL_S = 0.2


@app.command("list")
def list_webhooks(
    ctx: typer.Context,
    state: Annotated[
        list[str] | None, typer.Option(help="pending, retrying, delivered or dead; may be repeated.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Only to this endpoint.", show_default=False)] = None,
    job: Annotated[str | None, typer.Option(help="Only of this job.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many messages, the newest first.")] = 20,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List endpoints, and the messages to them and to the webhook_url of jobs, the newest first."""
    from producer.cli.output import print_json
    from producer.operator_actions.webhooks import endpoint_document, message_document
    from storage.database import connect
    from storage.webhooks.endpoints import list_endpoints
    from storage.webhooks.messages import list_messages

    settings = settings_of(ctx, data_dir)
    wanted = _filter(settings, tenant, state or [], endpoint, job)
    with connect(settings.require_database_url()) as conn:
        endpoints = list_endpoints(conn, tenant)
        messages = list_messages(conn, wanted, limit=limit)
    if as_json:
        print_json(
            {
                "endpoints": [endpoint_document(item) for item in endpoints],
                "messages": [message_document(item) for item in messages],
            }
        )
        return
    webhook_endpoints.print_endpoints(endpoints)
    _print_messages(messages)


def _filter(settings: Settings, tenant: str, states: list[str], endpoint: str | None, job: str | None) -> MessageFilter:
    from producer.cli.options import job_id_of
    from seedance.problems import InvalidInput, Problem
    from storage.database import connect
    from storage.webhooks.messages import MessageFilter, MessageState

    if strange := [state for state in states if state not in list(MessageState)]:
        raise InvalidInput([Problem("--state", f"{strange[0]!r} is none; there is {', '.join(MessageState)}")])
    job_id = None
    if job is not None:
        with connect(settings.require_database_url()) as conn:
            job_id = job_id_of(conn, tenant, job)
    return MessageFilter(
        tenant,
        states=[MessageState(state) for state in states] or None,
        endpoint_id=None if endpoint is None else webhook_endpoints.endpoint_id_of(settings, tenant, endpoint),
        job_id=job_id,
    )


def _print_messages(messages: list[MessageView]) -> None:
    from producer.cli.output import ago, print_table
    from storage.webhooks.messages import webhook_id

    if not messages:
        typer.echo("no messages", err=True)
        return
    print_table(
        ["MESSAGE", "TYPE", "STATE", "AGE", "TRIED", "JOB", "ANSWER"],
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


@app.command()
def replay(
    ctx: typer.Context,
    messages: Annotated[list[str] | None, typer.Argument(metavar="[MESSAGE]...", help="Ids of messages.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="All that were given up.")] = False,
    since: Annotated[
        datetime | None, typer.Option(help="All that were sent of what happened since then.", show_default=False)
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Only those to this endpoint.", show_default=False)] = None,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Send messages again, under the ids they had: some, all that are dead, or all since a time (with --dead: the dead
    ones since then)."""
    from producer.cli.output import plural, print_json
    from producer.operator_actions import webhooks
    from seedance.problems import InvalidInput, Problem
    from storage.database import connect

    if messages and (dead or since or endpoint):
        raise InvalidInput([Problem("", "name messages, or say --dead or --since, not both")])
    settings = settings_of(ctx, data_dir)
    endpoint_id = None if endpoint is None else webhook_endpoints.endpoint_id_of(settings, tenant, endpoint)
    with connect(settings.require_database_url()) as conn:
        if messages:
            number = len([webhooks.replay_one(conn, tenant, text) for text in dict.fromkeys(messages)])
        else:
            at = since.astimezone() if since is not None else None
            number = webhooks.replay_many(conn, tenant, dead=dead, since=at, endpoint_id=endpoint_id)
    if as_json:
        print_json({"replayed": number})
    else:
        typer.echo(f"{plural(number, 'message')} will be sent again")


@app.command("test")
def send_test(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="URL|ENDPOINT", help="Where to send it.")],
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Have a worker send a test event now, once, and print what came back. Exit code 1 if it was not taken."""
    from producer.cli.output import print_json
    from producer.operator_actions import webhooks
    from storage.database import connect

    settings = settings_of(ctx, data_dir)
    is_url = "://" in target
    endpoint_id = None if is_url else webhook_endpoints.endpoint_id_of(settings, tenant, target)
    with connect(settings.require_database_url()) as conn:
        sent = webhooks.send_test(conn, settings, tenant, endpoint_id=endpoint_id, url=target if is_url else None)
    found = _outcome(settings, tenant, sent)
    if as_json:
        print_json(webhooks.message_document(found))
    else:
        _print_outcome(found, sent)
    if found.state != "delivered":
        raise typer.Exit(1)


def _outcome(settings: Settings, tenant: str, sent: str) -> MessageView:
    import time

    from producer.operator_actions import webhooks
    from storage.database import connect

    give_up = time.monotonic() + TEST_S
    while True:
        with connect(settings.require_database_url()) as conn:
            found = webhooks.get_message(conn, tenant, sent)
        if found.due_at is None:
            return found
        if time.monotonic() > give_up:
            raise TimeoutError(f"{sent} was not sent within {TEST_S:.0f} s; does a worker run? See `reelq doctor`")
        time.sleep(_POLL_S)


def _print_outcome(found: MessageView, sent: str) -> None:
    from producer.cli.output import clean

    status = f"HTTP {found.last_status}" if found.last_status is not None else "no answer"
    taken = "taken" if found.state == "delivered" else f"not taken: {found.last_error}"
    typer.echo(f"{sent}: {status}, {taken}")
    if found.last_answer:
        typer.echo(clean(found.last_answer))


@app.command()
def secret(
    ctx: typer.Context,
    new: Annotated[
        bool, typer.Option("--new", help="Make a fresh one for `webhook_secret`; nothing is stored.")
    ] = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Print what deliveries to the webhook_url of a tenant's jobs are verified with; two while it is being replaced,
    the new one first. (Endpoints have secrets of their own.)"""
    from producer.cli.output import print_json
    from seedance.problems import InvalidInput, Problem
    from storage.webhooks.signing import new_secret

    found = [new_secret()] if new else settings_of(ctx, data_dir).webhook_secrets(tenant)
    if not found:
        advice = "is not set; make one with `reelq webhooks secret --new` and put it there"
        raise InvalidInput([Problem("webhook_secret", advice)])
    if as_json:
        shown: dict[str, Any] = {"tenant": None if new else tenant, "secrets": found}
        print_json(shown)
    else:
        typer.echo("\n".join(found))
