"""A generated video on its way into the bucket: its row, and what is already stored."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seedance.link_expiry import URGENT_SHARE
from storage.bucket.object_headers import readable_name
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.shown.provenance import Provenance
from worker.transferring.own_origin import OwnOrigin
from worker.transferring.upload import Stored

_NETLOC = re.compile(r"\s*[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Video:
    """A leased job in `transferring`.

    `own`: the gateway of its account; None: the account is no longer configured, so no fresh link can be asked for.
    """

    work: Work
    facts: Provenance
    own: OwnOrigin | None = None

    @property
    def stored(self) -> Stored | None:
        """The video, if an earlier lease stored it and only companions are missing; usually None."""
        facts = self.facts
        if facts.object_key is None or facts.size_bytes is None or facts.sha256 is None:
            return None
        return Stored(facts.object_key, facts.size_bytes, facts.sha256, facts.video_format)

    @property
    def filename(self) -> str:
        """The name of its files for people, without a suffix."""
        work = self.work
        return readable_name(work.id, work.campaign, self.facts.idempotency_key, str(work.request.get("prompt", "")))

    @property
    def host(self) -> str:
        """The host and port of its link; hosts share the capacity of a process."""
        return host_and_port(self.work.video_url or "")

    @property
    def must_ask_first(self) -> bool:
        """Whether its link is dead, and the gateway has not just answered that it has no other."""
        left_s = self.work.expires_in_s
        dead = left_s is not None and left_s <= 0
        return dead and self.own is not None and self.work.reason != Reason.NO_FRESH_LINK

    @property
    def urgent(self) -> bool:
        """Whether its link expires soon."""
        left_s = self.work.expires_in_s
        if left_s is None:
            return False
        return left_s < URGENT_SHARE * ((self.work.generated_age_s or 0.0) + left_s)


def host_and_port(url: str) -> str:
    """The host and port of a URL; "" if it has none."""
    found = _NETLOC.match(url)
    return "" if found is None else found[1]
