"""`reelq campaign init`: a sheet and a template to start from."""

from __future__ import annotations

from pathlib import Path
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
    typer.echo(f"reelq campaign plan {sheet} --template {template} --key sku")
    typer.echo(f"reelq campaign run {sheet} --template {template} --key sku --name {name} --wait")
