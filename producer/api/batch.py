"""`/v1/jobs/batch`: many jobs in one request, all or none, or as many as possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.openapi.document import also, problems, rows_body
from producer.api.request_bodies import JobBatch
from producer.api.resources.jobs import BatchReport
from producer.api.row_options import RowOptions
from producer.campaigns.duplicates import notes_on_duplicates
from producer.campaigns.files import read_rows
from producer.client import Producer
from producer.errors import InvalidRows, RowConflict
from producer.http.answers import answer
from producer.http.bodies import RowFormat, row_format, spooled
from producer.http.doors.auth import principal_of
from producer.http.problems import ApiProblem, details_of
from producer.http.service import Service
from producer.intake.intake import Batch, Prepared, Row, prepare
from producer.intake.routing import require_accounts
from producer.intake.uploads import LocalFiles
from producer.wording import plural
from seedance.problems import InvalidInput
from storage.jobs.enqueue import REQUEST
from storage.jobs.records import Enqueued
from storage.tenants.purses import PurseExhausted

BODY = "body"
"""How errors name rows: "body line 3"."""
_CHUNK = 500
_MANY_CONFLICTS = 5


def batch_routes(service: Service) -> APIRouter:
    """The route for many jobs."""
    router = APIRouter(tags=["jobs"])

    @router.post(
        "/v1/jobs/batch",
        status_code=202,
        response_model=BatchReport,
        response_description="Every row is stored.",
        responses=also(207, "With `partial`: some rows are refused, the others are stored.", model=BatchReport)
        | problems(413, 415, 422, 429, 503),
        openapi_extra=rows_body(JobBatch),
    )
    async def enqueue_batch(
        request: Request,
        options: RowOptions,
        partial: Annotated[bool, Query(description="Store the good rows and report the others.")] = False,
    ) -> Response:
        """Store one job per row, all or none. With `partial`, store the good rows and report each of the others with
        its error."""
        if "idempotency-key" in request.headers:
            detail = (
                "an Idempotency-Key header is for one job; give each row its own idempotency_key, or create a campaign"
            )
            raise ApiProblem(422, "invalid_request", detail, param="Idempotency-Key")
        kind = row_format(request, options)
        producer = service.producer_for(request)
        async with spooled(request, service.uploads) as file:
            await service.run_batch(lambda: count_rows(service, request, file, kind))
            if not partial:
                return answer(await service.run_batch(lambda: _all_or_none(producer, file, kind)), 202)
            report = await service.run_batch(lambda: _as_many_as_possible(producer, file, kind))
        return answer(report, 207 if report["refused"] else 202)

    return router


def count_rows(service: Service, request: Request, file: BinaryIO, kind: RowFormat) -> None:
    """Count the rows of a file, if the tenant has a limit.

    Raises:
        ApiProblem: they exceed the limit.
    """
    if principal_of(request).jobs_per_minute is None:
        return
    rows = 0
    with suppress(InvalidInput):  # errors of the file are reported when it is read again
        for _ in read_rows(BODY, file, kind.kind, kind.options):
            rows += 1
    file.seek(0)
    if rows:
        service.count_jobs(request, rows)


def line_of(where: str) -> int:
    """The line of a row, counted from 1."""
    number = where.rpartition(" ")[2]
    return int(number) if number.isdecimal() else 0


def notes_on_known(stored: Iterable[Enqueued]) -> list[str]:
    """What the jobs that were stored before, under the same keys, have otherwise."""
    stored = list(stored)
    differing = [found for item in stored if (found := [name for name in item.differs if name != REQUEST])]
    if not differing:
        return _notes_on_edits(stored)
    names = ", ".join(sorted({name for item in differing for name in item}))
    rows = f"{plural(len(differing), 'row')} {'has' if len(differing) == 1 else 'have'}"
    return [f"{rows} the key of an earlier job with another {names}; the earlier values stay", *_notes_on_edits(stored)]


_EDITS = {
    "replaced": "edited before submission; the new requests replace the old ones",
    "again": "edited after a failure without a bill; the new requests are made",
    "paid_for": "edited after submission; the old requests stay, and a reroll makes the new ones",
}


def _notes_on_edits(stored: Iterable[Enqueued]) -> list[str]:
    counts = Counter(item.edit for item in stored if item.edit is not None)
    return [f"{plural(counts[what], 'row')} {said}" for what, said in _EDITS.items() if counts[what]]


def summary(stored: list[Enqueued]) -> dict[str, int]:
    """How many rows there were, and how many of them were new."""
    created = sum(item.created for item in stored)
    return {"rows": len(stored), "created": created, "known": len(stored) - created}


def _stored(job: Prepared, enqueued: Enqueued) -> dict[str, Any]:
    row = {"line": line_of(job.where), "id": enqueued.id, "created": enqueued.created}
    return row | {"differs": list(enqueued.differs)}


def _all_or_none(producer: Producer, file: BinaryIO, kind: RowFormat) -> Mapping[str, Any]:
    rows = read_rows(BODY, file, kind.kind, kind.options)
    batch = prepare(producer.with_drafts(rows), producer.settings, None)
    stored = producer.store(batch)
    notes = [*rows.notes, *notes_on_duplicates(batch.jobs), *notes_on_known(stored)]
    return summary(stored) | {
        "refused": 0,
        "notes": notes,
        "results": [_stored(*pair) for pair in zip(batch.jobs, stored, strict=True)],
    }


def _as_many_as_possible(producer: Producer, file: BinaryIO, kind: RowFormat) -> dict[str, Any]:
    require_accounts(producer.settings)
    results: list[dict[str, Any]] = []
    read = read_rows(BODY, file, kind.kind, kind.options)
    rows = iter(_with_last_error(read))
    while chunk := list(islice(rows, _CHUNK)):
        good: list[Batch] = []
        for row in chunk:
            try:
                good.append(prepare(producer.with_drafts([row]), producer.settings, None))
            except InvalidRows as exc:
                results.append(_refused(exc.rows[0]))
        # Rows with uploads are stored one by one: a missing file must not affect the others.
        plain = [batch.jobs[0] for batch in good if not batch.files.given]
        results += _store_rest(producer, LocalFiles(None), plain)
        for batch in good:
            if batch.files.given:
                results += _store_one(producer, batch)
    results.sort(key=lambda item: int(item["line"]))
    refused = sum("error" in item for item in results)
    created = sum(item.get("created", False) for item in results)
    known = len(results) - created - refused
    counts = {"rows": len(results), "created": created, "known": known, "refused": refused}
    return counts | {"notes": read.notes, "results": results}


def _with_last_error(rows: Iterable[Row | InvalidInput]) -> Iterator[Row | InvalidInput]:
    """The rows, and, as the last one, the error that ended the reading. An error of the whole body before the first row
    is raised."""
    some = False
    try:
        for row in rows:
            some = True
            yield row
    except InvalidInput as exc:
        if not some and exc.where == BODY:
            raise
        yield exc


def _store_rest(producer: Producer, files: LocalFiles, jobs: list[Prepared]) -> Iterator[dict[str, Any]]:
    """Store jobs together, without those whose keys are taken, and those that the purse of the key does not pay for."""
    waiting, later, conflicts, most = jobs, list[Prepared](), 0, len(jobs)
    while waiting:
        # Each conflict rolls back the whole transaction; with many of them, one by one is faster.
        now = waiting[:most] if conflicts < _MANY_CONFLICTS else waiting[:1]
        try:
            stored = producer.store(Batch(now, files))
        except PurseExhausted as exc:
            if len(now) == 1:
                yield _refused(exc, now[0].where)
                waiting = waiting[1:]
            most = max(len(now) // 2, 1)
        except RowConflict as exc:
            conflicts += 1
            if exc.job_id is None:  # another row has the key, and may itself not be stored
                later += [job for job in waiting if job.where == exc.where]
            else:
                yield _refused(exc)
            waiting = [job for job in waiting if job.where != exc.where]
        else:
            yield from (_stored(*pair) for pair in zip(now, stored, strict=True))
            waiting = waiting[len(now) :]
        if not waiting:
            waiting, later = later, []


def _store_one(producer: Producer, batch: Batch) -> Iterator[dict[str, Any]]:
    try:
        yield from _store_rest(producer, batch.files, list(batch.jobs))
    except InvalidInput as exc:
        yield _refused(InvalidInput(exc.problems, batch.jobs[0].where))


def _refused(exc: InvalidInput | RowConflict | PurseExhausted, where: str = "") -> dict[str, Any]:
    found = details_of(exc).as_dict()
    return {
        "line": line_of(where if isinstance(exc, PurseExhausted) else exc.where),
        "error": found["error"],
        "errors": found.get("errors", []),
    }
