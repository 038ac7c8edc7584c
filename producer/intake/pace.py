"""When and how fast a campaign is submitted, as people write it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

from seedance.problems import InvalidInput, Problem, shorten
from storage.admission import campaign_pace
from storage.admission.campaign_pace import MAX_CONCURRENT
from storage.admission.quiet_hours import QuietHours, zone_of
from storage.database import Connection

T = TypeVar("T")
NONE = "none"
"""What people write to take a setting away."""


@dataclass(frozen=True, slots=True)
class Set(Generic[T]):
    """A new value of a setting; None takes it away."""

    value: T | None


@dataclass(frozen=True, slots=True)
class PaceTerms:
    """What to set; None leaves it unchanged."""

    start_at: Set[datetime] | None = None
    quiet: Set[QuietHours] | None = None
    max_concurrent: Set[int] | None = None

    def __bool__(self) -> bool:
        return any(item is not None for item in (self.start_at, self.quiet, self.max_concurrent))

    def as_detail(self) -> dict[str, object]:
        """What was set, for the record."""
        return dict(self._said())

    def _said(self) -> Iterator[tuple[str, object]]:
        if self.start_at is not None:
            yield "start_at", self.start_at.value.isoformat() if self.start_at.value else NONE
        if self.quiet is not None:
            quiet = self.quiet.value
            yield "quiet_hours", f"{quiet.text} {quiet.zone}" if quiet else NONE
        if self.max_concurrent is not None:
            yield "max_concurrent", self.max_concurrent.value or NONE


UNCHANGED = PaceTerms()


def read_pace(
    start_at: str | None = None,
    quiet_hours: str | None = None,
    max_concurrent: str | int | None = None,
    time_zone: str = "UTC",
) -> PaceTerms:
    """Parse a start ("2026-12-04 18:00", "now"), quiet hours ("22:00-07:00") and a number of jobs at once; "none" takes
    one away, None leaves it as it is. Times without an offset are those of `time_zone`.

    Raises:
        InvalidInput: one of them is not valid.
    """
    start: Set[datetime] | None = None
    quiet: Set[QuietHours] | None = None
    most: Set[int] | None = None
    if start_at is not None:
        away = start_at.strip().lower() in (NONE, "now")
        start = Set(None if away else read_instant(start_at, "start_at", time_zone))
    if quiet_hours is not None:
        quiet = Set(None if _is_none(quiet_hours) else _quiet(quiet_hours, time_zone))
    if max_concurrent is not None:
        most = Set(None if _is_none(max_concurrent) else _number(max_concurrent))
    return PaceTerms(start, quiet, most)


def read_instant(text: str, field: str, time_zone: str) -> datetime:
    """Parse an instant: "2026-12-04 18:00" by the clock of `time_zone`, or with an offset of its own
    ("2026-12-04T18:00+08:00", "2026-12-04T10:00Z").

    Raises:
        InvalidInput: it is none, or the zone is not known.
    """
    try:
        instant = datetime.fromisoformat(text.strip())
        if len(text.strip()) <= len("2026-12-04"):
            raise ValueError
    except ValueError:
        wanted = "must be a date and a time, as in 2026-12-04 18:00 or 2026-12-04T18:00+08:00"
        raise InvalidInput([Problem(field, f"{wanted}, not {shorten(text)}")]) from None
    if not 1 < instant.year < MAXYEAR:  # in another offset it may be out of range
        raise InvalidInput([Problem(field, f"must be before the year {MAXYEAR}, not {shorten(text)}")])
    if instant.tzinfo is None:
        try:
            instant = instant.replace(tzinfo=zone_of(time_zone))
        except ValueError as exc:
            raise InvalidInput([Problem("time_zone", str(exc))]) from None
    return instant.astimezone(UTC)


def _quiet(text: str, time_zone: str) -> QuietHours:
    try:
        zone_of(time_zone)
    except ValueError as exc:
        raise InvalidInput([Problem("time_zone", str(exc))]) from None
    try:
        return QuietHours.parse(text, time_zone)
    except ValueError as exc:
        raise InvalidInput([Problem("quiet_hours", f"{exc}, not {shorten(text)}")]) from None


def _number(value: str | int) -> int:
    text = str(value).strip()
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:10]) <= MAX_CONCURRENT and len(text) <= 10):
        message = f'must be 1 to {MAX_CONCURRENT:,}, or "none", not {shorten(value)}'
        raise InvalidInput([Problem("max_concurrent", message)])
    return int(text)


def _is_none(value: str | int) -> bool:
    return isinstance(value, str) and value.strip().lower() == NONE


def set_pace(conn: Connection, campaign_id: UUID, pace: PaceTerms) -> None:
    """Set what is given for a campaign."""
    if pace.start_at is not None:
        campaign_pace.set_start(conn, campaign_id, pace.start_at.value)
    if pace.quiet is not None:
        campaign_pace.set_quiet_hours(conn, campaign_id, pace.quiet.value)
    if pace.max_concurrent is not None:
        campaign_pace.set_max_concurrent(conn, campaign_id, pace.max_concurrent.value)
