"""What can go wrong for a producer; every one is one clear line, or one line a row."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from seedance.problems import InvalidInput
from storage.jobs.records import IdempotencyConflict


class InvalidRows(InvalidInput):
    """Rows of one input that break rules, each with its place; nothing of the input was stored.

    `rows` holds the first of them; `more` tells whether the rest was not looked at.
    """

    def __init__(self, rows: Sequence[InvalidInput], more: bool = False) -> None:
        self.rows = tuple(rows)
        self.more = more
        super().__init__([problem for row in rows for problem in row.problems])
        self.args = (self.rows, more)

    def __str__(self) -> str:
        lines = [str(row) for row in self.rows]
        if self.more:
            lines.append(f"… stopped after {len(self.rows)} rows with problems; nothing was enqueued")
        return "\n".join(lines)


class RowConflict(IdempotencyConflict):
    """An idempotency conflict of one row of many; `where` names it."""

    def __init__(self, where: str, conflict: IdempotencyConflict) -> None:
        self.where = where
        self.conflict = conflict
        super().__init__(conflict.key, conflict.index, conflict.job_id)
        self.args = (where, conflict)  # what pickling hands back to this constructor

    def __str__(self) -> str:
        return f"{self.where}: {self.conflict}"


class JobNotFound(LookupError):
    """There is no job of that id."""

    def __init__(self, job_id: object) -> None:
        self.job_id = job_id
        super().__init__(job_id)

    def __str__(self) -> str:
        return f"there is no job {self.job_id}"


class CampaignNotFound(LookupError):
    """There is no campaign of that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)

    def __str__(self) -> str:
        return f"there is no campaign {self.name!r}"


class NotPossible(Exception):
    """What was asked cannot be done to the job as it stands; the text says why and what can."""

    def __init__(self, job_id: UUID, why: str) -> None:
        self.job_id = job_id
        self.why = why
        super().__init__(job_id, why)

    def __str__(self) -> str:
        return f"job {self.job_id} {self.why}"


class WebhookNotFound(LookupError):
    """There is no webhook endpoint, or no message, of that id."""

    def __init__(self, kind: str, wanted: object) -> None:
        self.kind = kind
        self.wanted = wanted
        super().__init__(kind, wanted)

    def __str__(self) -> str:
        return f"there is no webhook {self.kind} {self.wanted}"


class ReplayRefused(Exception):
    """A webhook message cannot be sent again as things stand."""

    def __init__(self, message: str, why: str) -> None:
        self.message = message
        self.why = why
        super().__init__(message, why)

    def __str__(self) -> str:
        return f"{self.message} {self.why}"
