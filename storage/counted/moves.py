"""One trigger for all kept counts of jobs: what an UPDATE changes in them, once for all its rows.

Most updates of jobs change nothing that is counted: a lease, a poll. One look at the rows as they were and as they
became says which counts change at all. Of these, all rows are taken away and added; what is the same cancels out. So a
batch of moves adds one row for each group, not two for each job, and fewer rows are left to merge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from storage.counted.campaigns import CAMPAIGN_MOVED, CAMPAIGN_PARTS, CAMPAIGN_SUMS
from storage.counted.ended import END_MOVED, ENDED_SUMS
from storage.counted.failures import FAILURE_COUNTS, FAILURE_MOVED
from storage.counted.jobs import JOB_COUNTS, JOB_MOVED
from storage.counted.kept_count import KeptCount, function_sql
from storage.counted.slots import SLOT_COUNTS, SLOT_MOVED

COUNTS = (JOB_COUNTS, CAMPAIGN_SUMS, SLOT_COUNTS, ENDED_SUMS)
"""The kept counts of jobs that this trigger had from the beginning."""
_BELONGS: LiteralString = "(OLD.campaign_id IS NOT NULL OR NEW.campaign_id IS NOT NULL)"


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a kept count, which changes apart from its others.

    `moved`: whether an updated job, `OLD` and `NEW`, changes it. `rows`: a SELECT of its keys and numbers from the rows
    `r` of jobs, as `KeptCount.rows`.
    """

    name: LiteralString
    kept: KeptCount
    moved: LiteralString
    rows: LiteralString

    @property
    def is_moved(self) -> LiteralString:
        """The same of all rows, `o` and `n`. A row whose id has changed has only one of them, and counts as moved."""
        return f"bool_or(({self.moved.replace('OLD.', 'o.').replace('NEW.', 'n.')}) IS NOT FALSE)"

    @property
    def change(self) -> LiteralString:
        """The statement that takes away all rows as they were, and adds them as they became."""
        keys, numbers = self.kept.keys, self.kept.numbers
        names, sums = ", ".join(numbers), ", ".join(f"sum({name})" for name in numbers)
        negative = ", ".join(f"-{name}" for name in numbers)
        some = " OR ".join(f"sum({name}) <> 0" for name in numbers)
        old, new = (self.rows.replace("FROM jobs r", f"FROM {table} r") for table in ("were", "became"))
        return f"""INSERT INTO {self.kept.table} ({keys}, {names}) SELECT {keys}, {sums} FROM (
            SELECT {keys}, {negative} FROM ({old}) taken UNION ALL SELECT {keys}, {names} FROM ({new}) added
        ) changes ({keys}, {names}) GROUP BY {keys} HAVING {some}"""  # noqa: S608 - put together from constants


def _of_campaign(kind: LiteralString, moved: LiteralString, part: LiteralString) -> _Part:
    moved = f"{_BELONGS} AND ({moved} OR {CAMPAIGN_MOVED})"
    return _Part(f"{kind}_moved", CAMPAIGN_SUMS, moved, f"SELECT p.* FROM jobs r CROSS JOIN LATERAL ({part}) p")  # noqa: S608 - as above


_PARTS = (
    _Part("job_moved", JOB_COUNTS, JOB_MOVED, JOB_COUNTS.rows),
    _Part("slot_moved", SLOT_COUNTS, SLOT_MOVED, SLOT_COUNTS.rows),
    _Part("end_moved", ENDED_SUMS, END_MOVED, ENDED_SUMS.rows),
    *(_of_campaign(*part) for part in CAMPAIGN_PARTS),
)
_FAILURES = _Part("failure_moved", FAILURE_COUNTS, FAILURE_MOVED, FAILURE_COUNTS.rows)


def _function(parts: Sequence[_Part]) -> LiteralString:
    """The statement that creates the function of the trigger, or replaces it."""
    names = [part.name for part in parts]
    # A FULL JOIN has no plan that looks at all rows for each row, however few rows the first statement had, for which
    # PostgreSQL makes the plan.
    return function_sql(
        "count_moved_jobs",
        f"""DECLARE {" ".join(f"{name} boolean;" for name in names)}
            BEGIN
                SELECT {", ".join(part.is_moved for part in parts)} INTO {", ".join(names)}
                FROM were o FULL JOIN became n ON o.id = n.id;
                {" ".join(f"IF {part.name} THEN {part.change}; END IF;" for part in parts)}
            END""",  # noqa: S608 - as above
    )


def _without_rows(counts: Sequence[KeptCount]) -> tuple[LiteralString, ...]:
    """The statements that remove the triggers for each row."""
    return (
        *(f"DROP TRIGGER {kept.table}_update ON jobs" for kept in counts),
        *(f"DROP FUNCTION {kept.table}_move()" for kept in counts),
    )


CREATE: tuple[LiteralString, ...] = (
    *_without_rows(COUNTS),
    _function(_PARTS),
    """CREATE TRIGGER count_moved_jobs AFTER UPDATE ON jobs REFERENCING OLD TABLE AS were NEW TABLE AS became
        FOR EACH STATEMENT EXECUTE FUNCTION count_moved_jobs()""",
)
"""The statements that put this trigger in the place of those for each row."""
DROP: tuple[LiteralString, ...] = (
    "DROP TRIGGER count_moved_jobs ON jobs",
    "DROP FUNCTION count_moved_jobs()",
    *(statement for kept in COUNTS for statement in kept.of_updates),
)
"""The statements that put those for each row back."""
ADD_FAILURES: tuple[LiteralString, ...] = (*_without_rows([FAILURE_COUNTS]), _function((*_PARTS, _FAILURES)))
"""The statements that let this trigger count failures too, in the place of the one for each row."""
REMOVE_FAILURES: tuple[LiteralString, ...] = (_function(_PARTS), *FAILURE_COUNTS.of_updates)
"""The statements that put that one back."""
