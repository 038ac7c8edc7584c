"""`reelq jobs playable`: copies of videos that every browser plays."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from producer.cli.doors.choice import open_door
from producer.cli.jobs.actions import Ids
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json, say
from producer.errors import NotPossible
from producer.operator_actions.playable import playable_file
from storage.jobs.records import JobView
from storage.tenants.tenants import DEFAULT_TENANT

_ASK_EVERY_S = 1.0

WaitForCopies = Annotated[bool, typer.Option("--wait", help="Wait until every copy is stored or has failed.")]


def playable(
    ctx: typer.Context,
    ids: Ids,
    wait: WaitForCopies = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make copies of videos that every browser plays. A copy is H.264 and AAC in an MP4, its key is printed; one that
    failed before is tried again. Videos that play everywhere need no copy. The originals stay as they are."""
    refused = 0
    shown: list[JobView] = []
    with open_door(ctx, data_dir, tenant) as door:
        for job_id in door.job_ids(ids):
            try:
                job = door.make_playable(job_id)
                while wait and playable_file(job) is None:
                    time.sleep(_ASK_EVERY_S)
                    job = door.playable(job_id)
            except NotPossible as exc:
                refused += 1
                say(str(exc))
                continue
            shown.append(job)
            if not as_json:
                typer.echo(f"{job.id} {playable_file(job) or 'waiting'}")
    if as_json:
        print_json(shown)
    if refused:
        raise typer.Exit(1)
