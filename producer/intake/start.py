"""How a campaign starts: at once, paused, or with its first rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from producer.intake.intake import Prepared
from seedance.problems import InvalidInput, Problem
from storage.campaigns.sheets import SheetSource


@dataclass(frozen=True, slots=True)
class Start:
    """How a campaign starts. `paused`: nothing is submitted before it is resumed; `first_rows`: so far only
    this number of rows is, None: all of them. `reading`: how its sheet was read, to be remembered; None: as before.
    `sheet`: the file that the rows come from; None: they come from none. `proof`: whether its rows are made as proofs
    first, which must be so for all of them; None: as it is."""

    paused: bool = False
    first_rows: int | None = None
    reading: Mapping[str, Any] | None = None
    sheet: SheetSource | None = None
    proof: bool | None = None

    def kept_back(self, jobs: Sequence[Prepared]) -> list[bool]:
        """For each job, whether it waits until the campaign is resumed."""
        first = list(dict.fromkeys(job.row.number for job in jobs))[: self.first_rows]
        submitted = set(first)
        return [job.row.number not in submitted for job in jobs]

    def agree(self, name: str, same: bool) -> None:
        """Check that the rows are made as those that the campaign has.

        Raises:
            InvalidInput: they are not.
        """
        if not same:
            how = "without proofs" if self.proof else "as proofs first"
            message = f"{name} has rows that are made {how}; give the new ones another name"
            raise InvalidInput([Problem("proof", message)])


AT_ONCE = Start()


def same_way(name: str, known: bool | None, wanted: bool) -> bool:
    """Whether the rows of a campaign are made as proofs: as `wanted`, or as `known` of a campaign that has rows.

    Raises:
        InvalidInput: proofs are wanted, and the campaign has rows that were made without.
    """
    if known is None:
        return wanted
    if wanted:
        Start(proof=True).agree(name, known)
    return known
