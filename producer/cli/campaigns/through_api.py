"""`reelq campaign plan` and `run` through the API: the sheet is sent as it is, and read at the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from reelq_client import InvalidRequest, Reelq
from reelq_client.models.campaigns import Plan as PlanOfApi
from reelq_client.models.campaigns import StoredCampaign

from producer.campaigns.files import opened
from producer.campaigns.planning.written_errors import check_target, write_errors
from producer.campaigns.reading.options import ReadingOptions
from producer.cli.campaigns.plan_text import document_lines, edit_lines
from producer.cli.campaigns.waiting_words import say_stopped, waiting_text
from producer.cli.doors.translated import translated
from producer.cli.shared.confirmation import confirm
from producer.cli.shared.formatting import error_line
from producer.cli.shared.output import say
from producer.cli.shared.progress import StandsStill, watch
from producer.errors import BadRow, CellError, InvalidRows
from producer.intake.start import Start
from producer.intake.terms import Terms
from producer.operator_actions.standstill import Standstill
from seedance.problems import InvalidInput, Problem
from storage.jobs.reasons import OBSTACLES, Reason
from storage.jobs.states import TERMINAL, JobState

BODY = "body"
"""What the API calls the sheet in its errors."""
_SHOWN_FAILURES = 5
_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class SheetAway:
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


def sheet_away(
    file: Path,
    options: ReadingOptions,
    mapped: Sequence[str],
    prompt: str | None,
    template: Path | None,
    errors_to: Path | None,
    **ways: Any,
) -> SheetAway:
    """The sheet of a command line; its template's file has been read and checked before."""
    with opened(file):  # what is wrong with the file itself is said as at the server
        pass
    text = None if template is None else template.read_text(encoding="utf-8-sig")
    return SheetAway(file, options, mapped, prompt, text, errors_to, ways)


def plan_there(reelq: Reelq, sheet: SheetAway, name: str | None, terms: Terms, *, fetch: bool) -> dict[str, Any]:
    """The plan as JSON. The bad rows are written beside the sheet, if that is wanted.

    Raises:
        InvalidInput: the sheet as a whole cannot be read.
    """
    if sheet.errors_to is not None:
        check_target(sheet.file, sheet.errors_to)
    with translated(), _named(sheet.file):
        found = reelq.campaigns.plan(sheet.file, name=name, budget=_budget(terms), fetch=fetch, **sheet.reading())
    document = found.model_dump(include=set(PlanOfApi.model_fields))
    document["notes"] = [_of_file(note, sheet.file) for note in document["notes"]]
    finish = document["finish"]
    finish |= {name: at.isoformat() for name in ("p50", "p90") if (at := finish[name]) is not None}
    if sheet.errors_to is not None and document["bad"]:
        write_errors(sheet.file, sheet.options, _bad_rows(document["bad"], sheet.file.name), sheet.errors_to)
        say(f"the bad rows are in {sheet.errors_to}, each with its reason")
    return document


def agree_there(plan: Mapping[str, Any], sheet: SheetAway, name: str, *, asked: bool) -> None:
    """Show a plan to the person who sits there, and ask.

    Raises:
        InvalidRows: some rows are bad.
        Abort: the person says no.
    """
    if asked:
        for line in document_lines(plan, sheet.file.name):
            say(line)
    if plan["bad"]:
        raise InvalidRows(_bad_rows(plan["bad"], sheet.file.name))
    if asked:
        confirm(f"Enqueue {plan['jobs'] - plan['known']} videos as {name}?", yes=False)


def run_there(
    reelq: Reelq, sheet: SheetAway, name: str, terms: Terms, start: Start, *, wait: bool
) -> tuple[dict[str, Any], bool]:
    """Enqueue the rows, and with `wait` see them through; returns the result as JSON, and whether all is well.

    Raises:
        InvalidRows: some rows are bad; nothing is stored.
    """
    with translated(name), _named(sheet.file):
        stored = reelq.campaigns.run(
            name,
            sheet.file,
            budget=_budget(terms),
            weight=terms.weight,
            first=start.first_rows,
            paused=start.paused,
            **sheet.reading(),
        )
    for note in stored.notes:
        say(_of_file(note, sheet.file))
    known = f", {stored.known} known" if stored.known else ""
    say(f"{name}: {stored.rows} rows, {stored.created} new{known}{waiting_text(stored.rows, name, start)}")
    edited = stored.edited.model_dump()
    for line in edit_lines(edited, name):
        say(line)
    result: dict[str, Any] = {"campaign": name, "rows": stored.rows, "created": stored.created, "edited": edited}
    still: list[dict[str, Any]] = []
    rows = _Rows(reelq, name, stored)
    counts = _see_through(rows, name, still) if wait else rows.counts(stored.ids)
    result |= {"counts": counts, "ids": stored.ids} | ({"standstill": still} if wait else {})
    kept_back = sum(why["jobs"] for why in still if why["code"] == Reason.KEPT_BACK)  # on purpose, so no failure
    well = not wait or counts.get(JobState.SUCCEEDED, 0) >= len(set(stored.ids)) - kept_back
    if not well:
        rows.say_failures()
    return result, well


class _Rows:
    """The rows of a run, as the campaign shows them."""

    def __init__(self, reelq: Reelq, name: str, stored: StoredCampaign) -> None:
        self._reelq, self._name = reelq, name
        self._ids = frozenset(stored.ids)

    def unfinished(self, _ids: Sequence[UUID], /) -> int:
        """How many are neither terminal nor held for a person."""
        counts = self.counts(_ids)
        waiting = sum(number for state, number in counts.items() if state not in TERMINAL)
        if not counts.get(JobState.UNCONFIRMED):
            return waiting
        with translated(self._name):
            held = [job for job in self._reelq.jobs.iterate(state="unconfirmed", campaign=self._name) if job.held]
        return waiting - sum(job.id in self._ids for job in held)

    def counts(self, _ids: Sequence[UUID], /) -> Mapping[JobState, int]:
        """How many are in each state: by the campaign's own counts, if these are all of its rows."""
        with translated(self._name):
            campaign = self._reelq.campaigns.get(self._name)
            if campaign.total == len(self._ids):
                return {JobState(state): number for state, number in campaign.counts.items()}
            rows = self._reelq.campaigns.results(self._name)
        return Counter(JobState(row.state) for row in rows if row.id in self._ids)

    def standstill(self) -> list[Standstill]:
        """Why nothing goes on before a person acts, as far as the API says; empty: something does."""
        with translated(self._name):
            campaign = self._reelq.campaigns.get(self._name)
            queued = self._reelq.jobs.list(state="queued", campaign=self._name, limit=_LOOKED_AT).data
        waiting = campaign.counts.get("queued", 0)
        if not queued or any(campaign.counts.get(state) for state in ("submitting", "generating", "transferring")):
            return []
        advice = f"run `reelq campaign resume {self._name}`"
        if campaign.paused_at is not None:
            return [Standstill("paused", waiting, advice)]
        if not all(job.reason in (Reason.KEPT_BACK, *OBSTACLES) for job in queued):
            return []
        reasons = Counter(Reason(str(job.reason)) for job in queued)
        return [
            Standstill(code, number, advice if code is Reason.KEPT_BACK else code.line)
            for code, number in reasons.most_common()
        ]

    def say_failures(self) -> None:
        """Print the first jobs without a video, each with its reason."""
        states: Any = ["failed", "cancelled"]
        with translated(self._name):
            found = self._reelq.jobs.list(state=states, campaign=self._name, limit=_SHOWN_FAILURES).data
        for job in found:
            error = None if job.error is None else job.error.model_dump(mode="json")
            say(f"  {job.id} {job.state}: {error_line(error) or job.reason}")


def _see_through(rows: _Rows, name: str, still: list[dict[str, Any]]) -> Mapping[JobState, int]:
    try:
        return watch(rows, sorted(rows._ids), name, standstill=rows.standstill)
    except StandsStill as exc:
        say_stopped(name, exc.why)
        still += [asdict(why) for why in exc.why]
        return exc.counts
    except KeyboardInterrupt:
        say(f"stopped waiting; the jobs continue (`reelq campaign status {name}`)")
        raise


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
        raise InvalidRows([InvalidInput(problems, _of_file(where, file)) for where, problems in rows.items()]) from exc


def _of_file(text: str, file: Path) -> str:
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
