"""`reelq jobs finalize`: make the final videos of drafts."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from producer.cli.doors.choice import open_door
from producer.cli.jobs.actions import Ids, each
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.operator_actions.finals import LOOK_OF
from seedance.problems import InvalidInput, Problem
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT


def finalize(
    ctx: typer.Context,
    ids: Ids,
    resolution: Annotated[str | None, typer.Option(help="What the model makes finals in; 1080p by default.")] = None,
    output_format: Annotated[str | None, typer.Option(help="mp4 or mov.")] = None,
    watermark: Annotated[
        bool | None, typer.Option("--watermark/--no-watermark", help="Mark the video.", show_default=False)
    ] = None,
    return_last_frame: Annotated[
        bool | None,
        typer.Option("--return-last-frame/--no-return-last-frame", help="Store the last frame.", show_default=False),
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="For one draft: the same key with the same fields is the same final.")
    ] = None,
    regenerate: Annotated[
        bool,
        typer.Option("--regenerate", help="Generate jobs that are no drafts again, larger. The videos will differ."),
    ] = False,
    tier: Annotated[str | None, typer.Option(help="With --regenerate: standard, fast or mini.")] = None,
    model: Annotated[str | None, typer.Option(help="With --regenerate: such as seedance-2.5.")] = None,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make the final videos of drafts. Each becomes a new job; the same command again gives the same jobs."""
    wanted = {
        "resolution": resolution,
        "output_format": output_format,
        "watermark": watermark,
        "return_last_frame": return_last_frame,
        "idempotency_key": idempotency_key,
        "tier": tier,
        "model": model,
    }
    with open_door(ctx, data_dir, tenant) as door:
        found = door.job_ids(ids)
        if idempotency_key is not None and len(found) > 1:
            raise InvalidInput([Problem("idempotency_key", "is for one draft; leave it out for several")])

        def decide(job_id: UUID) -> JobView:
            return door.finalize(job_id, wanted, regenerate=regenerate)

        each(found, decide, _said, as_json)


def _said(job: JobView) -> str:
    if job.terminal and job.state is not JobState.SUCCEEDED:
        return f"{job.state}; it may have been billed: `reelq jobs retry {job.id}` makes another one"
    if job.draft_of is not None:
        return f"{job.state}; final of {job.draft_of}"
    return f"{job.state}; a new generation of {job.metadata[LOOK_OF]}, from which it will differ"
