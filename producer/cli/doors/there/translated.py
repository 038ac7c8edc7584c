"""Errors of the API as those of the same command at the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import reelq_client
from reelq_client import InvalidRequest, NotFound

from producer.errors import CampaignNotFound, JobNotFound, KeyNotFound, NotPossible
from seedance.problems import InvalidInput, Problem

_NAMES_WHAT = ("account_not_found", "webhook_not_found", "upload_not_found", "not_found")
"""Codes whose `detail` is what the command says at the server."""


@contextmanager
def translated(what: UUID | str | None = None, *, in_use: bool = False) -> Iterator[None]:
    """Translate the errors of the requests within; `what`: the job, the campaign or the key that they are about.
    `in_use`: what is not possible now is wrong input, as for an account that has tasks."""
    try:
        yield
    except NotFound as exc:
        if exc.code == "job_not_found":
            raise JobNotFound(what) from exc
        if exc.code == "campaign_not_found":
            raise CampaignNotFound(str(what)) from exc
        if exc.code == "key_not_found":
            raise KeyNotFound(str(what)) from exc
        if exc.code in _NAMES_WHAT:
            raise InvalidInput([Problem("", exc.detail)]) from exc
        raise
    except reelq_client.NotPossible as exc:
        if isinstance(what, UUID):
            raise NotPossible(what, exc.detail.removeprefix(f"job {what} ")) from exc
        if in_use:
            raise InvalidInput([Problem("", exc.detail)]) from exc
        raise
    except InvalidRequest as exc:
        if exc.code == "invalid_request" and exc.errors:
            raise InvalidInput([Problem(item.field, item.message) for item in exc.errors]) from exc
        raise
