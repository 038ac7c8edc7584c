"""A generated video on its way into the bucket: what its row says, and how much of it is done."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from seedance.link_expiry import URGENT_SHARE
from storage.jobs.provenance import Provenance
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from worker.transferring.upload import Stored


@dataclass(frozen=True, slots=True)
class Video:
    """A leased job in `transferring`. `trusted_host` is the host of the account's own address, if it has one;
    `has_account`: its account is configured, so that its gateway can be asked for a fresh link."""

    work: Work
    facts: Provenance
    trusted_host: str | None = None
    has_account: bool = True

    @property
    def stored(self) -> Stored | None:
        """The video as an earlier lease stored it, when only something beside it is missing; None as a rule."""
        facts = self.facts
        if facts.object_key is None or facts.size_bytes is None or facts.sha256 is None:
            return None
        return Stored(facts.object_key, facts.size_bytes, facts.sha256)

    @property
    def host(self) -> str:
        """Where its link leads, as hosts share what a process copies at once."""
        return host_and_port(self.work.video_url or "")

    @property
    def must_ask_first(self) -> bool:
        """Whether its link is dead, and the gateway has not just said that it has no other."""
        left_s = self.work.expires_in_s
        dead = left_s is not None and left_s <= 0
        return dead and self.has_account and self.work.reason != Reason.NO_FRESH_LINK

    @property
    def urgent(self) -> bool:
        """Whether its URL dies soon."""
        left_s = self.work.expires_in_s
        if left_s is None:
            return False
        return left_s < URGENT_SHARE * ((self.work.generated_age_s or 0.0) + left_s)


def host_and_port(url: str) -> str:
    """The source host of a link; "" where it has none."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""
