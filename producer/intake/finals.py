"""Rows with `draft_of`: find the draft, and complete the row with what the final takes from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from producer.intake.intake import Row
from producer.intake.job_spec import REQUEST_FIELDS
from seedance.drafts import final_request, own_fields_problems
from seedance.models.rows import ModelRow
from seedance.problems import InvalidInput, Problem, shorten
from seedance.request import parse_request
from storage.jobs.drafts import Draft
from storage.jobs.records import FinalOf
from storage.settings import Settings

FindDraft = Callable[[UUID, str | None], Draft | None]
"""Finds a job by its id; the key is that of the final."""


def with_drafts(
    rows: Iterable[Row | InvalidInput], settings: Settings, find: FindDraft
) -> Iterator[Row | InvalidInput]:
    """The rows; those with `draft_of` hold the whole request of the final, and its draft."""
    for row in rows:
        if isinstance(row, InvalidInput) or row.fields.get("draft_of") is None:
            yield row
            continue
        try:
            yield final_row(row, settings, find)
        except InvalidInput as exc:
            yield row.bad(exc.problems)


def final_row(row: Row, settings: Settings, find: FindDraft) -> Row:
    """The row of a final, completed from its draft.

    Raises:
        InvalidInput: no final can be made of that job, or the row sets what its draft decides.
    """
    key = row.fields.get("idempotency_key")
    job_id = _job_id(row.fields["draft_of"])
    draft = find(job_id, key if isinstance(key, str) else None)
    if draft is None:
        raise InvalidInput([Problem("draft_of", f"there is no job {job_id}")])
    problems = list(own_fields_problems(row.fields, REQUEST_FIELDS))
    if row.fields.get("account") not in (None, draft.account):
        problems.append(Problem("account", f"a final runs where its draft did, at {draft.account}; leave it out"))
    if problems:
        raise InvalidInput(problems)
    final_of = usable(draft)
    request = final_request(draft.request, row.fields, _row_of(settings, draft))
    own = {name: value for name, value in row.fields.items() if name not in REQUEST_FIELDS}
    return replace(row, fields=own | request | {"account": draft.account}, draft=final_of)


def usable(draft: Draft) -> FinalOf:
    """The draft as its final needs it.

    Raises:
        InvalidInput: it is no draft, has not succeeded, or is too old.
    """
    if not draft.request.get("draft"):
        message = (
            f"job {draft.id} is not a draft, so no final can be made of it; a job with its fields and a higher "
            "resolution is a new generation, which will differ"
        )
        raise InvalidInput([Problem("draft_of", message)])
    if not draft.succeeded:
        message = f"draft {draft.id} is {draft.state}; a final can be made once it has succeeded"
        raise InvalidInput([Problem("draft_of", message)])
    if draft.task_id is None or draft.model is None or draft.ends_at is None or draft.account is None:
        raise InvalidInput([Problem("draft_of", f"the gateway's task of draft {draft.id} is not known")])
    if draft.is_over and not draft.is_known:
        ended = draft.ends_at.isoformat(timespec="seconds")
        message = f"draft {draft.id} could be made final until {ended}; make a new draft"
        raise InvalidInput([Problem("draft_of", message)])
    return FinalOf(draft.id, draft.task_id, draft.model, draft.ends_at)


def _row_of(settings: Settings, draft: Draft) -> ModelRow | None:
    account = settings.account(draft.account or "")
    return None if account is None else account.dialect.row_of(parse_request(draft.request))


def _job_id(value: Any) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(str(value).strip())
    except ValueError:
        raise InvalidInput([Problem("draft_of", f"must be the id of a job, not {shorten(value)}")]) from None


def without_draft(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same fields, if they are not a final's.

    Raises:
        InvalidInput: they are; this place has no jobs to look for the draft in.
    """
    if fields.get("draft_of") is not None:
        raise InvalidInput([Problem("draft_of", "a final is known only once it is enqueued; see `reelq jobs show`")])
    return fields
