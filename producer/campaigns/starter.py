"""A sheet and a template to start a campaign from; they run as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

SHEET: Final = "sheet.xlsx"
TEMPLATE: Final = "template.yaml"

_COLUMNS: Final[Mapping[str, str]] = {
    "sku": "Names the row. With --key sku, an edited row stays the same row.\n"
    "货号：配合 --key sku，修改后的行仍是同一行。",
    "product": "Your own column: the template writes {{ product }}.\n自定义列：模板中写作 {{ product }}。",
    "selling point": 'Your own column, too. Its name has a space: {{ row["selling point"] }} or {{ selling_point }}.\n'
    '自定义列，名称有空格：{{ row["selling point"] }} 或 {{ selling_point }}。',
    "duration": "A field of reelq: seconds, such as 5. Empty: the default of the template.\n"
    "字段：时长（秒），留空则用模板的默认值。",
    "first frame": "A field of reelq: a picture, by URL or by its path beside this sheet. May stay empty.\n"
    "字段：首帧图片的链接或相对路径，可留空。",
    "note": "This column is not used. It is kept with the job.\n没有用到的列会随任务保存。",
}
_ROWS: Final[Sequence[Sequence[str | int | None]]] = (
    ("P-001", "pair of wireless earbuds", "40 dB noise cancelling", 5, None, "hero product"),
    ("P-002", "steel tea bottle", "keeps tea hot for 24 hours", None, None, None),
    ("P-003", "camping lamp", "waterproof, three levels of light", 6, None, "for autumn"),
)
_TEMPLATE: Final = """\
# A template makes jobs of the rows of a sheet. Try it, without spending anything:
#
#     reelq campaign plan {sheet} --template {template} --key sku
#
# and run it:
#
#     reelq campaign run {sheet} --template {template} --key sku --name {name} --wait

# Fields: what each job gets, whatever its row says. {{{{ product }}}} is the cell of the column "product" in that row.
# A column whose name is no single word: {{{{ row["selling point"] }}}}. A name that is no column is an error.
prompt: >-
  Product video of a {{{{ product }}}}: {{{{ row["selling point"] }}}}.
  The camera circles slowly, soft studio light, a clean {{{{ background }}}} background, no text.
tags: ["{{{{ background }}}}"]

# Defaults: for rows that leave the field empty.
defaults:
  tier: fast
  resolution: 480p
  duration: 5
  audio: false

# The matrix: one job for every combination. Names of fields set the field; other names are for placeholders.
matrix:
  ratio: ["16:9", "9:16"]
  background: [white]

# Variants: the number of different videos of each combination.
variants: 1
"""


def write_starter(directory: Path, name: str) -> tuple[Path, Path]:
    """Write the sheet and the template into a directory, which is made if it is missing.

    Raises:
        FileExistsError: one of the two is there already; nothing was written.
        OSError: they cannot be written.
    """
    sheet, template = directory / SHEET, directory / TEMPLATE
    for path in (sheet, template):
        if path.exists():
            raise FileExistsError(17, "exists already; choose another directory", str(path))
    directory.mkdir(parents=True, exist_ok=True)
    _write_sheet(sheet)
    template.write_text(_TEMPLATE.format(sheet=sheet, template=template, name=name), encoding="utf-8")
    return sheet, template


def _write_sheet(path: Path) -> None:
    import xlsxwriter  # slow to import, and only this needs it

    book = xlsxwriter.Workbook(str(path))
    try:
        sheet = book.add_worksheet("campaign")
        sheet.set_column(0, len(_COLUMNS) - 1, 22)
        sheet.freeze_panes(1, 0)
        for column, (name, comment) in enumerate(_COLUMNS.items()):
            sheet.write_string(0, column, name, book.add_format({"bold": True}))
            sheet.write_comment(0, column, comment, {"width": 320, "height": 90})
        for number, row in enumerate(_ROWS, 1):
            sheet.write_row(number, 0, row)
    finally:
        book.close()
