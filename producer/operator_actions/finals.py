"""Make a final video of a draft; or, of an ordinary small video, generate a larger one again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

from producer.errors import NotPossible
from producer.intake.finals import FindDraft, final_row
from producer.intake.intake import Batch, Row, prepare
from producer.intake.job_spec import hash_of, parse_job
from producer.operator_actions import job_actions
from seedance.drafts import FINAL_FIELDS
from seedance.problems import InvalidInput, Problem
from storage.admission.spending.billing import may_be_billed
from storage.database import Database
from storage.jobs.drafts import Draft
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.settings import Settings

LOOK_OF = "final_of_look"
"""The metadata of a job that generates an ordinary video again: the job of that video."""
REGENERATED_RESOLUTION = "1080p"
_ONLY_REGENERATED = ("tier", "model")


class Enqueues(Protocol):
    """The part of `producer.client.Producer` that is used here."""

    tenant: str

    @property
    def settings(self) -> Settings: ...

    @property
    def database(self) -> Database: ...

    def find_draft(self, job_id: UUID, key: str | None = None) -> Draft | None: ...

    def store_and_show(self, batch: Batch, *, campaign: str | None = None) -> list[tuple[JobView, bool]]: ...


def finalize(
    producer: Enqueues, job: JobView, wanted: Mapping[str, Any], *, regenerate: bool = False
) -> tuple[JobView, bool]:
    """The final of a draft, and whether it was created by this call. It joins the draft's campaign, and has its
    priority, tags, metadata and `webhook_url`.

    `wanted`: fields of the final; None: not given. Without an `idempotency_key`, the same draft with the same fields
    gives the same final; if that failed or was cancelled and surely costs nothing, it is retried. One that may be
    billed is only retried by `retry`.

    `regenerate`: a job that is no draft is generated again in a higher resolution, by the `tier` and `model` in
    `wanted` or its own. That video will differ from the first.

    Raises:
        NotPossible: the job has not succeeded, or is no draft and `regenerate` is not set.
        InvalidInput: no final can be made of the draft any more, or a field is not allowed.
        IdempotencyConflict: the key is known with another request.
        DatabaseUnavailable: the database does not answer.
    """
    given = {name: value for name, value in wanted.items() if value is not None}
    return _store(producer, job, final_of(producer.settings, producer.find_draft, job, given, regenerate=regenerate))


def final_of(
    settings: Settings, find: FindDraft, job: JobView, given: dict[str, Any], *, regenerate: bool = False
) -> Row:
    """The row of the final of a job, as `finalize` makes it; it may lack a key.

    Raises:
        NotPossible, InvalidInput: as there.
    """
    if job.state is not JobState.SUCCEEDED:
        raise NotPossible(job.id, f"is {job.state}; a final can be made once it has succeeded")
    own: dict[str, Any] = {"priority": job.priority, "tags": job.tags, "webhook_url": job.webhook_url}
    if job.request.get("draft"):
        if wrong := [name for name in _ONLY_REGENERATED if name in given]:
            raise InvalidInput([Problem(name, "a final keeps its draft's model; leave it out") for name in wrong])
        fields = own | {"metadata": job.metadata} | given | {"draft_of": job.id}
        return final_row(Row("", fields), settings, find)
    if regenerate:
        kept = {name: value for name, value in job.request.items() if name not in FINAL_FIELDS - {"gateway_options"}}
        own |= {"metadata": job.metadata | {LOOK_OF: str(job.id)}, "resolution": REGENERATED_RESOLUTION}
        return Row("", kept | own | given, look_of=job.id)
    raise NotPossible(
        job.id,
        "is not a draft. A larger video of it is a new generation, which will differ; "
        "ask for that with regenerate if you want it",
    )


def with_final_key(row: Row, job: JobView) -> Row:
    """The row of a final with a key by which the same draft with the same fields is the same final."""
    if row.fields.get("idempotency_key") is not None:
        return row
    spec = parse_job(row.fields)
    key = f"final:{job.id}:{hash_of(spec.canonical(), spec.account)[:16]}"
    return replace(row, fields=dict(row.fields) | {"idempotency_key": key})


def _store(producer: Enqueues, job: JobView, row: Row) -> tuple[JobView, bool]:
    own_key = row.fields.get("idempotency_key") is not None
    batch = prepare([with_final_key(row, job)], producer.settings, None)
    [(final, created)] = producer.store_and_show(batch, campaign=job.campaign)
    if own_key or created or final.state not in (JobState.FAILED, JobState.CANCELLED) or may_be_billed(final):
        return final, created
    return job_actions.retry(producer.database, producer.settings, producer.tenant, final.id, only_unbilled=True)
