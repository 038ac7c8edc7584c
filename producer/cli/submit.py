"""`reelq submit`: one job from the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from producer.cli.options import AsJson, DataDir, Wait, open_producer

if TYPE_CHECKING:
    from producer.client import Job, Producer

# Values stay text here, so that what is wrong with them is said in the same words as everywhere.
Text = Annotated[str | None, typer.Option(show_default=False)]
Texts = Annotated[list[str] | None, typer.Option(show_default=False, help="May be given several times.")]


def submit(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What the video shows.")],
    tier: Annotated[str | None, typer.Option(help="standard, fast or mini.")] = None,
    resolution: Annotated[str | None, typer.Option(help="480p, 720p, 1080p or 4k.")] = None,
    ratio: Annotated[str | None, typer.Option(help="16:9, 4:3, 1:1, 3:4, 9:16, 21:9 or adaptive.")] = None,
    duration: Annotated[str | None, typer.Option(help="Seconds, 4 to 15; -1 lets the model choose.")] = None,
    audio: Annotated[bool | None, typer.Option("--audio/--no-audio", help="With sound.", show_default=False)] = None,
    first_frame: Annotated[str | None, typer.Option(help="An image: path, URL, data URI or asset://ID.")] = None,
    last_frame: Text = None,
    reference_image: Texts = None,
    reference_video: Texts = None,
    reference_audio: Texts = None,
    operation: Annotated[str | None, typer.Option(help="edit or extend, with a reference video.")] = None,
    web_search: Annotated[bool | None, typer.Option("--web-search/--no-web-search", show_default=False)] = None,
    seed: Text = None,
    watermark: Annotated[bool | None, typer.Option("--watermark/--no-watermark", show_default=False)] = None,
    camera_fixed: Annotated[bool | None, typer.Option("--camera-fixed/--no-camera-fixed", show_default=False)] = None,
    return_last_frame: Annotated[
        bool | None, typer.Option("--return-last-frame/--no-return-last-frame", show_default=False)
    ] = None,
    gateway_options: Annotated[str | None, typer.Option(metavar="JSON", help="Options of one gateway.")] = None,
    account: Annotated[str | None, typer.Option(help="The only account that may serve it.")] = None,
    priority: Annotated[str | None, typer.Option(help="0 to 9, higher first.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key again is the same job.")] = None,
    deadline: Annotated[str | None, typer.Option(help="Seconds from now, or an ISO 8601 instant.")] = None,
    webhook_url: Text = None,
    metadata: Annotated[str | None, typer.Option(metavar="JSON", help="An object of your own, kept with it.")] = None,
    tag: Texts = None,
    wait: Wait = False,
    timeout: Annotated[float | None, typer.Option(help="With --wait: give up waiting after so many seconds.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Enqueue one job and print its id; with --wait, see it through."""
    from producer.cli.output import print_json, say

    given = {
        "tier": tier,
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
    with open_producer(ctx, data_dir) as producer:
        job = producer.enqueue(prompt, **{name: value for name, value in given.items() if value is not None})
        if wait:
            if not as_json:
                say(f"job {job.id}")
            job = _see_through(producer, job, timeout)
        if as_json:
            print_json(job)
        elif wait:
            _print_result(producer, job)
        else:
            typer.echo(str(job.id))
            if sys.stdout.isatty():
                say(f"{job.state}; follow it with `reelq jobs show {job.id}`")
    if wait and job.state != "succeeded":
        raise typer.Exit(1)


def _object(name: str, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    from producer.campaigns.files import parse_object
    from seedance.problems import InvalidInput, Problem

    try:
        return parse_object(text)
    except ValueError as exc:
        raise InvalidInput([Problem(name, str(exc))]) from exc


def _deadline(text: str | None) -> str | float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _see_through(producer: Producer, job: Job, timeout: float | None) -> Job:
    from producer.cli.progress import watch

    watch(producer, [job.id], "1 job", deadline_s=timeout)
    return producer.get(job.id)


def _print_result(producer: Producer, job: Job) -> None:
    from producer.cli.job_detail import print_detail

    print_detail(producer.settings, job, (), (), ())
