"""`reelq demo`, `reelq simulator` and `reelq bench`: see reelq work, rehearse a campaign, measure."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from types import ModuleType
from typing import Annotated

import typer

from producer.cli.shared.data_dir import directory
from producer.cli.shared.options import DataDir
from producer.local.preflight import INSTALL_SIMULATOR
from seedance.problems import InvalidInput, Problem

_CHECKOUT = "is not part of the installed package; run it from a checkout of the repository"


def demo(
    ctx: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the system running and print its links.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Run a campaign of 12 jobs through the whole system. Checks every video and writes a contact sheet."""
    from producer.cli.demo.run import run_demo  # it imports much that no other command needs

    raise typer.Exit(run_demo(directory(ctx, data_dir), keep=keep))


def simulator(ctx: typer.Context) -> None:
    """Run a simulated gateway. `reelq simulator --help` lists its options."""
    try:
        code = _simulator().main(ctx.args, prog="reelq simulator")
    except SystemExit as exc:  # argparse's own way out
        code = exc.code if isinstance(exc.code, int) else 2
    raise typer.Exit(code)


def check_simulator_options(options: Sequence[str]) -> None:
    """Check the options of a simulator that another command starts.

    Raises:
        InvalidInput: it does not know one of them, or it is not installed.
    """
    shown, said = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(shown), redirect_stderr(said):
            _simulator().read_options(options)
    except SystemExit as exc:
        message = said.getvalue().rpartition("error: ")[2].strip()
        if not message:  # an option that shows something and ends
            message = f"{' '.join(options)} cannot be used here; `reelq simulator --help` lists the options"
        raise InvalidInput([Problem("--simulator", message)]) from exc
    except ValueError as exc:
        raise InvalidInput([Problem("--simulator", str(exc))]) from exc


def bench(ctx: typer.Context) -> None:
    """Compare reelq with its alternatives. `reelq bench --help` lists its options."""
    _optional("bench", f"{_CHECKOUT}: make bench")
    # A process of its own: what is measured must not import the benchmark.
    raise typer.Exit(subprocess.call([sys.executable, "-m", "bench", *ctx.args]))


def _simulator() -> ModuleType:
    return _optional("simulator.main", f"is not installed; run: {INSTALL_SIMULATOR}")


def _optional(module: str, where: str) -> ModuleType:
    """A part that a plain installation does not have.

    Raises:
        InvalidInput: it is not installed; `where` says how to get it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name not in (module, module.partition(".")[0]):
            raise
        raise InvalidInput([Problem(module.partition(".")[0], where)]) from exc
