"""Store the rows of a campaign beside their jobs, and carry over what was edited in the sheet since.

A row with a key of its own (`--key`) is the same row when it is edited. What still waits in the queue is changed; a job
that failed and cost nothing is made again; what has been submitted stays, and the next version of the row is made from
the edit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from producer.campaigns.reading.report import Report
from producer.intake.intake import Prepared, as_new_job
from producer.intake.job_spec import hash_of
from producer.operator_actions.finals import LOOK_OF
from storage.admission.spending.billing import may_be_billed
from storage.campaigns.changes import change_queued
from storage.campaigns.rows import PAGE, RowFilter, RowView, find_rows, lock_rows, stream_rows
from storage.campaigns.sheets import NewRow, SheetSource, add_rows, add_sheet, asked_hashes, keep_edits
from storage.campaigns.versions import NewVersion, VersionKind, add_versions, made_new, rows_of_jobs_in
from storage.database import Connection
from storage.jobs import queries
from storage.jobs.enqueue import enqueue_jobs
from storage.jobs.records import Enqueued, JobView
from storage.jobs.states import JobState

REPLACED, AGAIN, PAID_FOR = "replaced", "again", "paid_for"
NO_EDITS: Mapping[str, Sequence[int]] = {REPLACED: (), AGAIN: (), PAID_FOR: ()}
_DETAIL = {"what": "edit"}


def source_of(file: str, report: Report) -> SheetSource:
    """A file that has been read, as the source of its rows."""
    return SheetSource(file, report.header, report.sheet, [column.as_json() for column in report.formats])


def add_campaign_rows(
    conn: Connection,
    tenant: str,
    campaign_id: UUID,
    jobs: Sequence[Prepared],
    stored: Sequence[Enqueued],
    source: SheetSource | None,
) -> list[Enqueued]:
    """Store the rows that these jobs were made for, in the same transaction; returns the jobs, with what became of
    edited rows. A final is a version of its draft's row."""
    origins = {item.id: origin for job, item in zip(jobs, stored, strict=True) if (origin := job.version_of)}
    rows_of = rows_of_jobs_in(conn, campaign_id, [*origins, *origins.values()]) if origins else {}
    finals = [job_id for job_id, origin in origins.items() if origin in rows_of and job_id not in rows_of]
    add_versions(conn, [NewVersion(rows_of[origins[job_id]], job_id, VersionKind.FINAL) for job_id in finals])
    rows = [
        NewRow(item.id, row.number, row.label, row.key, row.cells, job.asked_hash, item.created, _final(job))
        for job, item in zip(jobs, stored, strict=True)
        if origins.get(item.id) not in rows_of and (row := job.row)
    ]
    edited = _edited(conn, campaign_id, jobs, stored)
    sheet = 0 if source is None or not rows else add_sheet(conn, campaign_id, source)
    add_rows(conn, campaign_id, rows, sheet)
    if not edited:
        return list(stored)
    changed = _carry_over(conn, tenant, campaign_id, edited)
    return [changed.get(item.id, item) for item in stored]


def _edited(
    conn: Connection, campaign_id: UUID, jobs: Sequence[Prepared], stored: Sequence[Enqueued]
) -> dict[UUID, Prepared]:
    """The rows that ask for something else than their sheet did before."""
    known = {
        item.id: job
        for job, item in zip(jobs, stored, strict=True)
        if not item.created and job.row.entity is not None and job.spec.idempotency_key is None
    }
    return {row_id: known[row_id] for row_id in _differing(conn, campaign_id, known)}


def _differing(conn: Connection, campaign_id: UUID, known: Mapping[UUID, Prepared]) -> list[UUID]:
    """Those of these rows that ask for something else than before, and than what was made last: a sheet that is again
    as it was asks for nothing."""
    if not known:
        return []
    asked = asked_hashes(conn, campaign_id, list(known))
    return [row_id for row_id, job in known.items() if row_id in asked and job.asked_hash not in asked[row_id]]


def what_an_edit_does(row: RowView, newest: JobView, edited: Prepared) -> str:
    """What happens to an edited row now: `replaced`, `again` or `paid_for`."""
    if newest.state is JobState.QUEUED:
        # A final was approved as what its proof shows; that was paid for, and decides what it can be.
        return PAID_FOR if newest.draft_of is not None or LOOK_OF in newest.metadata else REPLACED
    if row.proof and row.state is JobState.SUCCEEDED and _same_proof(newest, edited):
        return REPLACED  # only its final is another one, and that was not made yet
    lost = row.state in (JobState.FAILED, JobState.CANCELLED)
    return AGAIN if lost and not may_be_billed(newest) else PAID_FOR


def _carry_over(
    conn: Connection, tenant: str, campaign_id: UUID, edited: Mapping[UUID, Prepared]
) -> dict[UUID, Enqueued]:
    lock_rows(conn, campaign_id, list(edited))
    rows = {row.id: row for row in stream_rows(conn, campaign_id, RowFilter(ids=list(edited)))}
    newest = queries.get_jobs(conn, tenant, [row.newest_job_id for row in rows.values()])
    found = {row_id: what_an_edit_does(row, newest[row.newest_job_id], edited[row_id]) for row_id, row in rows.items()}
    queued = {item.id for item in newest.values() if item.state is JobState.QUEUED}
    waiting = {
        job_id: row_id
        for row_id, what in found.items()
        if what == REPLACED and (job_id := rows[row_id].newest_job_id) in queued
    }
    changed = change_queued(
        conn,
        [
            replace(as_new_job(edited[row_id], tenant, campaign_id), id=job_id, detail=_DETAIL)
            for job_id, row_id in waiting.items()
        ],
    )
    found |= {row_id: PAID_FOR for job_id, row_id in waiting.items() if job_id not in changed}
    made_new(conn, [row_id for job_id, row_id in waiting.items() if job_id in changed])
    again = [row_id for row_id, what in found.items() if what == AGAIN]
    made = enqueue_jobs(
        conn,
        [
            replace(
                as_new_job(edited[row_id], tenant, campaign_id),
                idempotency_key=f"edit:{rows[row_id].newest_job_id}:{edited[row_id].request_hash[:16]}",
                detail=_DETAIL,
            )
            for row_id in again
        ],
    )
    jobs = {row_id: item.id for row_id, item in zip(again, made, strict=True)}
    new = [row_id for row_id, item in zip(again, made, strict=True) if item.created]
    add_versions(conn, [NewVersion(row_id, jobs[row_id], VersionKind.EDIT) for row_id in new])
    keep_edits(conn, {row_id: _fields(edited[row_id]) for row_id, what in found.items() if what == PAID_FOR})
    return {row_id: Enqueued(row_id, created=row_id in new, edit=what) for row_id, what in found.items()}


def _same_proof(newest: JobView, edited: Prepared) -> bool:
    return hash_of(newest.request, newest.account_pin) == edited.request_hash and edited.later is not None


def _final(job: Prepared) -> Mapping[str, Any] | None:
    return None if job.later is None else job.later.fields


def _fields(job: Prepared) -> dict[str, Any]:
    """A job as its fields, without its key and its deadline."""
    spec = job.spec
    own: dict[str, Any] = {"account": spec.account, "priority": spec.priority, "webhook_url": spec.webhook_url}
    return job.request | own | {"metadata": spec.metadata, "tags": list(spec.tags)}


def edited_rows(jobs: Sequence[Prepared], stored: Sequence[Enqueued]) -> dict[str, list[int]]:
    """The numbers of edited rows, by what became of them."""
    found: dict[str, list[int]] = {REPLACED: [], AGAIN: [], PAID_FOR: []}
    for job, item in zip(jobs, stored, strict=True):
        if item.edit is not None:
            found[item.edit].append(job.row.number)
    return {what: sorted(set(numbers)) for what, numbers in found.items()}


def edits_now(conn: Connection, tenant: str, campaign_id: UUID, known: Mapping[UUID, Prepared]) -> dict[UUID, str]:
    """What storing them again would do with the edited ones of known rows, by row."""
    edited = _differing(conn, campaign_id, known)
    found: dict[UUID, str] = {}
    for start in range(0, len(edited), PAGE):
        rows = find_rows(conn, campaign_id, RowFilter(ids=edited[start : start + PAGE]))
        newest = queries.get_jobs(conn, tenant, [row.newest_job_id for row in rows])
        found |= {row.id: what_an_edit_does(row, newest[row.newest_job_id], known[row.id]) for row in rows}
    return found
