"""What an agent may do, without the protocol: quote, enqueue a quote, look, cancel.

A job is made of a quote alone, under a key derived from it. So a call that is repeated, because its answer was lost or
the agent is not sure, can never pay twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from producer.api.videos.attachments import Attachments
from producer.client import Producer, as_job_id
from producer.intake.intake import Batch, Prepared, Row, as_prepared
from producer.intake.job_spec import parse_job
from producer.intake.uploads import LocalFiles, store
from seedance.media import MediaKind, media_kind
from seedance.problems import InvalidInput, Problem
from seedance.request import MAX_REFERENCES, Modality
from storage.actors import key_of
from storage.jobs import queries, search
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.reporting.ark_tasks import Link
from storage.tenants import purses, quotes
from storage.tenants.keys import Scope
from storage.tenants.purses import Purse
from storage.tenants.quotes import Quote

MAX_LISTED = 50
_FRAMES: Mapping[str, Modality] = {"first_frame": "image", "last_frame": "image"}
_LISTS: Mapping[str, Modality] = dict(zip(MAX_REFERENCES, ("image", "video", "audio"), strict=True))
_NOT_QUOTED = ("idempotency_key", "deadline")
_SAID: Mapping[JobState, str] = {
    JobState.QUEUED: "It waits for a free slot. Cancelling it is free.",
    JobState.SUBMITTING: "It is being submitted.",
    JobState.GENERATING: "It is being generated. Ask again later; enqueueing it again would pay again.",
    JobState.TRANSFERRING: "It is generated and is being stored.",
    JobState.UNCONFIRMED: "The gateway may or may not have accepted it. A person decides; do not order it again.",
    JobState.SUCCEEDED: "It is ready.",
    JobState.FAILED: "It failed; see error.",
    JobState.CANCELLED: "It was cancelled.",
}


class NotAllowed(Exception):
    """The agent may not, or cannot, do this; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One caller. `scopes`: what its key may do. `link`: makes the URL of a stored file. `files_from`: the directory
    that paths of local files start from; None: they are refused. `count`: counts a job against the tenant's limit."""

    producer: Producer
    scopes: frozenset[str]
    link: Link
    files_from: Path | None = None
    count: Callable[[], None] = lambda: None

    # --- quote and enqueue ---

    def quote(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Check a job and store it with its price, for a while. Files are stored now.

        Raises:
            NotAllowed: the key may not enqueue.
            InvalidInput: a field breaks a rule, or no account can serve it.
            DatabaseUnavailable, StoreUnavailable: retry later.
        """
        self._need(Scope.ENQUEUE)
        if given := [name for name in _NOT_QUOTED if fields.get(name) is not None]:
            raise InvalidInput([Problem(given[0], "cannot be part of a quote; leave it out")])
        with Attachments() as attachments:
            attachments.files.close()
            attachments.files = LocalFiles(self.files_from)
            own = {name: self._media(attachments, name, value) for name, value in fields.items() if value is not None}
            prepared = self._prepared(own, attachments.files)
            store(attachments.files, self.producer.shelf)
        kept = own if prepared.draft is not None else {**own, **_media_of(prepared)}
        with self.producer.database.begin() as conn:
            made = quotes.add_quote(conn, self.producer.tenant, kept, prepared.estimate, prepared.prices)
            purse = self._purse(conn)
        shown: dict[str, Any] = {"quote_id": made.id, "expires_at": made.expires_at.isoformat()}
        shown |= {"request": prepared.request, "price": _price_of(made)}
        if purse is not None:
            shown["purse"] = purse.as_dict()
        return shown | {"next": "Show the price to the person. If they agree, call enqueue with this quote_id."}

    def enqueue(self, quote_id: str) -> dict[str, Any]:
        """Store the job of a quote. The same quote is the same job, however often this is called.

        Raises:
            NotAllowed: the key may not enqueue, or there is no such quote any more.
            PurseExhausted: the key may not spend that much.
            InvalidInput: no account can serve it any more.
            DatabaseUnavailable, StoreUnavailable: call it again with the same quote.
        """
        self._need(Scope.ENQUEUE)
        key, tenant = f"quote:{quote_id}", self.producer.tenant
        with self.producer.database.begin() as conn:
            known = search.by_key(conn, tenant, key)
            quote = quotes.find_quote(conn, tenant, quote_id) if known is None else None
        if known is not None:
            return self._shown(self.producer.get(known)) | {"already_enqueued": True}
        if quote is None:
            raise NotAllowed("There is no such quote. Call quote first and pass its quote_id exactly as it is.")
        if quote.expired:
            raise NotAllowed(
                f"The quote expired at {quote.expires_at.isoformat()}; nothing was spent. Call quote again."
            )
        self.count()
        prepared = self._prepared(quote.fields | {"idempotency_key": key}, files := LocalFiles(None))
        prepared = replace(prepared, estimate=quote.estimate, prices=quote.prices)  # the price that was agreed to
        [(job, created)] = self.producer.store_and_show(Batch([prepared], files))
        return self._shown(job) | {"already_enqueued": not created}

    def _prepared(self, fields: Mapping[str, Any], files: LocalFiles) -> Prepared:
        [row] = self.producer.with_drafts([Row("", fields)])
        if isinstance(row, InvalidInput):
            raise row
        spec = files.replace(parse_job(row.fields))
        return as_prepared(spec, self.producer.settings, row, files.facts)

    def _media(self, attachments: Attachments, name: str, value: Any) -> Any:
        """A field with each data URI replaced by the reference of its content."""
        if name in _FRAMES:
            return self._file(attachments, name, _FRAMES[name], value)
        if name in _LISTS and isinstance(value, list | tuple):
            return [self._file(attachments, name, _LISTS[name], item) for item in value]
        return value

    def _file(self, attachments: Attachments, name: str, modality: Modality, value: Any) -> Any:
        if self.files_from is not None and isinstance(value, str) and _is_outside(value, self.files_from):
            raise InvalidInput([Problem(name, f"is outside of {self.files_from}, the folder of files that are taken")])
        if not isinstance(value, str) or not value.startswith("data:"):
            return value
        try:
            return attachments.add(attachments.open(value), modality)
        except ValueError as exc:
            raise InvalidInput([Problem(name, str(exc))]) from exc

    # --- look ---

    def get(self, job_id: str) -> dict[str, Any]:
        """One job.

        Raises:
            JobNotFound: the tenant has none with that id.
            DatabaseUnavailable: retry later.
        """
        self._need(Scope.READ)
        return self._shown(self.producer.get(as_job_id(job_id)))

    def list(self, state: str | None, limit: int, before: str | None) -> dict[str, Any]:
        """Jobs of the tenant, newest first.

        Raises:
            InvalidInput: the state or the limit is not valid.
            DatabaseUnavailable: retry later.
        """
        self._need(Scope.READ)
        if state is not None and state not in set(JobState):
            raise InvalidInput([Problem("state", f"must be one of {', '.join(JobState)}")])
        if not 1 <= limit <= MAX_LISTED:
            raise InvalidInput([Problem("limit", f"must be 1 to {MAX_LISTED}")])
        states = None if state is None else [JobState(state)]
        wanted = queries.JobFilter(self.producer.tenant, states=states, deleted=False)
        last: UUID | None = None if before is None else as_job_id(before)
        with self.producer.database.begin() as conn:
            found = queries.page_of_jobs(conn, wanted, before=last, limit=limit + 1)
        more = str(found[limit - 1].id) if len(found) > limit else None
        return {"jobs": [self._shown(job) for job in found[:limit]], "next_before": more}

    def purse(self) -> dict[str, Any]:
        """What the caller's key may still spend."""
        self._need(Scope.READ)
        with self.producer.database.begin() as conn:
            found = self._purse(conn)
        if found is None:
            return {"purse": None, "meaning": "This key has no purse. Budgets of its tenant may still hold jobs back."}
        return {"purse": found.as_dict(), "meaning": "Jobs that may cost more than what is left are refused."}

    # --- decide ---

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancel a job if that is free.

        Raises:
            NotAllowed: the key may not enqueue.
            JobNotFound: the tenant has none with that id.
            NotPossible: it was submitted and will be billed, or has ended.
            DatabaseUnavailable: retry later.
        """
        self._need(Scope.ENQUEUE)
        return self._shown(self.producer.cancel(as_job_id(job_id)))

    # --- in common ---

    def _need(self, scope: Scope) -> None:
        if scope not in self.scopes:
            raise NotAllowed(f"The key does not have the scope {scope}. Ask an admin for a key with it.")

    def _purse(self, conn: Any) -> Purse | None:
        key = key_of(self.producer.actor)
        return None if key is None else purses.purse_of(conn, key)

    def _shown(self, job: JobView) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "job_id": str(job.id),
            "state": str(job.state),
            "finished": job.terminal,
            "meaning": _SAID[job.state],
            "prompt": job.request.get("prompt"),
            "price": job.cost or job.estimate,
            "created_at": job.created_at.isoformat(),
        }
        if job.state is JobState.QUEUED and job.reason is not None:
            shown["waits_because"] = job.reason
        if job.error is not None:
            shown["error"] = {"code": job.error.get("code"), "message": job.error.get("message")}
            shown["error"]["may_retry"] = bool(job.error.get("retryable", False))
        if job.state is JobState.SUCCEEDED:
            files = {"video": job.object_key, "poster": job.poster_key, "last-frame": job.last_frame_key}
            shown["files"] = {what: self.link(job.id, what, key) for what, key in files.items() if key is not None}
        return shown


def _is_outside(value: str, folder: Path) -> bool:
    """Whether a path leads out of the folder, also by a link."""
    try:
        if media_kind(value) is not MediaKind.PATH:
            return False
        return not (folder / value).resolve().is_relative_to(folder.resolve())
    except (ValueError, OSError):
        return True


def _media_of(prepared: Prepared) -> dict[str, Any]:
    """The references of a checked job, where local files are named by their content."""
    names = (*_FRAMES, *_LISTS)
    return {name: prepared.request[name] for name in names if name in prepared.request}


def _price_of(quote: Quote) -> dict[str, Any] | None:
    """The price in words that an agent can use."""
    if quote.estimate is None:
        return None
    kept = ("currency", "low", "high", "also", "account")
    return {name: quote.estimate[name] for name in kept if name in quote.estimate}
