"""Plans of whole files: all bad rows at once, duplicates, costs, budgets, and copies with the reasons."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from producer.campaigns.files import read_campaign
from producer.campaigns.planning.checking import Checked, check_campaign
from producer.campaigns.planning.costs import Cost
from producer.campaigns.planning.plan import Plan, make_plan
from producer.campaigns.planning.written_errors import write_errors
from producer.campaigns.reading.options import ReadingOptions, read_options
from producer.campaigns.templates.document import read_template
from producer.cli.campaigns.plan_text import plan_lines
from producer.intake.terms import read_terms
from seedance.problems import InvalidInput
from storage.settings import Settings
from tests.media_files import picture

RATES = [{"gateway": "ark", "price": 2, "per": "call", "currency": "CNY", "as_of": "2026-01-01"}]
SETTINGS = Settings.model_validate(
    {"accounts": [{"name": "main", "gateway": "ark", "api_key": "k", "max_in_flight": 2, "rates": RATES}]}
)
# A sheet as people write it: each row has one thing in it, right or wrong.
SHEET = """\ufeffprompt,tier,resolution,ratio,duration,audio,first_frame,metadata,SKU
"Earbuds\nno text",fast,480p,9:16,3,no,images/产品1.png,"{""a"": 1}",P-1
Bottle，24 h,fast,480p,9：16,4,no,images/product 2.jpg,,P-2
Feeder,fast,480p,16:9,5s,no,images/产品1.png,,P-3
Scooter,fast,720P,9:16,4,是,images\\product 2.jpg,,P-4
Chair,Fast,480p,9/16,5.0,no,images/missing.png,,P-5
,fast,480p,1:1,4,no,images/产品1.png,,P-6
Lamp,fast,480p,16:9,4,no,,sku: 12,P-7
Mat,fast,480p,0.672222222,4,no,,,P-8
Board,fast,480p,竖屏,4,no,,,P-9
#N/A,fast,480p,16:9,4,no,,,P-10
{产品名},fast,480p,16:9,4,no,,,P-11
Feeder,fast,480p,16:9,5,no,images/产品1.png,,P-12
"""


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "产品1.png").write_bytes(picture(colour=1))
    (tmp_path / "images" / "product 2.jpg").write_bytes(picture(form="JPEG"))
    path = tmp_path / "sheet.csv"
    path.write_text(SHEET, encoding="utf-8")
    return path


def checked_of(path: Path, options: ReadingOptions | None = None) -> tuple[Checked, Plan]:
    rows = read_campaign(path, options or read_options())
    checked = check_campaign(rows, SETTINGS, path.parent)
    return checked, make_plan(checked, rows.report, SETTINGS)


def test_all_bad_rows_are_given_at_once_with_row_column_key_and_reason(sheet: Path) -> None:
    _, plan = checked_of(sheet)
    found = plan.as_dict()
    assert (found["rows"], found["good"], found["jobs"]) == (12, 4, 4)
    assert {(bad["row"], bad["column"], bad["key"]) for bad in found["bad"]} == {
        (2, "duration", "P-1"),
        (6, "first_frame", "P-5"),
        (7, "prompt", "P-6"),
        (8, "metadata", "P-7"),
        (9, "ratio", "P-8"),
        (10, "ratio", "P-9"),
        (11, "prompt", "P-10"),
        (12, "prompt", "P-11"),
    }
    by_row = {bad["row"]: bad["message"] for bad in found["bad"]}
    assert "must be 4 to 30 seconds" in by_row[2]
    assert "does not exist" in by_row[6]
    assert "is a time of day" in by_row[9]
    assert "#N/A, an error of the spreadsheet" in by_row[11]
    assert "an unfilled placeholder" in by_row[12]
    assert found["duplicates"] == [[4, 13]]
    assert found["columns"]["kept"] == ["SKU"]
    assert found["encoding"] == "UTF-8"


def test_a_key_that_asks_for_two_things_is_found_before_the_run(tmp_path: Path) -> None:
    """As a spreadsheet makes it of long article numbers: 8901234567890 and 8901234567999 are both 8.90123E+12."""
    path = tmp_path / "a.csv"
    rows = ("a cat,8.90123E+12", "a dog,8.90123E+12", "a cow,K-1", "a cow,K-1", "a pig,K-1", "a hen,K-2")
    path.write_text("prompt,idempotency_key\n" + "\n".join(rows) + "\n")
    checked, plan = checked_of(path)
    found = plan.as_dict()
    assert (found["rows"], found["good"]) == (6, 4)
    assert [(bad["row"], bad["column"]) for bad in found["bad"]] == [(3, "idempotency_key"), (6, "idempotency_key")]
    assert "is also that of row 2, which asks for something else; it has lost digits" in found["bad"][0]["message"]
    assert found["bad"][1]["message"] == "'K-1' is also that of row 4, which asks for something else"
    assert [job.spec.prompt for job in checked.jobs] == ["a cat", "a cow", "a cow", "a hen"]


def test_a_plan_reads_well(sheet: Path) -> None:
    _, plan = checked_of(sheet)
    lines = list(plan_lines(plan, sheet.name))
    assert lines[0] == "sheet.csv: 12 rows, 4 good, 8 bad"
    assert any("row 2 (P-1): duration: must be 4 to 30 seconds" in line for line in lines)
    assert any("rows 4 and 13 make the same request; each is generated and billed" in line for line in lines)
    assert any(line.startswith("  cost       CNY 8.00") for line in lines)
    assert any("Bottle，24 h (fast · 480p · 9:16 · 4 · product 2.jpg)" in line for line in lines)


def test_equal_problems_of_many_rows_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,duration\n" + "a,3\n" * 30 + "b,5\nc,3\n")
    lines = list(plan_lines(checked_of(path)[1], "a.csv"))
    assert [line for line in lines if "  bad " in line] == [
        "  bad        rows 2–31 and 33: duration: must be 4 to 30 seconds, or -1 for automatic, not 3"
    ]


def test_variants_are_no_duplicates_and_a_bad_row_has_no_jobs(tmp_path: Path) -> None:
    path, made = tmp_path / "a.csv", tmp_path / "t.yaml"
    path.write_text("product,duration\nlamp,5\ncup,5\n")
    made.write_text('prompt: "{{ product }}"\nvariants: 3\nmatrix: {ratio: [16:9, "{{ x }}"]}\n')
    checked, plan = checked_of(path, read_options(template=read_template(made)))
    assert (len(checked.jobs), plan.duplicates, checked.good) == (0, [], 0)
    made.write_text('prompt: "{{ product }}"\nvariants: 3\nmatrix: {ratio: [16:9, 9:16]}\n')
    checked, plan = checked_of(path, read_options(template=read_template(made)))
    assert (len(checked.jobs), plan.duplicates, checked.good) == (12, [], 2)


@pytest.mark.parametrize(("budget", "pays_for"), [("100 CNY", 3), ("5 CNY", 2), ("1 CNY", 0), ("100 USD", 0)])
def test_a_budget_pays_for_so_many(tmp_path: Path, budget: str, pays_for: int) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "a"}\n{"prompt": "b", "deadline": 5}\n{"prompt": "c", "priority": 9}\n')
    rows = read_campaign(path)
    checked = check_campaign(rows, SETTINGS, None)
    found = make_plan(checked, rows.report, SETTINGS, terms=read_terms(budget)).as_dict()
    assert found["budget"]["pays_for"] == pays_for
    assert found["cost"] == {"currency": "CNY", "low": 6.0, "high": 6.0, "jobs": 3, "by_list_price": 0}
    assert found["late"] == ([{"row": 2, "chance": 1.0}] if pays_for > 2 else [])


@pytest.mark.parametrize("currency", ["CNY", "USD"])
def test_the_cost_is_in_the_currency_of_the_budget_where_the_list_has_it(tmp_path: Path, currency: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "a", "ratio": "16:9", "duration": 5, "resolution": "720p"}\n')
    rows = read_campaign(path)
    settings = Settings.model_validate({"accounts": [{"name": "main", "gateway": "anyfast", "api_key": "k"}]})
    checked = check_campaign(rows, settings, None)
    plan = make_plan(checked, rows.report, settings, terms=read_terms(f"100 {currency}"))
    cost = plan.as_dict()["cost"]
    assert (cost["currency"], cost["by_list_price"]) == (currency, 1)
    assert cost["high"] == round({"CNY": 46, "USD": 7}[currency] * 108_900 / 1_000_000, 4)
    assert any("at Ark's list price" in line for line in plan_lines(plan, "a.jsonl"))
    some = replace(plan, costs=[Cost(currency, 1.0, 2.0, 3, by_list_price=1)])
    shown = f"  cost       {currency} 1.00 to 2.00; 1 at Ark's list price, because the gateway publishes none"
    assert shown in list(plan_lines(some, "a.jsonl"))


@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_a_copy_with_the_reasons_can_be_corrected_and_run(sheet: Path, form: str) -> None:
    checked, _ = checked_of(sheet)
    copy = sheet.parent / f"errors.{form}"
    write_errors(sheet, read_options(), checked.bad, copy)
    again, _ = checked_of(copy)
    assert [(row.number, row.cells) for row in again.bad] == [(row.number, row.cells) for row in checked.bad]
    assert [job.request for job in again.jobs] == [job.request for job in checked.jobs]
    if form == "xlsx":
        rows = list(openpyxl.load_workbook(copy).active.iter_rows(values_only=True))  # type: ignore[union-attr]  # it has a sheet
        assert rows[0][:2] == ("reelq errors", "prompt")
        assert str(rows[1][0]).startswith("duration: must be 4 to 30 seconds")
        assert rows[2][:2] == (None, "Bottle，24 h")


def test_a_copy_of_jsonl_has_the_reasons_in_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "a", "duration": 3}\nnonsense\n{"prompt": "b"}\n')
    checked, _ = checked_of(path)
    write_errors(path, read_options(), checked.bad, tmp_path / "e.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert lines[0]["reelq errors"].startswith("duration: must be")
    assert lines[1]["line"] == "nonsense"
    assert lines[2] == {"prompt": "b"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("e.ods", "must end in .xlsx or .csv"),
        ("sheet.csv", "is the campaign file itself"),
        ("no/e.csv", "no directory"),
    ],
)
def test_a_copy_is_never_written_over_the_file(sheet: Path, name: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        write_errors(sheet, read_options(), [], sheet.parent / name)
    assert sheet.read_text(encoding="utf-8") == SHEET


def test_rows_with_one_key_like_value_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,sku\na,P-1\nb,P-1\n")
    notes: Any = checked_of(path)[1].notes
    assert "P-1 is in rows 2, 3; --key would refuse that" in notes
