"""Which jobs need which uploaded files: a file stays as long as a job that has not ended needs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from storage.database import Connection
from storage.uploads.records import unknown_uploads
from storage.uploads.tenant_assets import ASSET, unknown_assets

UPLOAD = "upload://"


class UploadUnknown(Exception):
    """A job names a file that its tenant has not uploaded, or that has expired."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.reference = reference

    def __str__(self) -> str:
        return f"{self.reference} is unknown, or has expired; upload the file"


def upload_references(request: Mapping[str, Any]) -> Iterator[str]:
    """The uploaded files that a request names."""
    return _references(request, (UPLOAD,))


def _references(request: Mapping[str, Any], schemes: tuple[str, ...]) -> Iterator[str]:
    for value in request.values():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, str) and item.startswith(schemes):
                yield item


def unknown_files(conn: Connection, tenant: str, requests: Iterable[Mapping[str, Any]]) -> set[str]:
    """The files and assets in requests that the tenant may not name, because it does not have them."""
    wanted = {item for request in requests for item in _references(request, (UPLOAD, ASSET))}
    assets = {item for item in wanted if item.startswith(ASSET)}
    if not wanted:
        return set()
    return unknown_uploads(conn, tenant, wanted - assets) | unknown_assets(conn, tenant, assets)


# A shared lock: jobs that need the same file do not wait for each other, and its removal waits for all of them. Every
# statement locks files in the order of their ids, so that none waits in a circle.
_USE: LiteralString = """
WITH wanted AS (
    SELECT * FROM unnest(%(jobs)s::uuid[], %(tenants)s::text[], %(references)s::text[]) AS w(job_id, tenant, reference)
), known AS MATERIALIZED (
    SELECT u.id, u.tenant, u.reference FROM uploads u
    WHERE (u.tenant, u.reference) IN (SELECT tenant, reference FROM wanted)
      AND u.removed_at IS NULL AND u.stored_at IS NOT NULL
    ORDER BY u.id FOR SHARE OF u
), used AS (
    INSERT INTO upload_uses (job_id, upload_id)
    SELECT w.job_id, k.id FROM wanted w JOIN known k ON k.tenant = w.tenant AND k.reference = w.reference
    ON CONFLICT DO NOTHING
)
SELECT w.reference FROM wanted w LEFT JOIN known k ON k.tenant = w.tenant AND k.reference = w.reference
WHERE k.id IS NULL LIMIT 1
"""


def use_uploads(conn: Connection, jobs: Sequence[tuple[UUID, str, Mapping[str, Any]]]) -> None:
    """Record the files that new jobs need: (id, tenant, request).

    Raises:
        UploadUnknown: one is not there; the caller must not commit.
    """
    wanted = [
        (job_id, tenant, name) for job_id, tenant, request in jobs for name in dict.fromkeys(upload_references(request))
    ]
    if not wanted:
        return
    ids, tenants, references = (list(column) for column in zip(*wanted, strict=True))
    row = conn.execute(_USE, {"jobs": ids, "tenants": tenants, "references": references}).fetchone()
    if row is not None:
        raise UploadUnknown(row[0])


@dataclass(frozen=True, slots=True)
class InputFile:
    """Where a job's file is. `object_key` None: under the key that older releases shared between tenants."""

    tenant: str
    object_key: str | None


_FILES: LiteralString = """
SELECT s.job_id, u.reference, u.tenant, u.object_key FROM upload_uses s JOIN uploads u ON u.id = s.upload_id
WHERE s.job_id = ANY(%(ids)s)
"""


def files_of_jobs(conn: Connection, ids: Sequence[UUID]) -> dict[tuple[UUID, str], InputFile]:
    """The files of jobs, by job and reference. Those of jobs that an older release enqueued may be missing."""
    rows = conn.execute(_FILES, {"ids": list(ids)}).fetchall() if ids else []
    return {(job_id, reference): InputFile(tenant, key) for job_id, reference, tenant, key in rows}
