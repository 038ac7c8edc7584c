"""The rows of a campaign with what became of them, in the order of the sheet."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

from producer.campaigns.reading.looks.formats import column_format
from producer.campaigns.results.layout import Layout
from producer.errors import CampaignNotFound
from storage.campaigns.completion import complete_next, lacking_rows
from storage.campaigns.controls import find_campaign
from storage.campaigns.rows import ALL, Place, RowFilter, RowView, count_chosen, find_rows, last_place
from storage.campaigns.sheets import sheets_of
from storage.database import Connection, Database
from storage.jobs.history import decisions_of
from storage.jobs.queries import get_jobs
from storage.jobs.records import JobView
from storage.jobs.states import JobState

PAGE = 500
WAIT_S = 1.0
"""How long a page waits for rows that the campaign lacks; then it is short."""
_PAUSE_S = 0.2
"""The pause while another session stores jobs of the campaign."""
_BEGINNING: Place = (0, UUID(int=0))
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
    earlier: JobView | None = None
    """An earlier version, whose video is shown until the new one is there; None: there is none."""

    @property
    def shown(self) -> JobView:
        """The job whose files are those of the row now."""
        return self.earlier or self.job

    @property
    def has_video(self) -> bool:
        """Whether its video is in the bucket."""
        shown = self.shown
        return shown.object_key is not None and shown.state is JobState.SUCCEEDED and shown.deleted_at is None

    @property
    def has_poster(self) -> bool:
        """Whether the first frame of its video is in the bucket."""
        return self.has_video and self.shown.poster_key is not None


class Results:
    """The results of a campaign; iterate them as often as needed, each time they are read again, page by page.

    `columns`: the sheet's own columns, "" for one without a name. Where several files were run under one name, those of
    the newest come first, then those that only older ones have. `layout`: how they look.

    Rows that another program's campaign lacks are made as the pages come to them.
    """

    def __init__(self, database: Database, tenant: str, name: str, wanted: RowFilter = ALL) -> None:
        """
        Raises:
            CampaignNotFound: the tenant has no such campaign.
        """
        self._database, self._tenant, self._wanted = database, tenant, wanted
        self.name = name
        with database.begin() as conn:
            found = find_campaign(conn, tenant, name)
            if found is None:
                raise CampaignNotFound(name)
            self._campaign: UUID = found
            self._lacks = lacking_rows(conn, found) > 0
            found_sheets = sheets_of(conn, self._campaign)
        sheets = {sheet.number: _numbered(sheet.columns) for sheet in found_sheets}
        united = list(dict.fromkeys(column for number in sorted(sheets, reverse=True) for column in sheets[number]))
        self.columns = [name for name, _ in united]
        places = {column: place for place, column in enumerate(united)}
        self._places = {number: [places[column] for column in columns] for number, columns in sheets.items()}
        self.layout = Layout(
            len(self.columns),
            {
                sheet.number: list(zip(self._places[sheet.number], map(column_format, sheet.formats), strict=False))
                for sheet in found_sheets
                if sheet.formats is not None
            },
        )

    def count(self) -> int:
        """How many rows there are now, with those that the campaign lacks, which may be others."""
        with self._database.begin() as conn:
            lacking = lacking_rows(conn, self._campaign) if self._lacks else 0
            return lacking + count_chosen(conn, self._campaign, self._wanted)

    def page(self, after: Place | None, limit: int = PAGE) -> tuple[list[Result], Place | None]:
        """Up to `limit` rows after a place, and the place after which the next page begins; None: this is the last
        one. A page has fewer rows, or none, although more follow, where the campaign lacks very many."""
        until = time.monotonic() + WAIT_S
        for attempt in count():
            with self._database.begin() as conn:
                last = last_place(conn, self._campaign) if self._lacks else None  # first: rows may be added behind it
                rows = find_rows(conn, self._campaign, self._wanted, after=after, limit=limit + 1)
                if (
                    len(rows) > limit
                    or not self._lacks
                    or self._may_be_short(rows, bool(attempt) and time.monotonic() >= until)
                ):
                    shown = self._shown(conn, rows[:limit])
                    break
            self._make_rows()
        if len(rows) > limit:
            return shown, rows[limit - 1].place
        if not self._lacks:
            return shown, None
        return shown, max(last or _BEGINNING, after or _BEGINNING, *(row.place for row in rows[-1:]))

    def _shown(self, conn: Connection, rows: Sequence[RowView]) -> list[Result]:
        ids = [row.job_id for row in rows]
        earlier = {row.id: row.video_job_id for row in rows if row.video_job_id not in (None, row.job_id)}
        ids += [job_id for job_id in earlier.values() if job_id is not None]
        jobs, decided = get_jobs(conn, self._tenant, ids), decisions_of(conn, ids)
        return [
            Result(
                row,
                jobs[row.job_id],
                self._aligned(row),
                decided.get(row.job_id, ()),
                jobs.get(earlier[row.id]) if row.id in earlier else None,
            )
            for row in rows
            if row.job_id in jobs  # retention may just have deleted it
        ]

    def _may_be_short(self, rows: Sequence[RowView], is_late: bool) -> bool:
        """Whether a page with these rows need not wait for those that the campaign lacks. Rows with known ids are all
        waited for: a person looks at one of them."""
        return is_late if self._wanted.ids is None else len(rows) == len(self._wanted.ids)

    def _make_rows(self) -> None:
        """Make the next rows that the campaign lacks, and note whether it lacks more."""
        with self._database.begin() as conn:
            made = complete_next(conn, self._campaign)
            self._lacks = made != 0 and lacking_rows(conn, self._campaign) > 0
        if made is None:
            time.sleep(_PAUSE_S)

    def __iter__(self) -> Iterator[Result]:
        # The database reads the next page while this one is used.
        with ThreadPoolExecutor(1, thread_name_prefix="results") as pool:
            ahead = pool.submit(self.page, None)
            while True:
                found, last = ahead.result()
                if last is None:
                    yield from found
                    return
                ahead = pool.submit(self.page, last)
                yield from found

    def _aligned(self, row: RowView) -> list[Any]:
        cells: list[Any] = [None] * len(self.columns)
        for place, cell in zip(self._places.get(row.sheet, ()), row.cells, strict=False):
            cells[place] = cell
        return cells


def named_cells(columns: Sequence[str], result: Result) -> dict[str, Any]:
    """The cells of a row by the names of their columns; one without a name is called `column 3`."""
    pairs = zip(columns, result.cells, strict=True)
    return {name or f"column {place}": cell for place, (name, cell) in enumerate(pairs, 1) if name or cell is not None}


def _numbered(names: Sequence[str]) -> list[_Column]:
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append((name, seen[name]))
    return found
