"""How a campaign starts: at once, paused, or with its first rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from producer.intake.intake import Prepared
from storage.campaigns.sheets import SheetSource


@dataclass(frozen=True, slots=True)
class Start:
    """How a campaign starts. `paused`: nothing is submitted before it is resumed; `first_rows`: so far only
    this number of rows is, None: all of them. `reading`: how its sheet was read, to be remembered; None: as before.
    `sheet`: the file that the rows come from; None: they come from none."""

    paused: bool = False
    first_rows: int | None = None
    reading: Mapping[str, Any] | None = None
    sheet: SheetSource | None = None

    def kept_back(self, jobs: Sequence[Prepared]) -> list[bool]:
        """For each job, whether it waits until the campaign is resumed."""
        first = list(dict.fromkeys(job.row.number for job in jobs))[: self.first_rows]
        submitted = set(first)
        return [job.row.number not in submitted for job in jobs]


AT_ONCE = Start()
