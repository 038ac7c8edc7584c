"""`reelq campaign init`: a sheet and a template to start from."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from producer.campaigns.starter import write_starter


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR|NAME", help="Where to write them; its name is the campaign's.")
    ],
) -> None:
    """Write a sheet and a template to start from. They run as they are; comments in both explain them."""
    name = directory.resolve().name or "campaign"
    sheet, template = write_starter(directory, name)
    typer.echo(f"{sheet}\n{template}\n")
    options = f"{quote(str(sheet))} --template {quote(str(template))} --key sku"
    typer.echo(f"reelq campaign plan {options}")
    typer.echo(f"reelq campaign run {options} --name {quote(name)} --wait")
