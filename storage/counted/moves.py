"""One trigger for all kept counts of jobs: what an UPDATE changes in them, once for all its rows.

Most updates of jobs change nothing that is counted: a lease, a poll. One look at the rows as they were and as they
became says which counts change at all. Of these, all rows are taken away and added; what is the same cancels out. So a
batch of moves adds one row for each group, not two for each job, and fewer rows are left to merge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from storage.counted.campaigns import CAMPAIGN_MOVED, CAMPAIGN_PARTS, CAMPAIGN_SUMS
from storage.counted.ended import END_MOVED, ENDED_SUMS
from storage.counted.jobs import JOB_COUNTS, JOB_MOVED
from storage.counted.kept_count import KeptCount, function_sql
from storage.counted.slots import SLOT_COUNTS, SLOT_MOVED

COUNTS = (JOB_COUNTS, CAMPAIGN_SUMS, SLOT_COUNTS, ENDED_SUMS)
"""The kept counts of jobs."""
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
# A FULL JOIN has no plan that looks at all rows for each row, however few rows the first statement had, for which
# PostgreSQL makes the plan.
_FUNCTION: LiteralString = function_sql(
    "count_moved_jobs",
    f"""DECLARE {" ".join(f"{part.name} boolean;" for part in _PARTS)}
            BEGIN
                SELECT {", ".join(part.is_moved for part in _PARTS)} INTO {", ".join(part.name for part in _PARTS)}
                FROM were o FULL JOIN became n ON o.id = n.id;
                {" ".join(f"IF {part.name} THEN {part.change}; END IF;" for part in _PARTS)}
            END""",  # noqa: S608 - as above
)
CREATE: tuple[LiteralString, ...] = (
    *(f"DROP TRIGGER {kept.table}_update ON jobs" for kept in COUNTS),
    *(f"DROP FUNCTION {kept.table}_move()" for kept in COUNTS),
    _FUNCTION,
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
