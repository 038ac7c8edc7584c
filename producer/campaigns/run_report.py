"""What storing the rows of a file did, for every way in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from producer.campaigns.left_behind import as_dicts, left_behind_of
from producer.campaigns.planning.proofs import proof_kinds
from producer.campaigns.storing import edited_rows
from producer.intake.intake import Prepared
from storage.database import Database
from storage.jobs.enqueue import REQUEST
from storage.jobs.records import Enqueued


def run_report(
    database: Database, tenant: str, name: str, jobs: Sequence[Prepared], stored: Sequence[Enqueued], *, proof: bool
) -> dict[str, Any]:
    """The result as JSON. `rows`: jobs, of `sheet_rows` rows of the file, of which `created` are new; `edited`: rows
    that were edited since an earlier run; `differs`: what else known jobs keep although the file has it otherwise;
    `proofs`: how many of each kind, None: the jobs are no proofs; `not_in_file`: rows of an earlier file that still
    wait."""
    created = sum(item.created for item in stored)
    known = len(stored) - created  # a file that is another one on purpose has none
    return {
        "rows": len(stored),
        "sheet_rows": len({job.row.number for job in jobs}),
        "created": created,
        "known": known,
        "edited": edited_rows(jobs, stored),
        "differs": sorted({field for item in stored for field in item.differs} - {REQUEST}),
        "proofs": proof_kinds(jobs) if proof else None,
        "not_in_file": as_dicts(left_behind_of(database, tenant, name)) if known else [],
    }
