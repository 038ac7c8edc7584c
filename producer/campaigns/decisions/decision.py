"""A decision about rows of a campaign: how many it is about, what it costs, and what cannot succeed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from producer.campaigns.decisions.verdicts import Verb, Verdict, Why
from producer.campaigns.planning.costs import Cost, Reach
from producer.intake.intake import Prepared
from storage.campaigns.rows import RowView
from storage.campaigns.versions import VersionKind
from storage.jobs.records import JobView

_SHOWN_ROWS = 1_000
MOST_ACTING = 10_000
"""How many rows a preview names: as many as one decision may name by their ids."""


def _names(rows: Iterable[RowView]) -> list[dict[str, Any]]:
    return [{"row": row.number, "key": row.key, "id": row.id} for row in rows]


@dataclass(frozen=True, slots=True)
class Act:
    """One row that takes part. `job`: the one that is acted on; `made`: the new job, or the changed one, and `kind`
    why it is made; None: none is."""

    row: RowView
    job: JobView
    verdict: Verdict
    made: Prepared | None = None
    kind: VersionKind | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """Rows that take no part, for one reason. `detail`: more about it, such as a rule that a field breaks."""

    why: Why
    rows: Sequence[RowView]
    detail: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The rows as JSON."""
        said = f"{self.why.line}: {self.detail}" if self.detail else self.why.line
        return {"code": self.why, "message": said, "count": len(self.rows), "rows": _names(self.rows[:_SHOWN_ROWS])}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a verb does with the chosen rows. `costs`: of new jobs, by currency; `reach`: how many of them the
    campaign's budget pays for, None: it has none. `missing`: numbers and keys that no row has."""

    campaign_id: UUID
    campaign: str
    verb: Verb
    acts: Sequence[Act]
    left: Sequence[Left]
    costs: Sequence[Cost] = ()
    without_price: int = 0
    reach: Reach | None = None
    missing: Sequence[str] = ()

    @property
    def new_jobs(self) -> int:
        """How many jobs it makes."""
        return sum(act.made is not None and act.kind is not None for act in self.acts)

    @property
    def idle(self) -> Iterator[Left]:
        """Rows for which there is nothing to do."""
        return (item for item in self.left if item.why.is_idle)

    @property
    def refused(self) -> Iterator[Left]:
        """Rows for which it cannot be done."""
        return (item for item in self.left if not item.why.is_idle)

    def as_dict(self) -> dict[str, Any]:
        """The decision as JSON."""
        cost = self.costs[0] if self.costs else None
        return {
            "campaign": self.campaign,
            "verb": self.verb,
            "rows": len(self.acts) + sum(len(item.rows) for item in self.left),
            "acts": len(self.acts),
            "acting": _names(act.row for act in self.acts[:MOST_ACTING]),
            "new_jobs": self.new_jobs,
            "cost": None if cost is None else cost.as_dict(),
            "costs": [item.as_dict() for item in self.costs],
            "without_price": self.without_price,
            "budget": None if self.reach is None else self.reach.as_dict(),
            "idle": [item.as_dict() for item in self.idle],
            "refused": [item.as_dict() for item in self.refused],
            "missing": list(self.missing),
        }


@dataclass(frozen=True, slots=True)
class Done:
    """A decision that was carried out. `operation`: its id; `done`: how many rows took part; `known`: it had been
    carried out before, and nothing was done now. `jobs`: the new jobs, by row; `asked`: rows whose gateways are asked
    to cancel."""

    operation: str
    done: int
    asked: int = 0
    known: bool = False
    jobs: Mapping[UUID, UUID] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)
    """The whole answer as JSON; the same for a repeated operation."""

    @property
    def all_done(self) -> bool:
        """Whether nothing that was chosen was refused."""
        return not self.document["refused"] and not self.document["missing"]
