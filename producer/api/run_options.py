"""What a client may say about how a campaign is run, beside its sheet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request

from producer.intake.pace import PaceTerms, read_pace
from producer.intake.row_defaults import RowDefaults, read_defaults
from storage.admission.campaign_pace import MAX_CONCURRENT

MAX_TIME_CHARS = 64
START_AT = 'Submit nothing before, as in "2026-12-04 18:00" or "2026-12-04T18:00+08:00"; "now": at once.'
QUIET_HOURS = 'Submit nothing in these hours of each day, as in "22:00-07:00"; "none": no quiet hours.'
TIME_ZONE = 'Of times without an offset and of quiet hours, as in "Asia/Shanghai".'
AT_ONCE = "How many of its jobs are at gateways at once, at most."


@dataclass(frozen=True, slots=True)
class RunParameters:
    """How a campaign is run."""

    pace: PaceTerms
    defaults: RowDefaults
    proof: bool


def _run_parameters(
    request: Request,
    proof: Annotated[
        bool,
        Query(
            description="Make each row as a draft or a small cheap video first; approving it makes the final. The "
            "campaign remembers this."
        ),
    ] = False,
    deadline: Annotated[
        str | None,
        Query(
            max_length=MAX_TIME_CHARS,
            description='For rows without one, as in "2026-12-04 18:00": a job that has not succeeded by then fails.',
        ),
    ] = None,
    priority: Annotated[
        int | None, Query(ge=0, le=9, description="For rows without one: 0 to 9, higher first.")
    ] = None,
    start_at: Annotated[str | None, Query(max_length=MAX_TIME_CHARS, description=START_AT)] = None,
    quiet_hours: Annotated[str | None, Query(max_length=MAX_TIME_CHARS, description=QUIET_HOURS)] = None,
    max_concurrent: Annotated[int | None, Query(ge=1, le=MAX_CONCURRENT, description=AT_ONCE)] = None,
    time_zone: Annotated[str, Query(max_length=MAX_TIME_CHARS, description=TIME_ZONE)] = "UTC",
) -> RunParameters:
    pace = read_pace(start_at, quiet_hours, max_concurrent, time_zone)
    row_zone = (
        time_zone if "time_zone" in request.query_params else None
    )  # rows are not read by a clock that was not named
    return RunParameters(pace, read_defaults(priority, deadline, time_zone, row_zone=row_zone), proof)


RunOptions = Annotated[RunParameters, Depends(_run_parameters)]
