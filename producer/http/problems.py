"""Errors as answers: one table maps every exception to a status, a code and advice. Their shape is `ProblemDetails`."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from producer.errors import (
    CampaignNotFound,
    InvalidRows,
    JobNotFound,
    KeyNotFound,
    NotPossible,
    OperationConflict,
    ReplayRefused,
    RowConflict,
    UploadDeleted,
    UploadNotFound,
    WebhookNotFound,
)
from producer.http import ark_errors
from producer.http.layers.request_ids import HEADER, current_request_id
from producer.http.problem_details import MEDIA_TYPE
from seedance.problems import InvalidInput, Problem
from storage.accounts.changes import AccountInUse, AccountNotFound
from storage.bucket.requests import StoreUnavailable
from storage.database import DatabaseUnavailable
from storage.jobs.records import IdempotencyConflict
from storage.tenants.purses import PurseExhausted
from storage.uploads.records import UploadInUse, UploadsFull

log = logging.getLogger("reelq.api")

RETRY_AFTER_S = 5
MAX_DETAIL_CHARS = 4_000


class ApiProblem(Exception):
    """An error of the API itself: its status, its stable code, what is wrong and what to do."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        advice: str = "",
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.advice = advice
        self.param = param
        self.headers = dict(headers or {})
        super().__init__(status, code, detail)


@dataclass(frozen=True, slots=True)
class Kind:
    """What all errors of one kind share."""

    status: int
    code: str
    advice: str = ""
    retry_after_s: int | None = None


_CHECK_FIELDS = "Correct the fields named in `errors`. Nothing was stored."
_OTHER_KEY = "Use a new key, or send the same request as the first time."
_RETRY = "Retry after `Retry-After`, with the same Idempotency-Key, so that nothing is stored twice."

# The most specific first: the first class that fits decides.
KINDS: Sequence[tuple[type[Exception], Kind]] = (
    (AccountNotFound, Kind(404, "account_not_found", "`GET /v1/accounts` lists the accounts.")),
    (AccountInUse, Kind(409, "not_possible", "Wait for its tasks, or remove it with `drain`.")),
    (OperationConflict, Kind(422, "idempotency_conflict", _OTHER_KEY)),
    (InvalidInput, Kind(422, "invalid_request", _CHECK_FIELDS)),
    (UploadNotFound, Kind(404, "upload_not_found", "`GET /v1/uploads` lists the uploaded files.")),
    (UploadDeleted, Kind(409, "upload_deleted", "Upload it again.")),
    (UploadInUse, Kind(409, "upload_in_use", "Cancel the job, or wait until it has ended.")),
    # Not 429: it does not pass by itself.
    (
        UploadsFull,
        Kind(409, "uploads_full", "`GET /v1/uploads` lists the files; `DELETE /v1/uploads/{id}` deletes one."),
    ),
    (JobNotFound, Kind(404, "job_not_found", "`GET /v1/jobs` lists the jobs.")),
    (CampaignNotFound, Kind(404, "campaign_not_found", "`GET /v1/campaigns` lists the campaigns.")),
    (
        WebhookNotFound,
        Kind(404, "webhook_not_found", "`GET /v1/webhooks/endpoints` and `GET /v1/webhooks/messages` list them."),
    ),
    (KeyNotFound, Kind(404, "key_not_found", "`GET /v1/keys` lists the tenant's keys.")),
    (ReplayRefused, Kind(409, "not_possible", "Enable its endpoint, or retry in a moment.")),
    (NotPossible, Kind(409, "not_possible", "Read the job again; `detail` says what is possible.")),
    # Not 409: clients retry it, and this never succeeds.
    (IdempotencyConflict, Kind(422, "idempotency_conflict", _OTHER_KEY)),
    (
        PurseExhausted,
        Kind(402, "purse_exhausted", "Nothing was stored. Ask for something cheaper, or an admin for a larger purse."),
    ),
    (DatabaseUnavailable, Kind(503, "database_unavailable", _RETRY, RETRY_AFTER_S)),
    (StoreUnavailable, Kind(503, "store_unavailable", _RETRY, RETRY_AFTER_S)),
)
_INTERNAL = Kind(500, "internal_error", "Search the server's log for this `request_id`.")
_OF_STATUS = {
    404: Kind(404, "no_such_route", "`GET /openapi.json` lists every route."),
    405: Kind(405, "method_not_allowed", "The Allow header names the methods of this route."),
}


@dataclass(frozen=True, slots=True)
class Details:
    """One error, ready to be written."""

    status: int
    code: str
    detail: str
    advice: str = ""
    errors: Sequence[Mapping[str, str]] = ()
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self, instance: str | None = None) -> dict[str, Any]:
        """The same as JSON."""
        body: dict[str, Any] = {
            "type": f"urn:reelq:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if instance is not None:
            body["instance"] = instance
        if self.advice:
            body["advice"] = self.advice
        if self.errors:
            body["errors"] = self.errors
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return body | {
            **self.more,
            "error": {"message": self.detail, "type": kind, "code": self.code, "param": self.param},
        }


def details_of(exc: Exception) -> Details:
    """What to answer to an exception. An unexpected one is logged, and the answer does not show it."""
    if isinstance(exc, ApiProblem):
        return Details(exc.status, exc.code, exc.detail, exc.advice, param=exc.param, headers=exc.headers)
    if isinstance(exc, RequestValidationError):
        return _invalid_parameters(exc)
    if isinstance(exc, HTTPException):
        kind = _OF_STATUS.get(exc.status_code, Kind(exc.status_code, f"http_{exc.status_code}"))
        return Details(exc.status_code, kind.code, str(exc.detail), kind.advice, headers=dict(exc.headers or {}))
    kind = next((kind for known, kind in KINDS if isinstance(exc, known)), _INTERNAL)
    if kind is _INTERNAL:
        request_id = current_request_id() or uuid4().hex
        log.error("api.failed request_id=%s", request_id, exc_info=exc)
        return Details(
            500, kind.code, "internal error", kind.advice, headers={HEADER: request_id}, more={"request_id": request_id}
        )
    errors = list(_errors_of(exc))
    headers = {} if kind.retry_after_s is None else {"Retry-After": str(kind.retry_after_s)}
    if isinstance(exc, NotPossible | UploadInUse | UploadsFull):
        headers["x-should-retry"] = "false"  # OpenAI's clients retry a 409
    param = next((item["field"] for item in errors if item["field"]), None)
    if isinstance(exc, IdempotencyConflict):
        param = "idempotency_key"
    detail = str(exc)
    if len(detail) > MAX_DETAIL_CHARS:
        detail = f"{detail[: MAX_DETAIL_CHARS - 1]}…"
    return Details(kind.status, kind.code, detail, kind.advice, errors, param, headers, _more_of(exc))


def _errors_of(exc: Exception) -> list[dict[str, str]]:
    if isinstance(exc, InvalidRows):
        return [_error(problem, row.where) for row in exc.rows for problem in row.problems]
    if isinstance(exc, InvalidInput):
        return [_error(problem, exc.where) for problem in exc.problems]
    return []


def _error(problem: Problem, where: str) -> dict[str, str]:
    found = {"field": problem.field, "message": problem.message}
    return found | {"where": where} if where else found


def _more_of(exc: Exception) -> dict[str, Any]:
    match exc:
        case InvalidRows():
            return {"truncated": exc.more}
        case RowConflict():
            return {"where": exc.where, "job_id": _text(exc.job_id)}
        case IdempotencyConflict() | NotPossible():
            return {"job_id": _text(exc.job_id)}
    return {}


def _text(job_id: object) -> str | None:
    return None if job_id is None else str(job_id)


def _invalid_parameters(exc: RequestValidationError) -> Details:
    errors = []
    for item in exc.errors():
        # The first part of the location says "query", "path" or "header".
        name = ".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0])
        errors.append({"field": name, "message": str(item["msg"])})
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
    advice = "Correct the parameters named in `errors`. `GET /openapi.json` describes them."
    return Details(422, "invalid_parameter", detail, advice, errors, errors[0]["field"] if errors else None)


def as_json(body: object) -> bytes:
    """JSON, also of halves of surrogate pairs, which an error may quote from a request."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body, default=str).encode()


def problem_response(exc: Exception, path: str | None = None) -> Response:
    """The answer to an exception."""
    found = details_of(exc)
    if path is not None and path.startswith(ark_errors.BELOW):
        status = ark_errors.status_of(found.status, found.code)
        body = ark_errors.body(status, found.code, found.detail, found.advice, found.param)
        return Response(as_json(body), status, {**found.headers, **ark_errors.headers(status)}, "application/json")
    return Response(as_json(found.as_dict(path)), found.status, dict(found.headers), MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of the application in this form."""

    async def answer(request: Request, exc: Exception) -> Response:
        if (
            isinstance(exc, HTTPException)
            and exc.status_code == 405
            and (known := _methods(app, request.scope["path"]))
        ):
            exc.headers = {"Allow": ", ".join(known)}
        return problem_response(exc, request.scope["path"])

    for known in (ApiProblem, RequestValidationError, HTTPException, *(kind for kind, _ in KINDS), Exception):
        app.add_exception_handler(known, answer)


def _methods(app: FastAPI, path: str) -> list[str]:
    """Every method of a path, as in OpenAPI; the framework names only those of its first route."""
    for template in sorted(app.openapi()["paths"], key=lambda item: len(re.sub(r"{\w+}", "", item)), reverse=True):
        pattern = re.sub(r"\\{(\w+)\\}", lambda found: ".+" if found[1] == "name" else "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path):
            return sorted(method.upper() for method in app.openapi()["paths"][template])
    return []


def busy(what: str, after_s: float = 1.0) -> ApiProblem:
    """The error for work that there is no room for now."""
    headers = {"Retry-After": str(math.ceil(after_s))}
    return ApiProblem(503, "busy", f"{what}; retry in a moment", advice=_RETRY, headers=headers)
