"""Runs batches in the background of every API process: each step under a lease, so that none is lost with a process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from producer.api.batches.lines import Request, check_file, error_of, never_stored, read_part
from producer.api.videos.attachments import Attachments
from producer.api.videos.making import Asked, check_video
from producer.client import Producer
from producer.http.problems import ApiProblem
from producer.http.service import Service
from producer.intake import intake
from producer.intake.intake import Prepared
from producer.operator_actions.job_actions import cancel_queued
from seedance.problems import InvalidInput
from storage.batches import batches, files
from storage.batches.batches import Batch, Line
from storage.bucket.requests import StoreUnavailable
from storage.database import Connection, DatabaseUnavailable
from storage.jobs.records import IdempotencyConflict
from storage.tenants import keys
from storage.tenants.purses import PurseExhausted
from storage.uploads.records import UploadsFull

log = logging.getLogger("reelq.api")

IDLE_S = 2.0
CANCELLED_AT_ONCE = 500
_REFUSALS = (IdempotencyConflict, PurseExhausted, InvalidInput, UploadsFull)
"""Why one of several requests cannot be stored."""


class _PartGone(Exception):
    """The batch was cancelled or expired, or another process has noted the part."""


class BatchRunner:
    """Takes due batches one by one, and does one step of each."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._task: asyncio.Task[None] | None = None
        self._bell = asyncio.Event()

    def start(self) -> None:
        """Begin; call it on the event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Begin no further step. One that runs is done again elsewhere if it does not end."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def ring(self) -> None:
        """Look at once: something is due."""
        self._bell.set()

    async def _run(self) -> None:
        while True:
            try:
                busy = await asyncio.to_thread(self.step)
            except (DatabaseUnavailable, StoreUnavailable) as exc:
                log.warning("batch.postponed %s", exc)
                busy = False
            except Exception:
                log.exception("batch.step_failed")  # its lease runs out, and the step is done again
                busy = False
            if not busy:
                self._bell.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._bell.wait(), IDLE_S)

    def step(self) -> bool:
        """Do the next step of the batch that is due; False: none is, or this program must not write."""
        if self._service.unfit is not None:
            return False
        database = self._service.producer.database
        with database.begin() as conn:
            batch_id = batches.claim_batch(conn)
            if batch_id is None:
                return batches.count_ended(conn)
        with database.begin() as conn:
            batch = batches.get_batch(conn, None, batch_id, exact=True)
            if batch is not None:
                batches.keep_counts(conn, batch)
        if batch is not None:
            self._advance(batch)
        return True

    def _advance(self, batch: Batch) -> None:
        if batch.state == "validating":
            self._check(batch)
        elif batch.state == "cancelling" or batch.expired:
            self._wind_up(batch)
        elif batch.next_part is not None:
            self._store_part(batch, batch.next_part)
        else:
            self._look(batch)

    def _check(self, batch: Batch) -> None:
        with self._service.producer.database.begin() as conn:
            count, errors = check_file(files.parts_of(conn, batch.file_id))
            batches.note_checked(conn, batch.id, count, errors)

    # --- requests become jobs ---

    def _store_part(self, batch: Batch, number: int) -> None:
        database = self._service.producer.database
        with database.begin() as conn:
            part = files.get_part(conn, batch.file_id, number)
            following = files.get_part(conn, batch.file_id, number + 1)
            limit = keys.jobs_per_minute(conn, batch.tenant)
        requests = [item for item in (() if part is None else read_part(part)) if isinstance(item, Request)]
        if limit is not None and requests:
            try:
                self._service.rates.take(batch.tenant, limit, min(len(requests), limit))
            except ApiProblem as exc:
                with database.begin() as conn:
                    batches.postpone(conn, batch.id, float(exc.headers.get("Retry-After", "60")))
                return
        try:
            lines = self._stored(batch, number, requests)
        except _PartGone:
            with database.begin() as conn:
                batches.postpone(conn, batch.id, 0.0)
            return
        with database.begin() as conn:
            batches.note_part(conn, batch.id, number, lines, last=following is None)

    def _stored(self, batch: Batch, number: int, requests: list[Request]) -> list[Line]:
        """Store the requests of a part, together if that is possible, else each for itself. Those that became jobs in
        a step that was interrupted stay as they are.

        Raises:
            _PartGone: no more of them may be stored.
        """
        producer = self._service.producer.as_tenant(batch.tenant, batch.actor)
        with producer.database.begin() as conn:
            known = _known(conn, batch, requests)

        def if_still(conn: Connection) -> None:
            if not batches.hold_part(conn, batch.id, number):
                raise _PartGone

        with Attachments() as attachments:
            lines = [Line(item.line, item.custom_id, known[item.line]) for item in requests if item.line in known]
            good: list[tuple[Request, Prepared]] = []
            for request in requests:
                if request.line in known:
                    continue
                try:
                    good.append((request, self._prepared(producer, batch, request, attachments)))
                except (InvalidInput, ApiProblem) as exc:
                    lines.append(Line(request.line, request.custom_id, None, error_of(exc)))
            jobs = intake.Batch([job for _, job in good], attachments.files)
            try:
                stored = producer.store(jobs, if_still=if_still)
            except _REFUSALS:
                return lines + [self._stored_alone(producer, batch, request, if_still) for request, _ in good]
        return lines + [
            Line(request.line, request.custom_id, job.id) for (request, _), job in zip(good, stored, strict=True)
        ]

    def _stored_alone(
        self, producer: Producer, batch: Batch, request: Request, if_still: Callable[[Connection], None]
    ) -> Line:
        """Store one request, with its own files alone: those of the others may be what is refused."""
        try:
            with Attachments() as attachments:
                job = self._prepared(producer, batch, request, attachments)
                [stored] = producer.store(intake.Batch([job], attachments.files), if_still=if_still)
        except (ApiProblem, *_REFUSALS) as exc:
            return Line(request.line, request.custom_id, None, error_of(exc))
        return Line(request.line, request.custom_id, stored.id)

    def _prepared(self, producer: Producer, batch: Batch, request: Request, attachments: Attachments) -> Prepared:
        fields = request.body if "deadline" in request.body else request.body | {"deadline": batch.expires_at}
        asked = Asked("create", fields)
        prepared = check_video(self._service, producer, asked, attachments)
        return replace(prepared, idempotency_key=key_of(batch.id, request.custom_id))

    # --- the end ---

    def _look(self, batch: Batch) -> None:
        """End the batch once all its jobs have ended."""
        with self._service.producer.database.begin() as conn:
            if batch.completed + batch.failed >= batch.stored:
                batches.end_batch(conn, batch, "completed")
            else:
                batches.postpone(conn, batch.id, batches.look_s(batch))

    def _wind_up(self, batch: Batch) -> None:
        """Store no more requests and cancel what is free to cancel; the batch ends once its other jobs have ended."""
        database = self._service.producer.database
        if batch.next_part is not None:
            self._leave_out(batch, batch.next_part)
            return
        with database.begin() as conn:
            queued = batches.queued_jobs(conn, batch.id, CANCELLED_AT_ONCE)
        for job_id in queued:
            cancel_queued(database, batch.tenant, job_id)
        with database.begin() as conn:
            now = batches.get_batch(conn, None, batch.id, exact=True)
            if now is None:
                return
            if queued or now.completed + now.failed < now.stored:
                batches.postpone(conn, batch.id, 0.0 if queued else batches.look_s(now))
            else:
                batches.end_batch(conn, now, "cancelled" if now.state == "cancelling" else "expired")

    def _leave_out(self, batch: Batch, number: int) -> None:
        """Note the requests of a part as never stored, except those that a step stored which was interrupted: these are
        cancelled like the jobs of other parts."""
        what = "cancelled" if batch.state == "cancelling" else "expired"
        error = never_stored(f"batch_{what}", f"the batch {what} before this request was stored")
        with self._service.producer.database.begin() as conn:
            if not batches.take_part(conn, batch.id, number):
                return
            part = files.get_part(conn, batch.file_id, number)
            requests = [item for item in (() if part is None else read_part(part)) if isinstance(item, Request)]
            known = _known(conn, batch, requests)
            lines = [
                Line(item.line, item.custom_id, known.get(item.line), None if item.line in known else error)
                for item in requests
            ]
            batches.note_part(conn, batch.id, number, lines, last=part is None)
            batches.postpone(conn, batch.id, 0.0)


def _known(conn: Connection, batch: Batch, requests: Sequence[Request]) -> dict[int, UUID]:
    """The jobs that requests of a batch have become, by line."""
    keys_of = {key_of(batch.id, item.custom_id): item.line for item in requests}
    return {keys_of[key]: job_id for key, job_id in batches.jobs_of_keys(conn, batch.tenant, list(keys_of)).items()}


def key_of(batch_id: UUID, custom_id: str) -> str:
    """The idempotency key of a request, so that it becomes one job however often its part is stored."""
    return f"batch:{batch_id.hex}:{custom_id}"
