"""`reelq db dump`: back up the database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from producer.backups.dump import dump_file, dump_to
from producer.backups.reach import reachable
from producer.cli.shared.access import settings_of
from producer.cli.shared.data_dir import directory
from producer.cli.shared.options import DataDir
from seedance.problems import InvalidInput, Problem
from storage.settings import data_dir as default_dir


def dump(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="Where to write the dump; -: standard output.")],
    data_dir: DataDir = None,
) -> None:
    """Back up the database into one file. Everything may keep running.

    The file has every prompt and webhook, and account keys as far as the database keeps them, encrypted. Restore it
    with `reelq db restore`.
    """
    if file == "-" and sys.stdout.isatty():
        raise InvalidInput([Problem("FILE", "a dump is not text; send standard output into a file or a program")])
    with reachable(settings_of(ctx, data_dir), default_dir(directory(ctx, data_dir))) as (url, _):
        if file == "-":
            sys.stdout.flush()
            dump_to(url, sys.stdout.buffer)
            return
        size = dump_file(url, Path(file))
    typer.echo(f"{file}: {size / 1e6:.1f} MB")
