"""`reelq demo`, `reelq simulator` and `reelq bench`: to see it work, for rehearsals, and to measure it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Annotated

import typer

from producer.cli.options import DataDir, directory
from seedance.problems import InvalidInput, Problem

_CHECKOUT = "is not part of the installed package; run it from a checkout of the repository"


def demo(
    ctx: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running and print the links.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Run a campaign of 12 jobs through the whole system, check every video, and write a contact sheet."""
    run = _optional("demo.run", f"{_CHECKOUT}: make demo").run_demo
    raise typer.Exit(run(directory(ctx, data_dir), keep=keep))


def simulator(ctx: typer.Context) -> None:
    """Run a gateway for rehearsals; `reelq simulator --help` lists its own options."""
    from producer.local.preflight import INSTALL_SIMULATOR

    main = _optional("simulator.main", f"is not installed; run: {INSTALL_SIMULATOR}").main
    try:
        code = main(ctx.args)
    except SystemExit as exc:  # argparse's own way out
        code = exc.code if isinstance(exc.code, int) else 2
    raise typer.Exit(code)


def bench(ctx: typer.Context) -> None:
    """Measure reelq beside its alternatives, as docs/benchmarks.md says; `reelq bench --help` lists the options."""
    import subprocess
    import sys

    _optional("bench", f"{_CHECKOUT}: make bench")
    # A process of its own: what it measures must not share ours.
    raise typer.Exit(subprocess.call([sys.executable, "-m", "bench", *ctx.args]))


def _optional(module: str, where: str) -> ModuleType:
    """A part that the runtime does not carry.

    Raises:
        InvalidInput: it is not installed; `where` says how to get it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name not in (module, module.partition(".")[0]):
            raise
        raise InvalidInput([Problem(module.partition(".")[0], where)]) from exc
