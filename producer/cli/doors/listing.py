"""What `reelq jobs list` asks, whichever way it goes. It needs a tenth of what decisions about jobs need."""

from __future__ import annotations

from pathlib import Path

import typer

from producer.cli.doors.choice import api_client
from storage.jobs.records import JobView
from storage.jobs.states import JobState


def jobs_of(
    ctx: typer.Context, given: Path | None, tenant: str, state: JobState | None, campaign: str | None, limit: int
) -> list[JobView]:
    """Jobs, newest first.

    Raises:
        InvalidInput: the configuration cannot be used, or `--tenant` is given although the key decides.
        DatabaseUnavailable: the database does not answer or is not up to date.
    """
    # Imported here: each way needs what the other does not.
    if (reelq := api_client(ctx, given, tenant)) is None:
        from producer.cli.doors.here.listing import jobs_here
        from producer.cli.shared.access import settings_of

        return jobs_here(settings_of(ctx, given), tenant, state, campaign, limit)
    from producer.cli.doors.there.listing import jobs_there

    return jobs_there(reelq, state, campaign, limit)
