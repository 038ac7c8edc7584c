"""Format times, durations, sizes and money in the reader's language and time zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup

from producer.web.language import Catalogue


def zone_of(name: str | None) -> tzinfo:
    """The time zone that a browser named; UTC if it is missing or unknown."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


@dataclass(frozen=True, slots=True)
class Formatter:
    """Formats values; `now` is the time of the page."""

    catalogue: Catalogue
    zone: tzinfo
    now: datetime

    # --- times ---

    def clock(self, instant: datetime, *, seconds: bool = True) -> Markup:
        """`14:05:09`, with the date unless it is today."""
        here = instant.astimezone(self.zone)
        time = f"{here:%H:%M:%S}" if seconds else f"{here:%H:%M}"
        text = time if here.date() == self.now.astimezone(self.zone).date() else f"{here:%Y-%m-%d} {time}"
        return self._time(instant, text)

    def ago(self, instant: datetime) -> Markup:
        """`3 min ago`, with the full time as a tooltip."""
        return self._time(instant, self._relative((self.now - instant).total_seconds()))

    def until(self, instant: datetime) -> Markup:
        """`in 3 min`."""
        return self._time(instant, self._relative(-(instant - self.now).total_seconds()))

    def _relative(self, seconds: float) -> str:
        if -1 < seconds < 1:
            return self.catalogue.text("time.now")
        key = "time.ago" if seconds > 0 else "time.until"
        return self.catalogue.text(key, span=self.span(float(round(abs(seconds))), exact=False))

    def _time(self, instant: datetime, text: str) -> Markup:
        whole = f"{instant.astimezone(self.zone):%Y-%m-%d %H:%M:%S %Z}"
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            instant.astimezone(UTC).isoformat(timespec="milliseconds"), whole, text
        )

    def span(self, seconds: float, *, exact: bool = True) -> str:
        """A duration; `exact`: a short one with tenths of a second."""
        for below, divisor, unit in ((90, 1, "s"), (5400, 60, "min"), (172_800, 3600, "h")):
            if seconds < below:
                value = f"{seconds:.1f}" if exact and unit == "s" and seconds < 10 else f"{seconds / divisor:.0f}"
                return self.catalogue.text(f"time.{unit}", value=value)
        return self.catalogue.text("time.d", value=f"{seconds / 86_400:.0f}")

    def axis(self, seconds: float, step_s: float) -> str:
        """A label on the axis of a chart: the time, with the date unless today; for long columns the date."""
        here = datetime.fromtimestamp(seconds, self.zone)
        day = "" if here.date() == self.now.astimezone(self.zone).date() else f"{here:%m-%d} "
        return f"{here:%m-%d}" if step_s >= 86_400 else f"{day}{here:%H:%M}"

    # --- numbers ---

    def number(self, value: float) -> str:
        return f"{value:,.0f}"

    def size(self, number: int) -> str:
        """Bytes."""
        return f"{number / 2**20:.1f} MiB" if number >= 2**20 else f"{number / 2**10:.0f} KiB"

    def money(self, value: float | Decimal, currency: str) -> str:
        """`CNY 5.01`, with more digits below 1."""
        number = float(value)
        return f"{currency} {number:,.2f}" if not number or abs(number) >= 1 else f"{currency} {number:.4f}"

    def money_span(self, low: float | Decimal, high: float | Decimal, currency: str) -> str:
        """`CNY 4.20 – 5.01`, or one number if both are equal."""
        text = self.money(low, currency)
        return text if low == high else f"{text} – {self.money(high, currency).removeprefix(currency).lstrip()}"

    def tokens(self, found: Sequence[float]) -> str:
        """`108,900`, or `97,200 – 108,900`."""
        return " – ".join(dict.fromkeys(self.number(number) for number in found))

    def field(self, name: str, value: object) -> str:
        """A field of a request on one line, for people; embedded media are cut short."""
        if isinstance(value, list):
            return ", ".join(self.field(name, item) for item in value)
        if isinstance(value, bool):
            return self.catalogue.text("answer.yes" if value else "answer.no")
        if name == "duration" and isinstance(value, int):
            return self.catalogue.text("duration.-1") if value < 0 else self.span(value, exact=False)
        text = str(value)
        return text if len(text) <= 300 else f"{text[:80]}… ({len(text):,})"

    def error(self, error: Mapping[str, Any] | None) -> str:
        """An error's message, or its code if it has none."""
        found = error or {}
        return str(found.get("message") or found.get("code") or "")
