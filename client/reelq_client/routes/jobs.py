"""`/v1/jobs`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from typing_extensions import Unpack

from reelq_client.core.binding import Awaiting, Blocking, call, pages, stored, stream
from reelq_client.core.errors import ConnectionFailed, Unavailable, WaitTimeout
from reelq_client.core.event_feed import Subscription
from reelq_client.core.requests import Expected, Flow, Pause, Request, StoredFile, as_json, given, unknown
from reelq_client.models.base import Page
from reelq_client.models.explanations import ExplainedJobs
from reelq_client.models.fields import JobOptions
from reelq_client.models.jobs import BatchReport, Estimates, Job, JobAttempts, JobEvent, JobTimeline
from reelq_client.models.words import TERMINAL, JobState, OutputFormat, Resolution, Tier
from reelq_client.routes.rows import Rows, rows_body
from reelq_client.routes.uploads import with_uploads

JobId = UUID | str
LONG_POLL_S = 30.0
"""How long one question of `wait` takes: shorter than proxies wait for an answer."""
_OUTAGE_PAUSE_S = 2.0
_JOB = "/v1/jobs/{job_id}"


def _one(job_id: JobId) -> dict[str, str]:
    return {"job_id": str(job_id)}


def get_job(job_id: JobId, wait: float | None = None, timeout_s: float | None = None) -> Flow[Job]:
    """One job; `wait` lets the API answer later, when there is news."""
    query = given(wait=wait)
    answer = yield Request("jobs_get", "GET", _JOB, at=_one(job_id), query=query, timeout_s=timeout_s)
    return answer.read(Job)


def wait_for(job_id: JobId, timeout: float | None) -> Flow[Job]:
    """A job once it is terminal or held; an outage of the API does not end the wait."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = LONG_POLL_S if deadline is None else max(min(LONG_POLL_S, deadline - time.monotonic()), 0.0)
        asked = time.monotonic()
        try:
            job = yield from get_job(job_id, wait=round(left, 3), timeout_s=left + LONG_POLL_S)
        except (ConnectionFailed, Unavailable):
            if deadline is not None and time.monotonic() + _OUTAGE_PAUSE_S >= deadline:
                raise
            yield Pause(_OUTAGE_PAUSE_S)
            continue
        if job.terminal or job.held:
            return job
        if deadline is not None and time.monotonic() >= deadline:
            raise WaitTimeout(f"job {job_id} is {job.state} and did not finish within {timeout:g} s; it continues")
        if time.monotonic() - asked < min(left, 1.0):  # something in between does not let the API wait
            yield Pause(min(1.0, left))


class JobRoutes:
    """Single jobs, the list, and batches."""

    @call
    def create(self, prompt: str | None = None, **fields: Unpack[JobOptions]) -> Flow[Job]:
        """Store one job; once this returns, it will reach a terminal state. docs/jobs.md explains the fields.

        Without an `idempotency_key` the client makes one, so that no lost answer makes a second job. Media given as
        `pathlib.Path` are uploaded first. `prompt` may be missing only with `draft_of`.
        """
        whole: dict[str, Any] = {**fields} if prompt is None else {"prompt": prompt, **fields}
        body = yield from with_uploads(whole)
        key = {} if body.get("idempotency_key") is not None else {"Idempotency-Key": str(uuid4())}
        answer = yield Request("jobs_create", "POST", "/v1/jobs", json=as_json(body), headers=key, repeatable=True)
        return answer.read(Job)

    @call
    def create_many(
        self,
        rows: Rows,
        *,
        partial: bool = False,
        map: Sequence[str] = (),
        sheet: str | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
    ) -> Flow[BatchReport]:
        """Store many jobs, all or none; with `partial`, store the good ones and report the others. Rows without an
        `idempotency_key` get one. A sheet is read as docs/jobs.md says."""
        body = yield from rows_body(rows, with_keys=True)
        query = given(partial=partial or None, sheet=sheet, encoding=encoding, delimiter=delimiter) | {"map": map}
        answer = yield Request(
            "jobs_create_many",
            "POST",
            "/v1/jobs/batch",
            query=query,
            body=body,
            repeatable=not isinstance(rows, str | os.PathLike),  # the rows of a file may have no keys
            timeout_s=600.0,
        )
        return answer.read(BatchReport)

    @call
    def get(self, job_id: JobId, *, wait: float | None = None) -> Flow[Job]:
        """One job. With `wait` (at most 60 s), answer when it is terminal or held."""
        return get_job(job_id, wait, None if wait is None else wait + LONG_POLL_S)

    @call
    def wait(self, job_id: JobId, timeout: float | None = None) -> Flow[Job]:
        """Wait until a job is terminal, or held as unconfirmed, and return it. `timeout` in seconds; None: no limit.

        Raises:
            WaitTimeout: it did not finish in time; it continues.
        """
        return wait_for(job_id, timeout)

    @call
    def list(
        self,
        *,
        state: JobState | Sequence[JobState] | None = None,
        campaign: str | None = None,
        tag: str | Sequence[str] | None = None,
        account: str | None = None,
        idempotency_key: str | None = None,
        id_prefix: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Flow[Page[Job]]:
        """One page of jobs, newest first; `iterate` gives all of them."""
        query = given(
            state=state,
            campaign=campaign,
            tag=tag,
            account=account,
            idempotency_key=idempotency_key,
            id_prefix=id_prefix,
            created_after=created_after,
            created_before=created_before,
            limit=limit,
            cursor=cursor,
        )
        return _page(query)

    @pages
    def iterate(
        self,
        *,
        state: JobState | Sequence[JobState] | None = None,
        campaign: str | None = None,
        tag: str | Sequence[str] | None = None,
        account: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Callable[[str | int | None], Flow[Page[Job]]]:
        """Every job that fits, newest first, page by page."""
        query = given(
            state=state,
            campaign=campaign,
            tag=tag,
            account=account,
            created_after=created_after,
            created_before=created_before,
            limit=200,
        )
        return lambda cursor: _page(query | given(cursor=cursor))

    @call
    def cancel(self, job_id: JobId, *, discard: bool = False) -> Flow[Job]:
        """Cancel a job. `discard` also gives up a submitted one, which will be billed.

        Raises:
            NotPossible: it is too late; the text says why.
        """
        body = {"discard": discard}
        answer = yield Request("jobs_cancel", "POST", f"{_JOB}/cancel", at=_one(job_id), json=body)
        return answer.read(Job)

    @call
    def retry(self, job_id: JobId) -> Flow[Job]:
        """Enqueue a failed or cancelled job again, as a new job."""
        answer = yield Request("jobs_retry", "POST", f"{_JOB}/retry", at=_one(job_id), repeatable=True)
        return answer.read(Job)

    @call
    def finalize(
        self,
        job_id: JobId,
        *,
        resolution: Resolution | None = None,
        output_format: OutputFormat | None = None,
        watermark: bool | None = None,
        return_last_frame: bool | None = None,
        gateway_options: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        regenerate: bool = False,
        tier: Tier | None = None,
        model: str | None = None,
    ) -> Flow[Job]:
        """Make the final video of a draft, as a new job. The same draft with the same fields gives the same final."""
        body = given(
            resolution=resolution,
            output_format=output_format,
            watermark=watermark,
            return_last_frame=return_last_frame,
            gateway_options=gateway_options,
            idempotency_key=idempotency_key,
            regenerate=regenerate or None,
            tier=tier,
            model=model,
        )
        answer = yield Request(
            "jobs_finalize", "POST", f"{_JOB}/finalize", at=_one(job_id), json=as_json(body), repeatable=True
        )
        return answer.read(Job)

    @call
    def resolve(
        self,
        job_id: JobId,
        action: Literal["adopt", "resubmit", "abandon"],
        *,
        task_id: str | None = None,
        unchecked: bool = False,
    ) -> Flow[Job]:
        """Decide about an unconfirmed job, after a look at the gateway. `resubmit` may be paid for twice."""
        body = given(action=action, task_id=task_id, unchecked=unchecked or None)
        answer = yield Request("jobs_resolve", "POST", f"{_JOB}/resolve", at=_one(job_id), json=body)
        return answer.read(Job)

    @call
    def estimate(self, prompt: str, **fields: Unpack[JobOptions]) -> Flow[Estimates]:
        """What a job would cost at each account; nothing is stored."""
        body = yield from with_uploads({"prompt": prompt, **fields})
        answer = yield Request("jobs_estimate", "POST", "/v1/estimate", json=as_json(body), repeatable=True)
        return answer.read(Estimates)

    @call
    def explain(
        self,
        rows: Rows,
        *,
        account: str | None = None,
        map: Sequence[str] = (),
        sheet: str | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
    ) -> Flow[ExplainedJobs]:
        """What each account would be sent for jobs, at what cost, and why it cannot serve them; nothing is stored."""
        body = yield from rows_body(rows, with_keys=False)
        query = given(account=account, sheet=sheet, encoding=encoding, delimiter=delimiter) | {"map": map}
        answer = yield Request(
            "jobs_explain", "POST", "/v1/explain", query=query, body=body, repeatable=True, timeout_s=600.0
        )
        return answer.read(ExplainedJobs)

    @call
    def timeline(self, job_id: JobId, *, after: int | None = None) -> Flow[JobTimeline]:
        """The events of a job so far."""
        query = given(after=after)
        answer = yield Request("jobs_timeline", "GET", f"{_JOB}/timeline", at=_one(job_id), query=query)
        return answer.read(JobTimeline)

    @call
    def attempts(self, job_id: JobId) -> Flow[JobAttempts]:
        """Every request to a gateway that was made for a job, and why the job waits now."""
        answer = yield Request("jobs_attempts", "GET", f"{_JOB}/attempts", at=_one(job_id))
        return answer.read(JobAttempts)

    @stream
    def events(self, job_id: JobId, *, after: int | None = None) -> Subscription[JobEvent]:
        """The events of a job, those so far and those to come, until it is terminal. Lost connections are opened again;
        no event is missed or repeated."""
        request = Request("jobs_events", "GET", f"{_JOB}/events", at=_one(job_id))
        return Subscription(
            request, lambda data, _: JobEvent.model_validate_json(data), lambda event: event.target in TERMINAL, after
        )

    @call
    def make_playable(self, job_id: JobId) -> Flow[Job]:
        """Make a copy of the video that every browser plays, unless the video is one itself."""
        answer = yield Request("jobs_make_playable", "POST", f"{_JOB}/playable", at=_one(job_id), repeatable=True)
        return answer.read(Job)

    @stored
    def video(self, job_id: JobId) -> StoredFile:
        """The video: `.save(path)`, `.link()`."""
        return video_of(job_id)

    @stored
    def playable_video(self, job_id: JobId) -> StoredFile:
        """The copy that every browser plays, once `make_playable` has made it."""
        query = {"playable": 1}
        return StoredFile(Request("jobs_video", "GET", f"{_JOB}/video", at=_one(job_id), query=query), unknown)

    @stored
    def poster(self, job_id: JobId) -> StoredFile:
        """The first frame, a JPEG."""
        return StoredFile(Request("jobs_poster", "GET", f"{_JOB}/poster", at=_one(job_id)), unknown)

    @stored
    def last_frame(self, job_id: JobId) -> StoredFile:
        """The last frame, if the job asked for `return_last_frame`."""
        return StoredFile(Request("jobs_last_frame", "GET", f"{_JOB}/last-frame", at=_one(job_id)), unknown)


def video_of(job_id: JobId) -> StoredFile:
    """The video of a job."""

    def expected() -> Flow[Expected]:
        job = yield from get_job(job_id)
        return Expected(job.size_bytes, job.sha256)

    return StoredFile(Request("jobs_video", "GET", f"{_JOB}/video", at=_one(job_id)), expected)


def _page(query: dict[str, Any]) -> Flow[Page[Job]]:
    answer = yield Request("jobs_list", "GET", "/v1/jobs", query=query)
    return answer.read(Page[Job])


class Jobs(JobRoutes, Blocking):
    """Single jobs, the list, and batches."""


class AsyncJobs(JobRoutes, Awaiting):
    """Single jobs, the list, and batches."""
