"""Options of commands that read a file of rows."""

from __future__ import annotations

from typing import Annotated

import typer

Encoding = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Of a text file, such as gb18030; default: found out.", show_default=False),
]
Delimiter = Annotated[
    str | None,
    typer.Option(metavar="CHAR", help="Between cells, such as ';' or tab; default: found out.", show_default=False),
]
Sheet = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of a workbook; default: its only one.", show_default=False)
]
Mapped = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="COLUMN=NAME",
        help='Use a column as a field, as in --map "产品名=prompt"; may be repeated. COLUMN= leaves it unused.',
        show_default=False,
    ),
]
