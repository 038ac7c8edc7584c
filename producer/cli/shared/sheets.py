"""Options of commands that read a file of rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from producer.campaigns.reading.options import ReadingOptions, read_options
from producer.campaigns.templates.document import read_template

CampaignFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A .jsonl, .yaml, .csv, .tsv, .txt, .xlsx, .xls or .ods file; see docs/campaigns.md.",
        show_default=False,
    ),
]
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
Key = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="The column, such as SKU, that makes an edited row the same one.", show_default=False
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option(
        metavar="TEMPLATE",
        help='A prompt with placeholders for columns, such as "{{ product }} on a table".',
        show_default=False,
    ),
]
TemplateFile = Annotated[
    Path | None,
    typer.Option(
        "--template",
        metavar="FILE",
        help="A YAML file that fills fields from columns; `reelq campaign init` writes one.",
        show_default=False,
    ),
]
WriteErrors = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write a copy of the sheet (.xlsx, .csv or .jsonl) with the reasons beside the bad rows.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class SheetOptions:
    """How the sheet of a campaign is read, for `option_groups.spread`."""

    prompt: Prompt = None
    template: TemplateFile = None
    mapped: Mapped = None
    key: Key = None
    write_errors: WriteErrors = None
    sheet: Sheet = None
    encoding: Encoding = None
    delimiter: Delimiter = None

    def read(self) -> ReadingOptions:
        """The same, understood.

        Raises:
            InvalidInput: one of them is not valid, or the template cannot be read.
        """
        template = read_template(self.template, self.prompt)
        return read_options(self.encoding, self.delimiter, self.sheet, self.mapped or (), self.key, template)
