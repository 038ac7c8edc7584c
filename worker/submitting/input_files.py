"""Where the uploaded files of jobs lie in the bucket, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from storage.jobs.records import Work
from storage.tenants.tenants import DEFAULT_TENANT
from storage.uploads.uses import InputFile, files_of_jobs, upload_references
from worker.runtime import Runtime


@dataclass(frozen=True, slots=True)
class InputFiles:
    """The files of the jobs of one batch."""

    runtime: Runtime
    known: Mapping[tuple[UUID, str], InputFile] = field(default_factory=dict)

    def key(self, job_id: UUID, reference: str) -> str:
        """The key of a file. Files of older releases lie under their content."""
        found = self.known.get((job_id, reference))
        key = None if found is None else found.object_key
        return self.runtime.objects.keys.input(reference) if key is None else key

    def tenant(self, job_id: UUID, reference: str) -> str:
        """Whose file it is."""
        found = self.known.get((job_id, reference))
        return DEFAULT_TENANT if found is None else found.tenant


def input_files(runtime: Runtime, held: Sequence[Work]) -> InputFiles:
    """Look up the files of jobs; most have none, and cost no query."""
    ids = [work.id for work in held if any(upload_references(work.request))]
    if not ids:
        return InputFiles(runtime)
    with runtime.database.begin() as conn:
        return InputFiles(runtime, files_of_jobs(conn, ids))
