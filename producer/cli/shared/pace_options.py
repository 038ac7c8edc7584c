"""Options that say when and how fast a campaign is submitted."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

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
