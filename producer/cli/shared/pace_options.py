"""Options that say when and how fast a campaign is submitted."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from producer.intake.pace import PaceTerms, read_pace
from producer.intake.row_defaults import RowDefaults, read_defaults
from storage.admission.quiet_hours import zone_of

StartAt = Annotated[
    str | None,
    typer.Option(
        "--start-at",
        metavar="TIME",
        help='Submit nothing before, as in "2026-12-04 18:00"; "now": at once.',
        show_default=False,
    ),
]
QuietHours = Annotated[
    str | None,
    typer.Option(
        "--quiet-hours",
        metavar="FROM-TO",
        help='Submit nothing in these hours of each day, as in 22:00-07:00; "none": no quiet hours.',
        show_default=False,
    ),
]
MaxConcurrent = Annotated[
    str | None,
    typer.Option(
        "--max-concurrent",
        metavar="NUMBER",
        help='How many of its jobs are at gateways at once, at most; "none": no limit.',
        show_default=False,
    ),
]
TimeZone = Annotated[
    str | None,
    typer.Option(
        "--time-zone",
        metavar="ZONE",
        help="Of all times given here, as in Asia/Shanghai. Default: this machine's.",
        show_default=False,
    ),
]
Deadline = Annotated[
    str | None,
    typer.Option(
        "--deadline",
        metavar="TIME",
        help='For rows without one, as in "2026-12-04 18:00": a job that has not succeeded by then fails.',
        show_default=False,
    ),
]
Priority = Annotated[
    int | None,
    typer.Option("--priority", min=0, max=9, help="For rows without one: 0 to 9, higher first.", show_default=False),
]
Proof = Annotated[
    bool,
    typer.Option(
        "--proof",
        help="Make each row as a draft or a small cheap video first; `reelq campaign approve` makes the final. The "
        "campaign remembers this.",
    ),
]


@dataclass(frozen=True, slots=True)
class PaceOptions:
    """When and how fast a campaign is submitted, for `option_groups.spread`."""

    start_at: StartAt = None
    quiet_hours: QuietHours = None
    max_concurrent: MaxConcurrent = None
    time_zone: TimeZone = None

    @property
    def zone(self) -> str:
        """The time zone of what is given."""
        return zone_or_local(self.time_zone)

    def read(self) -> PaceTerms:
        """The terms that they make.

        Raises:
            InvalidInput: one of them is not valid.
        """
        return read_pace(self.start_at, self.quiet_hours, self.max_concurrent, self.zone)


@dataclass(frozen=True, slots=True)
class RunOptions(PaceOptions):
    """The same, and what rows of a sheet get that leave it open."""

    proof: Proof = False
    deadline: Deadline = None
    priority: Priority = None

    def defaults(self) -> RowDefaults:
        """What rows get.

        Raises:
            InvalidInput: the deadline is not valid.
        """
        return read_defaults(self.priority, self.deadline, self.zone, row_zone=self.zone)

    def ways(self) -> dict[str, Any]:
        """All of it as the client of the API takes it."""
        at_once = self.read().max_concurrent
        return {
            "proof": self.proof,
            "deadline": self.deadline,
            "priority": self.priority,
            "start_at": self.start_at,
            "quiet_hours": self.quiet_hours,
            "max_concurrent": None if at_once is None else at_once.value,
            "time_zone": self.zone,
        }


_ZONES = "zoneinfo/"
_LOCALTIME = Path("/etc/localtime")


def zone_or_local(given: str | None) -> str:
    """The time zone that was given, else that of this machine; UTC if that has no name."""
    if given is not None:
        return given.strip()
    names = [os.environ.get("TZ", "").removeprefix(":")]
    with suppress(OSError):
        names.append(str(_LOCALTIME.resolve(strict=True)).rpartition(_ZONES)[2])
    for name in names:
        try:
            zone_of(name)
        except ValueError:
            continue
        return name
    return "UTC"
