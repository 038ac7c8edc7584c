"""What the start, the quiet hours and the most jobs at once of a campaign mean for its forecast."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from producer.campaigns.planning.forecast import Forecast, Outlook
from producer.intake.terms import Terms
from storage.admission.campaign_pace import Pace
from storage.admission.quiet_hours import QuietHours


@dataclass(frozen=True, slots=True)
class PlannedPace:
    """How a campaign will submit; None: at once, without quiet hours, without a limit."""

    start_at: datetime | None = None
    quiet: QuietHours | None = None
    max_concurrent: int | None = None

    def delay_s(self, now: datetime) -> float:
        """Seconds until it begins."""
        begins = max(now, self.start_at or now)
        if self.quiet is not None:
            quiet_from, quiet_to = self.quiet.span(begins)
            if quiet_from <= begins:
                begins = quiet_to
        return (begins - now).total_seconds()

    def narrow(self, outlook: Outlook) -> Outlook:
        """The outlook with no more slots than the campaign may use."""
        if self.max_concurrent is None:
            return outlook
        left, accounts = self.max_concurrent, []
        for account in outlook.accounts:
            slots = min(account.slots, left)
            left -= slots
            if slots:
                accounts.append(replace(account, slots=slots))
        return replace(outlook, accounts=accounts)

    def slow(self, found: Forecast, delay_s: float) -> Forecast:
        """The forecast of a campaign that begins after `delay_s` seconds."""
        assumes = list(found.assumes)
        if self.quiet is not None:
            assumes.append("quiet hours after the start are not counted")
        p50_s, p90_s = (None if end is None else end + delay_s for end in (found.p50_s, found.p90_s))
        return replace(found, p50_s=p50_s, p90_s=p90_s, assumes=assumes)


def pace_now(terms: Terms | None, stored: Pace) -> PlannedPace:
    """The pace with these terms; what they leave open is as stored."""
    quiet = None
    if stored.quiet_hours is not None and stored.quiet_zone is not None:
        with suppress(ValueError):  # a time zone that this machine does not know
            quiet = QuietHours.parse(stored.quiet_hours, stored.quiet_zone)
    found = PlannedPace(stored.start_at, quiet, stored.max_concurrent)
    if terms is None:
        return found
    given = terms.pace
    if given.start_at is not None:
        found = replace(found, start_at=given.start_at.value)
    if given.quiet is not None:
        found = replace(found, quiet=given.quiet.value)
    if given.max_concurrent is not None:
        found = replace(found, max_concurrent=given.max_concurrent.value)
    return found
