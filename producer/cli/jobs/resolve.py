"""`reelq jobs resolve`: decide about unconfirmed jobs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from producer.cli.doors.choice import open_door
from producer.cli.doors.door import Action
from producer.cli.jobs.actions import each
from producer.cli.shared.confirmation import confirm
from producer.cli.shared.options import AsJson, DataDir, OfTenant, Yes
from producer.cli.shared.output import say
from producer.wording import plural
from seedance.problems import InvalidInput, Problem
from storage.jobs.records import JobView
from storage.tenants.tenants import DEFAULT_TENANT


def resolve(
    ctx: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID…]", help="Job ids or their first characters.", show_default=False)
    ] = None,
    adopt: Annotated[
        str | None,
        typer.Option(
            metavar="TASK_ID",
            help="The gateway accepted the job, as this task. `jobs show` lists the candidates.",
            show_default=False,
        ),
    ] = None,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="With --adopt: do not ask the gateway about the task first.")
    ] = False,
    resubmit: Annotated[bool, typer.Option("--resubmit", help="Submit the job again. You may pay twice.")] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="End the job as failed.")] = False,
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
    """Decide about unconfirmed jobs, after a look at the gateway."""
    if sum((adopt is not None, resubmit, abandon)) != 1:
        raise InvalidInput([Problem("", "give exactly one of --adopt TASK_ID, --resubmit and --abandon")])
    by_filter = everyone or campaign is not None or account is not None
    if bool(ids) == by_filter:
        raise InvalidInput([Problem("", "give either job ids, or --campaign, --account or --all")])
    if adopt is not None and (by_filter or len(ids or ()) > 1):
        raise InvalidInput([Problem("--adopt", "one task belongs to one job; give one id")])
    if unchecked and adopt is None:
        raise InvalidInput([Problem("--unchecked", "is only for --adopt")])
    if resubmit and ids:
        confirm(_again(len(ids)), yes)
    with open_door(ctx, data_dir, tenant) as door:
        if ids:
            found = door.job_ids(ids)
        else:
            found = door.unconfirmed(campaign, account)
            if not found:
                say("no unconfirmed jobs")
            if found and resubmit:
                confirm(_again(len(found)), yes)
            elif found and abandon:
                confirm(f"End {plural(len(found), 'job')} as failed? You may already be billed for them.", yes)

        def decide(job_id: UUID) -> JobView:
            action: Action = "adopt" if adopt is not None else "resubmit" if resubmit else "abandon"
            return door.resolve(job_id, action, adopt, unchecked=unchecked)

        each(found, decide, lambda job: str(job.state), as_json)


def _again(number: int) -> str:
    return f"Submit {plural(number, 'job')} again? You pay twice for each one that the gateway accepted."
