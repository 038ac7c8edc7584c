"""Check every row of a campaign, all of them, before anything is stored or paid for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from producer.errors import BadRow
from producer.intake.intake import Batch, Prepared, Row, as_prepared, check_rows
from producer.intake.media_check import MediaFacts
from producer.intake.proofs import as_proofs
from producer.intake.routing import require_accounts
from producer.intake.uploads import LocalFiles
from seedance.media import MediaKind, media_kind
from seedance.problems import InvalidInput, Problem, shorten
from seedance.request import Modality
from storage.settings import Settings

if TYPE_CHECKING:
    from producer.intake.remote_media import Progress


@dataclass(slots=True)
class Checked:
    """The jobs of a campaign file. `bad` are the invalid rows in order; no job of them is in `jobs`. `rows`: how many
    rows the file has. `fetched`: how many files were fetched by URL, of which `unusable` could not be used; None: none
    was tried."""

    jobs: list[Prepared]
    bad: list[BadRow]
    files: LocalFiles
    rows: int
    fetched: int | None = None
    unusable: int = 0

    @property
    def good(self) -> int:
        """How many rows have no problem."""
        return self.rows - len({row.number for row in self.bad})

    def batch(self) -> Batch:
        """The good jobs, ready to store."""
        return Batch(self.jobs, self.files)


def check_campaign(
    rows: Iterable[Row | InvalidInput],
    settings: Settings,
    base: Path | None,
    *,
    fetch: bool = False,
    fetch_within_s: float | None = None,
    progress: Progress | None = None,
    proof: bool = False,
) -> Checked:
    """Check all rows. `base`: the directory of relative paths; None: local paths are refused. `fetch`: also fetch the
    files that are named by URL; `fetch_within_s`: how long that may take, None: no limit. `proof`: the jobs are proofs
    of what the rows ask for.

    Raises:
        InvalidInput: no account is configured, or the file as a whole cannot be read.
    """
    require_accounts(settings)
    files = LocalFiles(base)
    jobs: list[Prepared] = []
    bad: list[BadRow] = []
    numbers: set[int] = set()
    with closing(files):
        for item in check_rows(rows, settings, files):
            if isinstance(item, Prepared):
                jobs.append(item)
                numbers.add(item.row.number)
            elif isinstance(item, BadRow):
                bad.append(item)
                numbers.add(item.number)
            else:
                raise item
    checked = Checked(jobs, bad, files, len(numbers))
    bad += _shared_keys(jobs)
    facts: Mapping[str, MediaFacts] = files.facts
    if fetch:
        facts = _check_remote(checked, settings, progress, fetch_within_s)
    without_bad_rows(checked)
    if proof:
        # In place, so that a large file is not in memory twice.
        for place, job in enumerate(as_proofs(checked.jobs, settings, facts)):
            checked.jobs[place] = job
    return checked


_LOST_DIGITS = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)


def _shared_keys(jobs: Iterable[Prepared]) -> Iterator[BadRow]:
    """The rows whose idempotency key an earlier row of the file has, which asks for something else."""
    first: dict[str, Prepared] = {}
    for job in jobs:
        key = job.spec.idempotency_key
        if key is None or first.setdefault(key, job).request_hash == job.request_hash:
            continue
        message = f"{shorten(key)} is also that of row {first[key].row.number}, which asks for something else"
        if _LOST_DIGITS.fullmatch(key):
            message += "; it has lost digits: format the column as text and write the keys again"
        yield job.row.bad([Problem("idempotency_key", message)])


def bad_cells(rows: Iterable[BadRow]) -> list[dict[str, Any]]:
    """What is wrong in rows, cell by cell, as JSON."""
    return [
        {"row": row.number, "column": cell.column, "key": row.key, "message": cell.message}
        for row in rows
        for cell in row.cells
    ]


def without_bad_rows(checked: Checked) -> None:
    """Leave out the other jobs of rows with a problem, order the problems by row, and give each once."""
    wrong = {row.number for row in checked.bad}
    if wrong:
        checked.jobs = [job for job in checked.jobs if job.row.number not in wrong]
    by_content = {(row.number, row.cells): row for row in reversed(checked.bad)}
    checked.bad = sorted(by_content.values(), key=lambda row: row.number)


def _check_remote(
    checked: Checked, settings: Settings, progress: Progress | None, within_s: float | None
) -> Mapping[str, MediaFacts]:
    """Check the files that are named by URL; returns the facts about all files."""
    wanted: dict[str, Modality] = {}
    for job in checked.jobs:
        for _, modality, value in _urls_of(job):
            wanted.setdefault(value, modality)
    if not wanted:
        checked.fetched = 0
        return checked.files.facts
    # Imported here: its HTTP client is a fifth of what `campaign run` loads, and most campaigns name no file by URL.
    from producer.intake.remote_media import fetch_all

    found = fetch_all(wanted, settings, progress, within_s)
    checked.fetched, checked.unusable = len(wanted), len(found.problems)
    facts: Mapping[str, MediaFacts] = {**checked.files.facts, **found.facts}
    good = []
    for job in checked.jobs:
        urls = _urls_of(job)
        problems = [
            Problem(name, f"{value} {found.problems[value]}") for name, _, value in urls if value in found.problems
        ]
        try:
            if problems:
                raise InvalidInput(problems)
            good.append(as_prepared(job.spec, settings, job.row, facts) if urls else job)
        except InvalidInput as exc:
            checked.bad.append(job.row.bad(exc.problems))
    checked.jobs = good
    return facts


def _urls_of(job: Prepared) -> Sequence[tuple[str, Modality, str]]:
    return [item for item in job.spec.media() if media_kind(item[2]) is MediaKind.URL]
