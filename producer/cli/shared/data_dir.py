"""The option --data-dir, which may stand before or after a command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="The directory of the local stack; default: REELQ_DATA_DIR, or ./.reelq.",
        show_default=False,
    ),
]


def directory(ctx: typer.Context, given: Path | None) -> Path | None:
    """The data directory given to the command, or before it to `reelq` itself."""
    remembered: Path | None = ctx.find_root().ensure_object(dict).get("data_dir")
    return given or remembered
