"""`reelq up`: the whole system on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import typer

from producer.cli.setup.rehearsal import check_simulator_options
from producer.cli.shared.data_dir import directory
from producer.cli.shared.options import DataDir
from producer.local.events import EventKind, StackEvent
from producer.local.stack import Stack, UpOptions
from producer.local.up import run_stack
from producer.local.workers import Workers
from storage.settings import API_KEY_FILE, read_stack
from storage.settings import data_dir as default_dir

_ANSWER_S = 5.0


class Only(StrEnum):
    """The parts to run alone."""

    WORKERS = "workers"


def up(
    ctx: typer.Context,
    data_dir: DataDir = None,
    api_port: Annotated[
        int | None,
        typer.Option(
            "--port", "--api-port", min=1, max=65535, help="The API's port; default: 8080, or the next free one."
        ),
    ] = None,
    flower_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Flower's port; default: 5555, or the next free one.")
    ] = None,
    no_flower: Annotated[bool, typer.Option("--no-flower", help="Do not run Flower.")] = False,
    only: Annotated[
        Only | None,
        typer.Option(help="workers: one more machine for a system whose servers run elsewhere.", show_default=False),
    ] = None,
    simulator: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OPTION=VALUE", help="An option of the simulator, such as median-seconds=1; repeat for more."
        ),
    ] = None,
) -> None:
    """Run the whole system on this machine. Stops on Ctrl-C or SIGTERM.

    It starts a database, a broker, an object store, the scheduler, the workers, the API and Flower. A server that
    reelq.toml or the environment configures is used instead of a local one.
    """
    place = default_dir(directory(ctx, data_dir))
    simulator_options = tuple(f"--{option}" for option in simulator or ())
    if simulator_options:
        check_simulator_options(simulator_options)
    options = UpOptions(
        place,
        api_port=api_port,
        flower_port=flower_port,
        flower=not no_flower,
        simulator_options=simulator_options,
    )
    make = Stack if only is None else Workers
    code = asyncio.run(run_stack(options, _reporter(place, links=only is None), make))
    raise typer.Exit(code)


def _reporter(place: Path, *, links: bool) -> Callable[[StackEvent], None]:
    """Print one line per event, and the links once jobs can run."""

    def report(event: StackEvent) -> None:
        sys.stdout.write(f"{event}\n")
        sys.stdout.flush()
        if event.kind is EventKind.READY and links:
            _print_links(place)

    return report


def _print_links(place: Path) -> None:
    """Where every part is, once jobs can run."""
    stack = read_stack(place)
    lines = [("API", stack.get("api")), ("Flower", stack.get("flower")), ("simulator", stack.get("simulator"))]
    for name, url in lines:
        if url:
            sys.stdout.write(f"  {name:<10}{url}\n")
    sys.stdout.write(f"  {'data':<10}{place.absolute()} (logs in logs/)\n")
    if stack.get("simulator"):
        sys.stdout.write("  no account is configured, so a simulator generates; add [[accounts]] to reelq.toml\n")
    suffix = "" if place == Path(".reelq") else f" --data-dir {place}"
    sys.stdout.write(f"  {'key':<10}in {place / API_KEY_FILE}{key_needed(stack['api'])}\n")
    sys.stdout.write(f"  {'curl':<10}{_curl(stack['api'], place)}\n")
    sys.stdout.write(f"  try       reelq submit 'A paper boat on a rainy street' --wait{suffix}\n")
    sys.stdout.flush()


def key_needed(api: str) -> str:
    """Whether a program on this machine needs a key, as the API answers one; empty: it does not answer now."""
    try:
        with build_opener(ProxyHandler({})).open(f"{api}/v1/jobs?limit=1", timeout=_ANSWER_S):
            return "; programs on this machine need none"
    except HTTPError as exc:
        return "; programs on this machine need it too" if exc.code == HTTPStatus.UNAUTHORIZED else ""
    except OSError:
        return ""


def _curl(api: str, place: Path) -> str:
    """How any program enqueues a job. The key is read from its file, because this output may end in a log."""
    key = shlex.quote(str(place / API_KEY_FILE))
    return f"""curl {api}/v1/jobs -H "Authorization: Bearer $(cat {key})" --json '{{"prompt": "A paper boat"}}'"""
