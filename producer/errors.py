"""Errors of a producer. The text of each is one line, or one line per row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from producer.wording import plural
from seedance.problems import InvalidInput, Problem, shorten
from storage.jobs.records import IdempotencyConflict


class InvalidRows(InvalidInput):
    """Invalid rows of one input, each with its place. Nothing of the input was stored.

    `rows` holds the first of them; `more`: the rest of the input was not checked.
    """

    def __init__(self, rows: Sequence[InvalidInput], more: bool = False) -> None:
        self.rows = tuple(rows)
        self.more = more
        super().__init__([problem for row in rows for problem in row.problems])
        self.args = (self.rows, more)

    def __str__(self) -> str:
        lines = [str(row) for row in self.rows]
        if self.more:
            lines.append(f"… stopped after {plural(len(self.rows), 'row')} with problems; nothing was enqueued")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class CellError:
    """What is wrong in a row, for programs: the column as its author calls it ("": the row as a whole), and why."""

    column: str
    message: str


class BadRow(InvalidInput):
    """One invalid row of many.

    `number` counts as the row's own program does: rows of a sheet, lines of JSONL. `key` names the row for people: the
    value in its key column; None: it has none.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        where: str,
        number: int,
        key: str | None = None,
        cells: Sequence[CellError] | None = None,
    ) -> None:
        super().__init__(problems, where)
        self.number = number
        self.key = key
        self.cells = tuple(cells) if cells is not None else tuple(CellError(p.field, p.message) for p in problems)
        self.args = (self.problems, where, number, key, self.cells)


class RowConflict(IdempotencyConflict):
    """An idempotency conflict in one row of many; `where` names the row."""

    def __init__(self, where: str, conflict: IdempotencyConflict) -> None:
        self.where = where
        self.conflict = conflict
        super().__init__(conflict.key, conflict.index, conflict.job_id)
        self.args = (where, conflict)  # pickling passes these to the constructor

    def __str__(self) -> str:
        return f"{self.where}: {self.conflict}"


class JobNotFound(LookupError):
    """There is no job with that id."""

    def __init__(self, job_id: object) -> None:
        self.job_id = job_id
        super().__init__(job_id)

    def __str__(self) -> str:
        return f"there is no job {self.job_id}"


class CampaignNotFound(LookupError):
    """There is no campaign with that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)

    def __str__(self) -> str:
        return f"there is no campaign {self.name!r}"


class UploadNotFound(Exception):
    """The tenant has no uploaded file with that id."""

    def __init__(self, upload_id: object) -> None:
        super().__init__(upload_id)
        self.upload_id = upload_id

    def __str__(self) -> str:
        return f"there is no uploaded file {shorten(self.upload_id)}"


class UploadDeleted(Exception):
    """A file was deleted while it was being uploaded, because the tenant had the same one already."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.reference = reference

    def __str__(self) -> str:
        return f"{self.reference} was deleted while it was being uploaded"


class OperationConflict(InvalidInput):
    """The id of an operation belongs to one that asked for something else. Nothing was done."""

    def __init__(self, message: str) -> None:
        super().__init__([Problem("operation", message)])
        self.args = (message,)


class KeyNotFound(LookupError):
    """There is no API key with that id in use."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(key_id)

    def __str__(self) -> str:
        return f"there is no key {shorten(self.key_id)} in use; see `reelq keys list`"


class NotPossible(Exception):
    """The job's state does not allow the action; the text says why, and what is possible."""

    def __init__(self, job_id: UUID, why: str) -> None:
        self.job_id = job_id
        self.why = why
        super().__init__(job_id, why)

    def __str__(self) -> str:
        return f"job {self.job_id} {self.why}"


class WebhookNotFound(LookupError):
    """There is no webhook endpoint, or no message, with that id."""

    def __init__(self, kind: str, wanted: object) -> None:
        self.kind = kind
        self.wanted = wanted
        super().__init__(kind, wanted)

    def __str__(self) -> str:
        return f"there is no webhook {self.kind} {self.wanted}"


class ReplayRefused(Exception):
    """A webhook message cannot be sent again now."""

    def __init__(self, message: str, why: str) -> None:
        self.message = message
        self.why = why
        super().__init__(message, why)

    def __str__(self) -> str:
        return f"{self.message} {self.why}"
