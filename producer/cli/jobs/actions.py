"""`reelq jobs cancel` and `retry`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated
from uuid import UUID

import typer

from producer.cli.doors.choice import open_door
from producer.cli.shared.confirmation import confirm
from producer.cli.shared.options import AsJson, DataDir, Discard, OfTenant, Yes
from producer.cli.shared.output import print_json, say
from producer.errors import NotPossible
from storage.jobs.records import JobView
from storage.tenants.tenants import DEFAULT_TENANT

Ids = Annotated[list[str], typer.Argument(metavar="ID…", help="Job ids or their first characters.")]


def each(ids: Iterable[UUID], decide: Callable[[UUID], JobView], said: Callable[[JobView], str], as_json: bool) -> None:
    """Decide about every job. A job that refuses does not stop the others; then the exit code is 1."""
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
    """Cancel jobs. This is free while a job is queued, or if its gateway has not started it and can cancel."""
    if discard:
        confirm("Discard the videos? You will still be billed for submitted jobs.", yes)
    with open_door(ctx, data_dir, tenant) as door:
        found = door.job_ids(ids)
        each(found, lambda job_id: door.cancel(job_id, discard=discard), _cancelled, as_json)


def _cancelled(job: JobView) -> str:
    if job.terminal:
        return str(job.state)
    condition = "" if job.cancel_request == "discard" else " if that is free"
    return f"{job.state}; a worker will ask the gateway to cancel it{condition}"


def retry(
    ctx: typer.Context,
    ids: Ids,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Enqueue failed or cancelled jobs again. Each becomes a new job, whose metadata names the old one."""
    with open_door(ctx, data_dir, tenant) as door:
        found = door.job_ids(ids)
        each(found, door.retry, lambda job: f"{job.state}; retries {job.metadata['retry_of']}", as_json)
