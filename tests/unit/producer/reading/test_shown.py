"""Numbers in prompts are what people see in the sheet: 15%, not 0.15. Numbers of fields stay numbers."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook

from producer.campaigns.files import read_campaign
from producer.campaigns.planning.written_errors import write_errors
from producer.campaigns.reading.looks.formats import NumberFormat
from producer.campaigns.reading.looks.shown import shown_number, shown_text
from producer.campaigns.reading.options import read_options
from producer.campaigns.templates.document import parse_template
from producer.campaigns.templates.filling import filled
from producer.errors import BadRow
from producer.intake.intake import Row
from seedance.problems import Problem

EUROS = '_-* #,##0.00\\ "€"_-;\\-* #,##0.00\\ "€"_-;_-* "-"??\\ "€"_-;_-@_-'
TEMPLATE = """
prompt: "{{ 折扣 }} off, {{ Price }}, row {{ row.Price }}{% if 折扣|float > 0.1 %}!{% endif %}"
seed: "{{ Seed }}"
"""


@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (0.15, "0%", "15%"),
        (0.15, 9, "15%"),
        (0.1555, 10, "15.55%"),
        (0.15, r"0\ %", "15 %"),
        (1234.5, '"¥"#,##0.00', "¥1,234.50"),
        (1234.5, r"#,##0.00\ [$€-407]", "1,234.50 €"),
        (1234.5, "[$$-409]#,##0", "$1,235"),
        (12, "0.00", "12.00"),
        (7, "00000", "00007"),
        (5, '0"秒"', "5秒"),
        (1.005, "0.00", "1.01"),
        (-3, "$#,##0", "-$3"),
        (-3, "#,##0_);(#,##0)", "(3)"),
        (-0.001, "0.00", "0.00"),
        (1234567, EUROS, "1,234,567.00 €"),
        (-2, EUROS, "-2.00 €"),
        (12.25, "[Red]0.0##", "12.25"),
    ],
)
def test_a_simple_format_is_shown_as_in_the_sheet(number: float, code: NumberFormat, text: str) -> None:
    found = shown_number(number, code)
    assert (number if found is None else found) == (text if text != repr(number) else number)
    if found is not None:
        assert (float(found), int(found)) == (number, int(number)), "a template may calculate with it"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (5, "0"), (5, None), (5, 0), (5, "General"), (1.5, "# ?/?"), (1e20, "0.00"), (12345, "#,##0,"), (2, "0.0E+0"),
        (12, "[>10]0.0"), (3, "yyyy-mm-dd"), (0, EUROS), (float("inf"), "0%"), (5, 5), (5, '"a'), (5, "@"),
    ],
)  # fmt: skip
def test_any_other_format_leaves_the_number(number: float, code: NumberFormat | None) -> None:
    assert shown_number(number, code) is None


def test_a_text_of_the_file_counts_if_it_shows_the_number() -> None:
    assert shown_text(0.15, "15 %") == "15 %"
    assert [shown_text(0.15, text) for text in ("0.15", "###", "", "1.5E-01")] == [None] * 4


def jobs_of(path: Path) -> tuple[str, int, str]:
    """The prompt, the seed and the discount column of the one job of a file, made by the template."""
    rows = read_campaign(path, read_options(template=parse_template(TEMPLATE, "t.yaml")))
    [job] = filled(rows, parse_template(TEMPLATE, "t.yaml"))
    assert isinstance(job, Row), job
    assert type(job.fields["duration"]) is int
    return job.fields["prompt"], job.fields["seed"], job.columns["折扣"]


def test_a_workbook_gives_prompts_what_people_see(tmp_path: Path) -> None:
    """Seen: a cell that shows 15% became 0.15 in a prompt."""
    workbook = Workbook()
    sheet = workbook.worksheets[0]
    for row in (["折扣", "Price", "Seed", "duration"], [0.15, 1234.5, 12345, 5]):
        sheet.append(row)
    for cell, code in zip(sheet[2], ("0%", '"¥"#,##0.00', "#,##0", '0"秒"'), strict=True):
        cell.number_format = code
    workbook.save(tmp_path / "a.xlsx")
    assert jobs_of(tmp_path / "a.xlsx") == ("15% off, ¥1,234.50, row ¥1,234.50!", 12345, "0.15")
    bad = BadRow([Problem("Seed", "is wrong")], "a.xlsx row 2", 2)
    write_errors(tmp_path / "a.xlsx", read_options(), [bad], tmp_path / "errors.xlsx")
    assert jobs_of(tmp_path / "errors.xlsx") == jobs_of(tmp_path / "a.xlsx"), "a copy with errors makes the same jobs"
    write_errors(tmp_path / "a.xlsx", read_options(), [bad], tmp_path / "errors.csv")
    assert '15%,"¥1,234.50","12,345",5秒' in (tmp_path / "errors.csv").read_text("utf-8-sig")


def test_an_opendocument_sheet_gives_prompts_what_people_see(tmp_path: Path) -> None:
    cells = (
        '<c office:value-type="percentage" office:value="0.15"><text:p>15 %</text:p></c>'
        '<c office:value-type="currency" office:value="1234.5"><text:p>1.234,50 €</text:p></c>'
        '<c office:value-type="float" office:value="12345"><text:p>12,345</text:p></c>'
        '<c office:value-type="float" office:value="5"><text:p>5 s</text:p></c>'
    )
    header = "".join(f"<c><text:p>{name}</text:p></c>" for name in ("折扣", "Price", "Seed", "duration"))
    content = (
        (
            '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
            ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
            ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><table:table table:name="Jobs">'
            f"<table:table-row>{header}</table:table-row><table:table-row>{cells}</table:table-row>"
            "</table:table></office:document-content>"
        )
        .replace("<c", "<table:table-cell")
        .replace("</c>", "</table:table-cell>")
    )
    with zipfile.ZipFile(tmp_path / "a.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
    assert jobs_of(tmp_path / "a.ods") == ("15 % off, 1.234,50 €, row 1.234,50 €!", 12345, "0.15")
