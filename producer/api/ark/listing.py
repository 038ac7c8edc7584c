"""The query of Ark's list."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from fastapi import Request

from producer.api.ark.models import model_fields
from producer.http.problems import ApiProblem
from seedance.account import Account
from seedance.problems import InvalidInput, Problem, shorten
from storage.ark_status import STATUSES
from storage.reporting.ark_tasks import TaskFilter

MAX_PAGE = 500
_DEFAULT_SIZE = 10
_KNOWN = frozenset({"page_num", "page_size", "filter.status", "filter.model", "filter.service_tier", "filter.task_ids"})


def read_query(request: Request, tenant: str, accounts: Iterable[Account]) -> tuple[TaskFilter | None, int, int]:
    """The filter, and the offset and size of the page; no filter: nothing can match.

    Raises:
        InvalidInput: a parameter is not known or not valid.
    """
    query = request.query_params
    if unknown := sorted(query.keys() - _KNOWN):
        raise _invalid(unknown[0], "is not a parameter that is known")
    number, size = _number(query.get("page_num"), "page_num", 1), _number(query.get("page_size"), "page_size")
    at = (number - 1) * size, size
    status, tier = query.get("filter.status"), query.get("filter.service_tier", "default")
    if status is not None and status not in STATUSES:
        raise _invalid("filter.status", f"must be one of {', '.join(STATUSES)}")
    if tier not in ("default", "flex"):
        raise _invalid("filter.service_tier", "must be default or flex")
    texts = query.getlist("filter.task_ids")
    ids = [found for text in texts if (found := _as_id(text)) is not None]
    if tier == "flex" or (texts and not ids):
        return None, *at
    model = query.get("filter.model")
    own: dict[str, str] = {}
    if model is not None:
        try:
            own = model_fields(model, accounts)
        except ApiProblem:  # jobs that were made with it before are still found by its name
            own = {"model": model}
    wanted = TaskFilter(
        tenant,
        status,
        ids if texts else None,
        model,
        own.get("model", ""),
        own.get("tier", "standard"),
    )
    return wanted, *at


def _number(text: str | None, name: str, default: int = _DEFAULT_SIZE) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= MAX_PAGE):
        raise _invalid(name, f"must be an integer in [1, {MAX_PAGE}], not {shorten(text)}")
    return int(text)


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _invalid(name: str, message: str) -> InvalidInput:
    return InvalidInput([Problem(name, message)])
