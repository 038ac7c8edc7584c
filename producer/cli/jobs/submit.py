"""`reelq submit`: enqueue one job."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from producer.campaigns.reading.json_objects import parse_object
from producer.cli.doors.choice import open_door
from producer.cli.doors.door import Door, JobDetail
from producer.cli.shared.options import AsJson, DataDir, OfTenant, Wait
from producer.cli.shared.output import print_json, say
from producer.cli.shared.progress import watch
from seedance.problems import InvalidInput, Problem
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT


def submit(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What the video shows.")],
    tier: Annotated[str | None, typer.Option(help="standard, fast or mini.")] = None,
    model: Annotated[str | None, typer.Option(help="Such as seedance-2.5; `reelq models list` has them all.")] = None,
    resolution: Annotated[str | None, typer.Option(help="480p, 720p, 1080p or 4k.")] = None,
    ratio: Annotated[str | None, typer.Option(help="16:9, 4:3, 1:1, 3:4, 9:16, 21:9 or adaptive.")] = None,
    duration: Annotated[str | None, typer.Option(help="Seconds, as the model allows; -1: it chooses.")] = None,
    audio: Annotated[
        bool | None, typer.Option("--audio/--no-audio", help="Generate sound.", show_default=False)
    ] = None,
    first_frame: Annotated[
        str | None, typer.Option(help="The first frame: an image as path, URL, data URI or asset://ID.")
    ] = None,
    last_frame: Annotated[str | None, typer.Option(help="The last frame; needs --first-frame.")] = None,
    reference_image: Annotated[
        list[str] | None, typer.Option(help="A reference image; repeat for more.", show_default=False)
    ] = None,
    reference_video: Annotated[
        list[str] | None, typer.Option(help="A reference video; repeat for more.", show_default=False)
    ] = None,
    reference_audio: Annotated[
        list[str] | None, typer.Option(help="A reference sound; repeat for more.", show_default=False)
    ] = None,
    operation: Annotated[str | None, typer.Option(help="edit or extend the reference video.")] = None,
    task_type: Annotated[
        str | None, typer.Option(help="How the model reads the references: auto, reference, edit or extend.")
    ] = None,
    output_format: Annotated[str | None, typer.Option(help="mp4 or mov.")] = None,
    draft: Annotated[
        bool, typer.Option("--draft", help="A cheap 480p draft; make its final with `reelq jobs finalize`.")
    ] = False,
    web_search: Annotated[
        bool | None,
        typer.Option("--web-search/--no-web-search", help="Let the model search the web.", show_default=False),
    ] = None,
    seed: Annotated[str | None, typer.Option(help="A number; the same seed makes similar videos.")] = None,
    watermark: Annotated[
        bool | None, typer.Option("--watermark/--no-watermark", help="Mark the video.", show_default=False)
    ] = None,
    camera_fixed: Annotated[
        bool | None, typer.Option("--camera-fixed/--no-camera-fixed", help="Keep the camera still.", show_default=False)
    ] = None,
    return_last_frame: Annotated[
        bool | None,
        typer.Option("--return-last-frame/--no-return-last-frame", help="Store the last frame.", show_default=False),
    ] = None,
    gateway_options: Annotated[
        str | None, typer.Option(metavar="JSON", help="Options that only some gateways have.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="Use this account only.")] = None,
    priority: Annotated[str | None, typer.Option(help="0 to 9, higher first.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key with the same request is the same job.")
    ] = None,
    deadline: Annotated[
        str | None, typer.Option(help="Seconds from now, or an ISO 8601 instant; then the job fails.")
    ] = None,
    webhook_url: Annotated[str | None, typer.Option(help="The URL that receives the job's events.")] = None,
    metadata: Annotated[str | None, typer.Option(metavar="JSON", help="Your own data, stored with the job.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag; repeat for more.", show_default=False)] = None,
    wait: Wait = False,
    timeout: Annotated[float | None, typer.Option(help="With --wait: stop waiting after this many seconds.")] = None,
    as_json: AsJson = False,
    tenant: OfTenant = DEFAULT_TENANT,
    data_dir: DataDir = None,
) -> None:
    """Enqueue one job and print its id. With --wait, print the result; exit code 1 if the job does not succeed."""
    # Values are text up to here, so that a wrong one gets the same message as in a file or in the API.
    given = {
        "tier": tier,
        "model": model,
        "resolution": resolution,
        "ratio": ratio,
        "duration": duration,
        "audio": audio,
        "first_frame": first_frame,
        "last_frame": last_frame,
        "reference_images": reference_image,
        "reference_videos": reference_video,
        "reference_audios": reference_audio,
        "operation": operation,
        "task_type": task_type,
        "output_format": output_format,
        "draft": draft or None,
        "web_search": web_search,
        "seed": seed,
        "watermark": watermark,
        "camera_fixed": camera_fixed,
        "return_last_frame": return_last_frame,
        "gateway_options": _object("gateway_options", gateway_options),
        "account": account,
        "priority": priority,
        "idempotency_key": idempotency_key,
        "deadline": _deadline(deadline),
        "webhook_url": webhook_url,
        "metadata": _object("metadata", metadata),
        "tags": tag,
    }
    with open_door(ctx, data_dir, tenant) as door:
        job = door.enqueue(prompt, {name: value for name, value in given.items() if value is not None})
        if wait:
            if not as_json:
                say(f"job {job.id}")
            job = _see_through(door, job, timeout)
        if as_json:
            print_json(job)
        elif wait:
            _print_result(door, job)
        else:
            typer.echo(str(job.id))
            if sys.stdout.isatty():
                say(f"{job.state}; follow it with `reelq jobs show {job.id}`")
    if wait and job.state != "succeeded":
        raise typer.Exit(1)


def _object(name: str, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        return parse_object(text)
    except ValueError as exc:
        raise InvalidInput([Problem(name, str(exc))]) from exc


def _deadline(text: str | None) -> str | float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _see_through(door: Door, job: JobView, timeout: float | None) -> JobView:
    """Wait for a job; a reason for which it waits in the queue is said once, because it may wait for a person."""
    said: set[str] = set()

    def say_why() -> tuple[()]:
        found = door.detail(job.id)
        for wait in found.waits if found.job.state == JobState.QUEUED else ():
            if wait.code not in said:
                from producer.cli.jobs.detail import wait_line  # brings rich, as below

                said.add(wait.code)
                say(f"waits: {wait_line(found.job, wait)}")
        return ()  # it waits on: what is repaired meanwhile goes on by itself

    watch(door, [job.id], "1 job", deadline_s=timeout, standstill=say_why)
    return door.detail(job.id).job


def _print_result(door: Door, job: JobView) -> None:
    # Imported here: a `submit` without --wait, which needs none of it, would take a seventh longer.
    from producer.cli.jobs.detail import print_detail

    found = door.detail(job.id)
    print_detail(JobDetail(job, waits=found.waits, place=found.place))
