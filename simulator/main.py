"""Start a simulator from the command line, from another command, or in a thread of a test."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from simulator.options import SimulatorOptions

__all__ = ["SimulatorOptions", "main", "read_options", "run", "running"]


def run(options: SimulatorOptions) -> None:
    """Serve until SIGTERM or Ctrl-C. Print one line with the URL when ready.

    Raises:
        OSError: the port is taken, or a file cannot be read or written.
        ValueError: a fault rule is invalid.
    """
    asyncio.run(_serve(options))


def main(arguments: Sequence[str] | None = None, *, prog: str = "python -m simulator") -> int:
    """Run the command line; `prog` is the command's name in its help. Returns 0, or 2 when it cannot start."""
    try:
        run(read_options(arguments, prog=prog))
    except (OSError, ValueError) as exc:
        sys.stderr.write(f"simulator: {exc}\n")
        return 2
    return 0


def read_options(arguments: Sequence[str] | None = None, *, prog: str = "python -m simulator") -> SimulatorOptions:
    """The options of a command line; an unknown one ends as argparse does, with its usage and exit code 2.

    Raises:
        ValueError: a value is outside its limits.
    """
    parsed = vars(_parser(prog).parse_args(arguments))
    given: dict[str, Any] = {name: value for name, value in parsed.items() if value is not None}
    for name in {"api_keys", "callback_hosts"} & given.keys():
        given[name] = frozenset(given[name])
    return SimulatorOptions(**given)


@contextlib.contextmanager
def running(options: SimulatorOptions) -> Iterator[str]:
    """Run a simulator in a thread of this process; yields its URL."""
    ready: list[str | BaseException] = []
    started = threading.Event()
    stops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        stops.append((asyncio.get_running_loop(), stop))
        await _serve(options, stop, ready, started)

    def work() -> None:
        try:
            asyncio.run(serve())
        except Exception as exc:  # noqa: BLE001 - raised again in the caller's thread
            ready.append(exc)
        finally:
            started.set()

    thread = threading.Thread(target=work, name="simulator", daemon=True)
    thread.start()
    started.wait()
    if isinstance(ready[0], BaseException):
        raise ready[0]
    try:
        yield ready[0]
    finally:
        loop, stop = stops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _serve(
    options: SimulatorOptions,
    stop: asyncio.Event | None = None,
    ready: list[str | BaseException] | None = None,
    started: threading.Event | None = None,
) -> None:
    from simulator.server.http import Simulator  # here, so that importing the options does not load the server

    simulator = Simulator(options)
    try:
        await simulator.start()
        if stop is None:
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, stop.set)
            sys.stdout.write(f"simulator ready at {simulator.url}\n")
            sys.stdout.flush()
        if options.port_file is not None:
            _write_port(options.port_file, simulator.url)
        if ready is not None and started is not None:
            ready.append(simulator.url)
            started.set()
        await stop.wait()
    finally:
        await simulator.stop()


def _write_port(path: Path, url: str) -> None:
    """Write a temporary file and rename it, so that a reader never sees half a number."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(url.rpartition(":")[2] + "\n")
    temporary.replace(path)


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description="Run a simulated Seedance gateway for rehearsals.")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int, help="port to listen on (default 0: any free port)")
    parser.add_argument("--port-file", type=Path, help="write the port to this file when ready")
    parser.add_argument("--public-url", help="base URL of the file links (default: as the client reached us)")
    parser.add_argument("--seed", type=int, help="the same seed gives the same generation times and faults")
    parser.add_argument(
        "--time",
        choices=("lognormal", "fixed", "bimodal"),
        help="distribution of generation times (default lognormal)",
    )
    parser.add_argument("--median-seconds", type=float, help="median generation time (default 3)")
    parser.add_argument("--sigma", type=float, help="sigma of the logarithm of the time (default 0.35)")
    parser.add_argument("--slow-seconds", type=float, help="bimodal: median of the slow tasks (default 20)")
    parser.add_argument("--slow-share", type=float, help="bimodal: share of slow tasks (default 0.1)")
    parser.add_argument("--faults", type=Path, help="JSON or TOML file of fault rules")
    parser.add_argument("--journal", type=Path, help="keep tasks and assets in this file across restarts")
    parser.add_argument("--url-seconds", type=int, help="lifetime of a video URL (default 86400)")
    parser.add_argument("--video-bytes", type=int, help="exact size of every video in bytes")
    parser.add_argument("--requests-per-minute", type=int, help="limit on creates per account")
    parser.add_argument("--max-in-flight", type=int, help="limit on unfinished tasks per account")
    parser.add_argument("--api-key", dest="api_keys", action="append", help="accept only this key (repeatable)")
    parser.add_argument("--webhook-secret", help="openrouter and kie sign callbacks with it (default: unsigned)")
    parser.add_argument("--asset-seconds", type=float, help="time from upload to Active (default 1)")
    parser.add_argument("--strict-assets", action="store_true", default=None, help="reject unknown asset:// references")
    parser.add_argument(
        "--hide-prompts", action="store_true", default=None, help="leave prompts out of new-api's lists"
    )
    parser.add_argument(
        "--callback-host", dest="callback_hosts", action="append", help="allow callbacks to this host (repeatable)"
    )
    return parser
