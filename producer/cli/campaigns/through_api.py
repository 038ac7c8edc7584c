"""`reelq campaign plan` and `run` through the API: the sheet is sent as it is, and read at the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reelq_client import InvalidRequest, Reelq
from reelq_client.models.campaigns import Plan as PlanOfApi
from reelq_client.models.campaigns import StoredCampaign

from producer.campaigns.files import opened
from producer.campaigns.planning.written_errors import check_target, write_errors
from producer.campaigns.reading.options import ReadingOptions
from producer.cli.campaigns.bad_rows import BadRows, skipped_lines
from producer.cli.campaigns.plan_text import document_lines
from producer.cli.campaigns.run_rows_there import RunRowsThere
from producer.cli.campaigns.stored_text import result_of, stored_lines
from producer.cli.campaigns.waiting import all_is_well, say_failures, see_through
from producer.cli.doors.there.translated import translated
from producer.cli.shared.confirmation import confirm
from producer.cli.shared.output import say
from producer.cli.shared.pace_options import RunOptions
from producer.cli.shared.sheets import SheetOptions
from producer.errors import BadRow, CellError
from producer.intake.recipients import BY_TENANT, NO_ONE
from producer.intake.start import Start
from producer.intake.terms import Terms
from producer.wording import plural
from seedance.problems import InvalidInput, Problem

BODY = "body"
"""What the API calls the sheet in its errors."""


@dataclass(frozen=True, slots=True)
class How:
    """How a run goes: a person is `asked`, bad rows are skipped, media are fetched, its end is waited for."""

    asked: bool
    skip_bad: bool
    fetch: bool
    wait: bool


@dataclass(frozen=True, slots=True)
class SentSheet:
    """A sheet here and how to read it there. `template`: the text of a template's file."""

    file: Path
    options: ReadingOptions
    mapped: Sequence[str] = ()
    prompt: str | None = None
    template: str | None = None
    errors_to: Path | None = None
    ways: Mapping[str, Any] = field(default_factory=dict)
    """How it is run: proofs, times and limits, as the client takes them."""

    def reading(self) -> dict[str, Any]:
        """The options as the client takes them."""
        options = self.options
        return {
            "key": options.key,
            "prompt": self.prompt,
            "template": self.template,
            "map": list(self.mapped),
            "sheet": options.sheet,
            "encoding": options.encoding,
            "delimiter": options.delimiter,
            **self.ways,
        }


def sent_sheet(file: Path, options: ReadingOptions, sheet: SheetOptions, ways: RunOptions) -> SentSheet:
    """The sheet of a command line; its template's file has been read and checked before."""
    with opened(file):  # what is wrong with the file itself is said as at the server
        pass
    template = None if sheet.template is None else sheet.template.read_text(encoding="utf-8-sig")
    return SentSheet(file, options, sheet.mapped or (), sheet.prompt, template, sheet.write_errors, ways.ways())


def plan_there(reelq: Reelq, sheet: SentSheet, name: str | None, terms: Terms, *, fetch: bool) -> dict[str, Any]:
    """The plan as JSON. The bad rows are written beside the sheet, if that is wanted.

    Raises:
        InvalidInput: the sheet as a whole cannot be read.
    """
    if sheet.errors_to is not None:
        check_target(sheet.file, sheet.errors_to)
    with translated(), _named(sheet.file):
        found = reelq.campaigns.plan(sheet.file, name=name, budget=_budget(terms), fetch=fetch, **sheet.reading())
    document = found.model_dump(include=set(PlanOfApi.model_fields))
    document["notes"] = [of_file(note, sheet.file) for note in document["notes"]]
    finish = document["finish"]
    finish |= {name: at.isoformat() for name in ("p50", "p90") if (at := finish[name]) is not None}
    if sheet.errors_to is not None and document["bad"]:
        write_errors(sheet.file, sheet.options, _bad_rows(document["bad"], sheet.file.name), sheet.errors_to)
        say(f"the bad rows are in {sheet.errors_to}, each with its reason")
    return document


def _agree(plan: Mapping[str, Any], sheet: SentSheet, name: str, how: How) -> None:
    """Show a plan to the person who sits there, and ask.

    Raises:
        BadRows: some rows are bad, and they are not to be skipped.
        Abort: the person says no.
    """
    if how.asked:
        for line in document_lines(plan, sheet.file.name):
            say(line)
    if plan["bad"] and not how.skip_bad:
        raise BadRows(_bad_rows(plan["bad"], sheet.file.name))
    if how.asked and plan["jobs"]:
        confirm(f"Enqueue {plural(plan['jobs'], 'video')} as {name}?", yes=False)


def run_there(
    reelq: Reelq, sheet: SentSheet, name: str, terms: Terms, start: Start, how: How
) -> tuple[dict[str, Any], bool]:
    """Enqueue the rows, and with `wait` see them through; returns the result as JSON, and whether all is well.

    Raises:
        BadRows: some rows are bad, and they are not to be skipped; nothing is stored.
        Abort: the person says no.
    """
    if how.asked or sheet.errors_to is not None:
        _agree(plan_there(reelq, sheet, name, terms, fetch=how.fetch), sheet, name, how)
    with translated(name), _named(sheet.file):
        stored = reelq.campaigns.run(
            name,
            sheet.file,
            budget=_budget(terms),
            weight=terms.weight,
            first=start.first_rows,
            paused=start.paused,
            skip_bad=how.skip_bad,
            fetch=how.fetch,
            notify=_notify(terms),
            **sheet.reading(),
        )
    if not how.asked:
        for note in stored.reading:
            say(of_file(note, sheet.file))
        skipped_rows = _bad_rows([cell.model_dump() for cell in stored.skipped], sheet.file.name)
        for line in skipped_lines(skipped_rows):
            say(line)
    done, rows, ids = stored.model_dump(include=set(StoredCampaign.model_fields)), RunRowsThere(reelq, name), stored.ids
    for line in stored_lines(done, name, start, None if how.wait else rows.held()):
        say(line)
    still: list[dict[str, Any]] = []
    counts = see_through(rows, ids, name, still) if how.wait else rows.counts(ids)
    jobs = rows.standing(ids)
    if how.wait:
        say_failures(rows, jobs)
    skipped = len({cell.row for cell in stored.skipped}) if how.skip_bad else None
    result = result_of(done, name, skipped, still if how.wait else None)
    return result | {"counts": counts, "ids": jobs}, not how.wait or all_is_well(counts, ids, still)


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Bad rows of the body as those of the file."""
    try:
        yield
    except InvalidRequest as exc:
        rows: dict[str, list[Problem]] = {}
        for item in exc.errors:
            rows.setdefault(item.where or "", []).append(Problem(item.field, item.message))
        if exc.code != "invalid_request" or not any(rows):
            raise
        found = [InvalidInput(problems, of_file(where, file)) for where, problems in rows.items()]
        raise BadRows(found, cut=bool(exc.problem.truncated)) from exc


def of_file(text: str, file: Path) -> str:
    """A text of the API about the body, with the name of the file."""
    return file.name + text.removeprefix(BODY) if text.startswith(BODY) else text


def _bad_rows(bad: Sequence[Mapping[str, Any]], file: str) -> list[BadRow]:
    """The rows of a plan's bad cells."""
    rows: dict[int, list[CellError]] = {}
    keys: dict[int, str | None] = {}
    for cell in bad:
        rows.setdefault(cell["row"], []).append(CellError(cell["column"], cell["message"]))
        keys[cell["row"]] = cell["key"]
    return [
        BadRow(
            [Problem(cell.column, cell.message) for cell in cells], f"{file} row {number}", number, keys[number], cells
        )
        for number, cells in rows.items()
    ]


def _budget(terms: Terms) -> str | None:
    if terms.no_budget:
        return "none"
    return None if terms.budget is None else f"{terms.budget.amount} {terms.budget.currency}"


def _notify(terms: Terms) -> list[str]:
    """The recipients as `--notify` names them; none: they stay."""
    if terms.notify is None:
        return []
    if terms.notify.addresses is None:
        return [BY_TENANT]
    return list(terms.notify.addresses) or [NO_ONE]
