"""`reelq up`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from producer.cli.options import DataDir, directory

if TYPE_CHECKING:
    from producer.local.events import StackEvent


def up(
    ctx: typer.Context,
    data_dir: DataDir = None,
    api_port: Annotated[
        int | None,
        typer.Option("--port", "--api-port", min=1, max=65535, help="Of the API; else 8080 or the next free one."),
    ] = None,
    flower_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Of Flower; else 5555 or the next free one.")
    ] = None,
    no_flower: Annotated[bool, typer.Option("--no-flower", help="Run without Flower.")] = False,
    simulator: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OPTION=VALUE", help="An option of the simulator, as in median-seconds=1; may be repeated."
        ),
    ] = None,
) -> None:
    """Run everything on this machine: database, broker, object store, scheduler, workers, API.

    What reelq.toml or the environment configures is used instead of a local server. Stops on Ctrl-C or SIGTERM.
    """
    import asyncio

    from producer.local.stack import UpOptions
    from producer.local.up import run_stack
    from storage.settings import data_dir as default_dir

    place = default_dir(directory(ctx, data_dir))
    options = UpOptions(
        place,
        api_port=api_port,
        flower_port=flower_port,
        flower=not no_flower,
        simulator_options=tuple(f"--{option}" for option in simulator or ()),
    )
    code = asyncio.run(run_stack(options, _teller(place)))
    raise typer.Exit(code)


def _teller(place: Path) -> Callable[[StackEvent], None]:
    """Print one line an event, and the links once jobs can run."""
    from producer.local.events import EventKind

    def tell(event: StackEvent) -> None:
        sys.stdout.write(f"{event}\n")
        sys.stdout.flush()
        if event.kind is EventKind.READY:
            _print_links(place)

    return tell


def _print_links(place: Path) -> None:
    """Where everything is, once jobs can run."""
    from storage.settings import API_KEY_FILE, read_stack

    stack = read_stack(place)
    lines = [("API", stack.get("api")), ("Flower", stack.get("flower")), ("simulator", stack.get("simulator"))]
    for name, url in lines:
        if url:
            sys.stdout.write(f"  {name:<10}{url}\n")
    sys.stdout.write(f"  {'data':<10}{place.absolute()} (logs in logs/)\n")
    if stack.get("simulator"):
        sys.stdout.write("  no account is configured, so the simulator generates; add [[accounts]] to reelq.toml\n")
    suffix = "" if place == Path(".reelq") else f" --data-dir {place}"
    sys.stdout.write(f"  {'key':<10}in {place / API_KEY_FILE}; programs on this machine need none\n")
    sys.stdout.write(f"  {'curl':<10}{_curl(stack['api'], place)}\n")
    sys.stdout.write(f"  try       reelq submit 'A paper boat on a rainy street' --wait{suffix}\n")
    sys.stdout.flush()


def _curl(api: str, place: Path) -> str:
    """How any program enqueues a job, with the key read from its file: what is printed here may end in a log."""
    import shlex

    from storage.settings import API_KEY_FILE

    key = shlex.quote(str(place / API_KEY_FILE))
    return f"""curl {api}/v1/jobs -H "Authorization: Bearer $(cat {key})" --json '{{"prompt": "A paper boat"}}'"""
