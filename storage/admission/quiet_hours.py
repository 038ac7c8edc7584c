"""Quiet hours: a part of every day, by the clock of a time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

_TEXT = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")
_MAX_ZONE_CHARS = 64


def zone_of(name: str) -> tzinfo:
    """The time zone with an IANA name, such as Asia/Shanghai.

    Raises:
        ValueError: this machine knows no such zone.
    """
    if name == "UTC":  # known without any data of time zones
        return UTC
    try:
        if len(name) <= _MAX_ZONE_CHARS:
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pass
    raise ValueError("is not a time zone this machine knows; write it as Asia/Shanghai or UTC")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begins` to `ends`, which may be on the next day, in the time zone `zone`."""

    begins: time
    ends: time
    zone: str

    @classmethod
    def parse(cls, text: str, zone: str) -> QuietHours:
        """Parse "22:00-07:00".

        Raises:
            ValueError: it is no such span, or the zone is not known.
        """
        found = _TEXT.fullmatch(text.strip())
        try:
            if found is None:
                raise ValueError
            begins, ends = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
        except ValueError:
            raise ValueError("must be two times of day, as in 22:00-07:00") from None
        if begins == ends:
            raise ValueError("must begin and end at different times; to submit nothing at all, pause the campaign")
        zone_of(zone)
        return cls(begins, ends, zone)

    @property
    def text(self) -> str:
        """As people write it."""
        return f"{self.begins:%H:%M}-{self.ends:%H:%M}"

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """When they begin and end: the present time, or the next one.

        Where clocks are set back, they begin with the first of two equal times and end with the second. A time that is
        skipped counts as the moment after the gap.
        """
        zone = zone_of(self.zone)
        today = now.astimezone(zone).date()
        for days in range(-1, 4):
            day = today + timedelta(days=days)
            last = day if self.begins < self.ends else day + timedelta(days=1)
            begins = datetime.combine(day, self.begins, zone).astimezone(UTC)
            ends = datetime.combine(last, self.ends.replace(fold=1), zone).astimezone(UTC)
            if begins < ends and ends > now:
                return begins, ends
        raise AssertionError("quiet hours come every day")  # pragma: no cover
