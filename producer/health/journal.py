"""Checks of the journal, the record in the bucket that a restored database is compared with."""

from __future__ import annotations

from collections.abc import Iterator

from producer.health.findings import Finding, bad, good, warn
from storage.database import Connection
from storage.journal.state import read_state


def check_journal(conn: Connection) -> Iterator[Finding]:
    """Whether database and journal agree, so that jobs are submitted, and a restore would be noticed."""
    found = read_state(conn)
    if found.hold is not None:
        yield bad("journal", f"nothing is submitted: {found.hold['message']}", "journal_held")
    elif found.problem is not None and found.problem["code"] == "not_listed":
        yield warn("journal", found.problem["message"], "journal_not_listed")
    elif found.problem is not None:
        yield bad("journal", found.problem["message"], "journal_not_read")
    elif found.behind:
        text = (
            f"submits are not written down before they are made, so a restore would repeat them: {found.behind_error}"
        )
        yield warn("journal", text, "journal_behind")
    else:
        agrees = "not compared yet" if found.through is None else f"agrees until {found.through:%Y-%m-%d %H:%M:%S} UTC"
        yield good("journal", f"in {found.place}, {agrees}" if found.place else agrees)
