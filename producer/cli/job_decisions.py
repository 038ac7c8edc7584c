"""`reelq jobs cancel`, `retry` and `resolve`: what only a person decides."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from producer.cli.options import AsJson, DataDir, Discard, OfTenant, Yes, job_ids_of, open_producer
from storage.tenants.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from producer.client import Producer
    from storage.jobs.records import JobView

_MOST_AT_ONCE = 100_000

Ids = Annotated[list[str], typer.Argument(metavar="ID…", help="Job ids, or their beginnings.")]


def confirm(question: str, yes: bool) -> None:
    """Go on only if a person says so.

    Raises:
        InvalidInput: nobody is there to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        from seedance.problems import InvalidInput, Problem

        raise InvalidInput([Problem("--yes", f"is needed where nobody can be asked: {question}")])
    if not typer.confirm(question, err=True):
        raise typer.Abort


def _each(
    ids: Iterable[UUID], decide: Callable[[UUID], JobView], said: Callable[[JobView], str], as_json: bool
) -> None:
    """Decide about every job; what cannot be done to one does not keep the others from it."""
    from producer.cli.output import print_json, say
    from producer.errors import NotPossible

    done = []
    refused = 0
    for job_id in ids:
        try:
            done.append(decide(job_id))
        except NotPossible as exc:
            refused += 1
            say(str(exc))
    if as_json:
        print_json(done)
    else:
        for job in done:
            typer.echo(f"{job.id} {said(job)}")
    if refused:
        raise typer.Exit(1)


def cancel(
    ctx: typer.Context,
    ids: Ids,
    discard: Discard = False,
    yes: Yes = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Cancel jobs. A queued one costs nothing, nor does one that its gateway has not begun and can cancel."""
    if discard:
        confirm("Discard videos that are billed all the same?", yes)
    with open_producer(ctx, data_dir, tenant) as producer:
        found = job_ids_of(producer, ids)
        _each(found, lambda job_id: producer.cancel(job_id, discard=discard), _cancelled, as_json)


def _cancelled(job: JobView) -> str:
    if job.terminal:
        return str(job.state)
    return f"{job.state}; its gateway is asked to cancel it" + (
        "" if job.cancel_request == "discard" else ", if that is free"
    )


def retry(
    ctx: typer.Context,
    ids: Ids,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Enqueue failed or cancelled jobs again, each as a new job that names the old one."""
    with open_producer(ctx, data_dir, tenant) as producer:
        found = job_ids_of(producer, ids)
        _each(found, producer.retry, lambda job: f"{job.state}, retries {job.metadata['retry_of']}", as_json)


def resolve(
    ctx: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID…]", help="Job ids, or their beginnings.", show_default=False)
    ] = None,
    adopt: Annotated[
        str | None,
        typer.Option(metavar="TASK_ID", help="The gateway did take it: this is its task.", show_default=False),
    ] = None,
    resubmit: Annotated[bool, typer.Option("--resubmit", help="Send it again; it may be paid for twice.")] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="Give it up as failed.")] = False,
    campaign: Annotated[
        str | None, typer.Option(help="Every unconfirmed job of this campaign.", show_default=False)
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="Every unconfirmed job sent to this account.", show_default=False)
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every unconfirmed job.")] = False,
    yes: Yes = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Say what became of unconfirmed jobs, after a look at the gateway."""
    from producer.operator_actions import job_actions
    from seedance.problems import InvalidInput, Problem

    if sum((adopt is not None, resubmit, abandon)) != 1:
        raise InvalidInput([Problem("", "give exactly one of --adopt TASK_ID, --resubmit and --abandon")])
    by_filter = everyone or campaign is not None or account is not None
    if bool(ids) == by_filter:
        raise InvalidInput([Problem("", "give job ids, or --campaign, --account or --all, and not both")])
    if adopt is not None and (by_filter or len(ids or ()) > 1):
        raise InvalidInput([Problem("--adopt", "one task belongs to one job; give one id")])
    if resubmit and ids:
        confirm(_again(len(ids)), yes)
    with open_producer(ctx, data_dir, tenant) as producer:
        if ids:
            found = list(job_ids_of(producer, ids))
        else:
            found = _unconfirmed(producer, campaign, account)
            if found and resubmit:
                confirm(_again(len(found)), yes)
            elif found and abandon:
                confirm(f"Give up {len(found)} that may have been generated and billed?", yes)

        def decide(job_id: UUID) -> JobView:
            if adopt is not None:
                return job_actions.adopt(producer.database, tenant, job_id, adopt)
            if resubmit:
                return job_actions.resubmit(producer.database, tenant, job_id)
            return job_actions.abandon(producer.database, tenant, job_id)

        _each(found, decide, lambda job: str(job.state), as_json)


def _again(number: int) -> str:
    return f"Send {number} again that may have been accepted, and pay twice for those that were?"


def _unconfirmed(producer: Producer, campaign: str | None, account: str | None) -> list[UUID]:
    from storage.jobs import queries
    from storage.jobs.states import JobState

    with producer.database.begin() as conn:
        held = queries.list_jobs(
            conn, producer.tenant, state=JobState.UNCONFIRMED, campaign=campaign, limit=_MOST_AT_ONCE
        )
    return [job.id for job in held if account is None or job.account == account]
