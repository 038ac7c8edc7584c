"""The rows of a campaign with what became of them, in the order of the sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from producer.campaigns.status import campaign_status
from storage.campaigns.rows import ALL, RowFilter, RowView, count_chosen, find_rows
from storage.campaigns.sheets import sheets_of
from storage.database import Database
from storage.jobs.history import decisions_of
from storage.jobs.queries import get_jobs
from storage.jobs.records import JobView
from storage.jobs.states import JobState

PAGE = 500
_Column = tuple[str, int]
"""A name, and which of the columns with that name."""


@dataclass(frozen=True, slots=True)
class Result:
    """A row, the job that stands for it, and its cells in the columns of the whole campaign."""

    row: RowView
    job: JobView
    cells: Sequence[Any]
    decisions: Sequence[Mapping[str, Any]] = ()
    """Who decided what about the job, oldest first."""

    @property
    def has_video(self) -> bool:
        """Whether its video is in the bucket."""
        return self.job.object_key is not None and self.row.state is JobState.SUCCEEDED and self.job.deleted_at is None

    @property
    def has_poster(self) -> bool:
        """Whether the first frame of its video is in the bucket."""
        return self.has_video and self.job.poster_key is not None


class Results:
    """The results of a campaign; iterate them as often as needed, each time they are read again, page by page.

    `columns`: the sheet's own columns, "" for one without a name. Where several files were run under one name, those of
    the newest come first, then those that only older ones have.
    """

    def __init__(self, database: Database, tenant: str, name: str, wanted: RowFilter = ALL) -> None:
        """
        Raises:
            CampaignNotFound: the tenant has no such campaign.
        """
        self._database, self._tenant, self._wanted = database, tenant, wanted
        self.name = name
        with database.begin() as conn:
            self._campaign: UUID = campaign_status(conn, tenant, name).id
            sheets = {sheet.number: _numbered(sheet.columns) for sheet in sheets_of(conn, self._campaign)}
        united = list(dict.fromkeys(column for number in sorted(sheets, reverse=True) for column in sheets[number]))
        self.columns = [name for name, _ in united]
        places = {column: place for place, column in enumerate(united)}
        self._places = {number: [places[column] for column in columns] for number, columns in sheets.items()}

    def count(self) -> int:
        """How many rows there are now."""
        with self._database.begin() as conn:
            return count_chosen(conn, self._campaign, self._wanted)

    def __iter__(self) -> Iterator[Result]:
        last = None
        while True:
            with self._database.begin() as conn:
                rows = find_rows(conn, self._campaign, self._wanted, after=last, limit=PAGE)
                jobs = get_jobs(conn, self._tenant, [row.job_id for row in rows])
                decided = decisions_of(conn, [row.job_id for row in rows])
            if not rows:
                return
            last = rows[-1].place
            for row in rows:
                if (job := jobs.get(row.job_id)) is not None:  # retention may just have deleted it
                    yield Result(row, job, self._aligned(row), decided.get(job.id, ()))

    def _aligned(self, row: RowView) -> list[Any]:
        cells: list[Any] = [None] * len(self.columns)
        for place, cell in zip(self._places.get(row.sheet, ()), row.cells, strict=False):
            cells[place] = cell
        return cells


def _numbered(names: Sequence[str]) -> list[_Column]:
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append((name, seen[name]))
    return found
