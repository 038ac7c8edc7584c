"""When a campaign goes on, and its proofs, as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from shlex import quote
from typing import Any

from producer.cli.campaigns.plan_text import rows_text
from producer.wording import plural
from storage.admission.campaign_pace import Pace

_SHOWN_ENDS, _SHOWN_ROWS = 5, 12


def hold_text(pace: Pace) -> str | None:
    """Why nothing is submitted now, and until when; None: nothing holds it."""
    if pace.hold is None:
        return None
    code, until = pace.hold
    why = "starts" if code == "before_start" else f"has quiet hours ({pace.quiet_hours} {pace.quiet_zone}) and goes on"
    return f"{why} at {moment(until)}"


def pace_in(shown: Mapping[str, Any]) -> Pace:
    """The pace of a campaign from its document."""
    why, until = shown["waits_for"], shown["goes_on_at"]
    return Pace(
        start_at=shown["start_at"],
        quiet_hours=shown["quiet_hours"],
        quiet_zone=shown["time_zone"],
        max_concurrent=shown["max_concurrent"],
        waits_for_start=why == "before_start",
        quiet_until=until if why == "quiet_hours" else None,
        in_use=shown["in_use"],
    )


def pace_lines(pace: Pace) -> Iterator[str]:
    """The pace of a campaign in its status."""
    if (held := hold_text(pace)) is not None:
        yield f"  waits      {held}"
    if pace.quiet_hours is not None and pace.quiet_until is None:
        yield f"  quiet      {pace.quiet_hours} {pace.quiet_zone}: submits nothing in these hours"
    if pace.max_concurrent is not None:
        yield f"  at once    {pace.in_use} of at most {plural(pace.max_concurrent, 'job')}"


def moment(instant: datetime) -> str:
    """An instant by this machine's clock, with its offset."""
    return f"{instant.astimezone():%Y-%m-%d %H:%M %z}"


def proof_lines(counts: Mapping[str, int] | None, ending: Sequence[Mapping[str, Any]], name: str) -> Iterator[str]:
    """The proofs of a campaign in its status, from its document."""
    if counts is None:
        return
    said = [
        f"{number} {text}"
        for number, text in (
            (counts["awaiting_review"], "wait for review"),
            (counts["running"], "not finished"),
            (counts["failed"], "failed"),
            (counts["expired"], "expired without a decision"),
            (counts["rejected"], "rejected"),
            (counts["finals"], "approved"),
        )
        if number
    ]
    yield f"  proofs     {plural(counts['rows'], 'row')}: {' · '.join(said)}"
    if counts["expired"]:
        yield f"             `reelq campaign reroll {quote(name)}` makes expired drafts again, which is billed"
    for group in ending[:_SHOWN_ENDS]:
        more = " …" if group["rows"] > _SHOWN_ROWS else ""
        shown = rows_text(group["numbers"][:_SHOWN_ROWS])
        yield f"  expires    {shown}{more}: a final can be made until {moment(group['ends_at'])}"
    if len(ending) > _SHOWN_ENDS:
        later = sum(group["rows"] for group in ending[_SHOWN_ENDS:])
        yield f"  expires    … and {plural(later, 'row')} later; --json lists them"
