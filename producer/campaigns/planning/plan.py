"""A plan: everything that can be known about a campaign before money is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from producer.campaigns.duplicates import Duplicates
from producer.campaigns.names import check_name
from producer.campaigns.planning.checking import Checked, bad_cells, without_bad_rows
from producer.campaigns.planning.costs import Cost, Reach, costs_of, reach_of
from producer.campaigns.planning.forecast import (
    Forecast,
    Outlook,
    Work,
    forecast,
    outlook_without_database,
    read_outlook,
)
from producer.campaigns.planning.pacing import pace_now
from producer.campaigns.planning.proofs import ProofPlan, proofs_of
from producer.campaigns.reading.report import Report
from producer.campaigns.storing import AGAIN, NO_EDITS, edits_now
from producer.intake.intake import Prepared, with_derived_keys
from producer.intake.terms import Terms
from producer.wording import plural
from seedance.problems import Problem
from storage.admission.campaign_pace import FREE, Pace, pace_of
from storage.admission.spending import budgets
from storage.admission.spending.budgets import Budget
from storage.campaigns.outlook import known_jobs
from storage.campaigns.summaries import campaign_summaries
from storage.database import Connection
from storage.settings import Settings

SAMPLES: Final = 3
LATE: Final = 0.1
"""A row is reported if its chance to miss its deadline is at least this."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database knows: the outlook, the campaign's budget, and which of the jobs it has already."""

    outlook: Outlook
    budget: Budget | None = None
    pace: Pace = FREE
    known: frozenset[str] = frozenset()
    """Keys of jobs that are stored already: they cost nothing again."""
    edited: Mapping[str, Sequence[int]] = field(default_factory=lambda: NO_EDITS)
    """Numbers of rows that were edited since: `replaced`, `again`, `paid_for`; see `storing`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one file. `jobs` are those that a run would add; `known` are stored already."""

    name: str | None
    checked: Checked
    report: Report
    jobs: Sequence[Prepared]
    known: int
    duplicates: Sequence[Sequence[int]]
    costs: Sequence[Cost]
    without_price: int
    reach: Reach | None
    finish: Forecast
    late: Sequence[tuple[int, float]]
    """Rows that may miss their deadline, each with the chance of it."""
    notes: Sequence[str]
    edited: Mapping[str, Sequence[int]] = field(default_factory=lambda: NO_EDITS)
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    proofs: ProofPlan | None = None
    """The jobs are proofs; None: the campaign makes none."""

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON."""
        cost = self.costs[0] if self.costs else Cost(None, 0.0, 0.0, 0)
        finish = self.finish
        return {
            "campaign": self.name,
            "rows": self.checked.rows,
            "good": self.checked.good,
            "jobs": len(self.jobs) + self.known,
            "known": self.known,
            "edited": {what: list(rows) for what, rows in self.edited.items()},
            "bad": bad_cells(self.checked.bad),
            "duplicates": [list(rows) for rows in self.duplicates],
            "cost": cost.as_dict(),
            "costs": [item.as_dict() for item in self.costs],
            "without_price": self.without_price,
            "budget": None if self.reach is None else self.reach.as_dict(),
            "proofs": None if self.proofs is None else self.proofs.as_dict(),
            "finish": {
                "p50": finish.instant(finish.p50_s, self.made_at),
                "p90": finish.instant(finish.p90_s, self.made_at),
                "p50_s": finish.p50_s,
                "p90_s": finish.p90_s,
                "assumes": list(finish.assumes),
            },
            "late": [{"row": row, "chance": round(chance, 2)} for row, chance in self.late],
            "media": {"fetched": self.checked.fetched, "unusable": self.checked.unusable},
            "samples": [
                {"row": job.row.number, "key": job.row.key, "request": job.request} for job in self.jobs[:SAMPLES]
            ],
            "columns": {"used": self.report.used, "kept": self.report.kept},
            "encoding": self.report.encoding,
            "sheet": self.report.sheet,
            "notes": list(self.notes),
        }


def read_stored(conn: Connection, settings: Settings, tenant: str, name: str | None, checked: Checked) -> Stored:
    """What the database knows about a campaign. A job whose key is known with another request becomes a bad row."""
    outlook = read_outlook(conn, settings)
    found = campaign_summaries(conn, tenant, name=name, limit=1) if name is not None else []
    budget = next(iter(budgets.budgets_of(conn, tenant, [row["id"] for row in found])), None)
    if name is not None:
        checked.jobs = with_derived_keys(checked.jobs, check_name(name))
    known = known_jobs(conn, tenant, [job.idempotency_key for job in checked.jobs if job.idempotency_key is not None])
    rows: dict[UUID, Prepared] = {}
    for job in checked.jobs:
        job_id, request_hash = known.get(job.idempotency_key or "", (None, job.request_hash))
        if job_id is not None and found and job.row.entity is not None and job.spec.idempotency_key is None:
            rows[job_id] = job
        elif request_hash != job.request_hash:
            message = f"its key is known with another request, as job {job_id}; give it another key"
            checked.bad.append(job.row.bad([Problem("", message)]))
    without_bad_rows(checked)
    edits = edits_now(conn, tenant, found[0]["id"], rows) if rows else {}
    again = {rows[row_id].idempotency_key for row_id, what in edits.items() if what == AGAIN}
    edited = {
        name: sorted({rows[row_id].row.number for row_id, what in edits.items() if what == name}) for name in NO_EDITS
    }
    pace = pace_of(conn, found[0]["id"]) if found else FREE
    return Stored(outlook, budget, pace, frozenset(known.keys() - again), edited)


def make_plan(
    checked: Checked,
    report: Report,
    settings: Settings,
    *,
    name: str | None = None,
    terms: Terms | None = None,
    stored: Stored | None = None,
    proof: bool = False,
) -> Plan:
    """The plan of checked rows; `stored` None: the database was not asked. `proof`: their jobs are proofs."""
    stored = stored or Stored(outlook_without_database(settings))
    pace = pace_now(terms, stored.pace)
    jobs = [job for job in checked.jobs if job.idempotency_key not in stored.known]
    given = terms.budget if terms is not None else None
    own = None if terms is not None and terms.no_budget else stored.budget
    order = sorted(range(len(jobs)), key=lambda place: -jobs[place].spec.priority)
    reach = reach_of(jobs, order, given, own)
    costs, unpriced = costs_of(jobs, reach.currency if reach is not None else None)
    submitted = order if reach is None else reach.paid
    now = datetime.now(UTC)
    delay_s = pace.delay_s(now)
    work = [_work(jobs[place], now, delay_s) for place in submitted]
    finish = pace.slow(forecast(work, pace.narrow(stored.outlook), settings), delay_s)
    if proof:
        finish = replace(finish, assumes=[*finish.assumes, "only the proofs are counted"])
    duplicates = Duplicates()
    for job in checked.jobs:
        duplicates.add(job)
    return Plan(
        name=name,
        checked=checked,
        report=report,
        jobs=jobs,
        known=len(checked.jobs) - len(jobs),
        duplicates=duplicates.rows(),
        costs=costs,
        without_price=unpriced,
        reach=reach,
        finish=finish,
        late=_late(jobs, submitted, finish.late),
        notes=[*report.notes, *_notes_on_keys(checked), *_notes_on_prices(jobs, reach)],
        edited=stored.edited,
        made_at=now,
        proofs=proofs_of(jobs, reach, given, own) if proof else None,
    )


def _work(job: Prepared, now: datetime, delay_s: float) -> Work:
    deadline = job.spec.deadline
    seconds = (deadline - now).total_seconds() if isinstance(deadline, datetime) else deadline
    return Work(job.request, tuple(job.prices), None if seconds is None else seconds - delay_s)


def _late(jobs: Sequence[Prepared], places: Sequence[int], chances: Sequence[float]) -> list[tuple[int, float]]:
    rows: dict[int, float] = {}
    for place, chance in zip(places, chances, strict=True):
        if chance >= LATE:
            number = jobs[place].row.number
            rows[number] = max(chance, rows.get(number, 0.0))
    return sorted(rows.items())


def _notes_on_prices(jobs: Sequence[Prepared], reach: Reach | None) -> list[str]:
    """A note if a run would refuse the budget."""
    if reach is None:
        return []
    without = sum(not any(reach.currency in of for of in job.prices.values()) for job in jobs)
    if not without:
        return []
    said = f"no price in {reach.currency} is known for {plural(without, 'job')}, which would wait for ever"
    return [f"{said} under this budget; set the account's `rates`"]


def _notes_on_keys(checked: Checked) -> list[str]:
    """A note if rows share a value that looks like a key, which was not named as one."""
    rows: dict[str, set[int]] = {}
    for job in checked.jobs:
        if job.row.key is not None and job.row.entity is None and job.spec.idempotency_key is None:
            rows.setdefault(job.row.key, set()).add(job.row.number)
    twice = [(key, sorted(numbers)) for key, numbers in rows.items() if len(numbers) > 1]
    if not twice:
        return []
    key, numbers = twice[0]
    more = f", and {len(twice) - 1} more" if len(twice) > 1 else ""
    return [f"{key} is in rows {', '.join(str(number) for number in numbers[:10])}{more}; --key would refuse that"]
