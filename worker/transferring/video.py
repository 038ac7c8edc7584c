"""A generated video on its way into the bucket: what its row says, and how much of it is done."""

from __future__ import annotations

from dataclasses import dataclass

from seedance.link_expiry import URGENT_SHARE
from storage.jobs.provenance import Provenance
from storage.jobs.records import Work
from worker.transferring.upload import Stored


@dataclass(frozen=True, slots=True)
class Video:
    """A leased job in `transferring`. `trusted_host` is the host of the account's own address, if it has one."""

    work: Work
    facts: Provenance
    trusted_host: str | None = None

    @property
    def stored(self) -> Stored | None:
        """The video as an earlier lease stored it, when only something beside it is missing; None as a rule."""
        facts = self.facts
        if facts.object_key is None or facts.size_bytes is None or facts.sha256 is None:
            return None
        return Stored(facts.object_key, facts.size_bytes, facts.sha256)

    @property
    def urgent(self) -> bool:
        """Whether its URL dies soon."""
        left_s = self.work.expires_in_s
        if left_s is None:
            return False
        return left_s < URGENT_SHARE * ((self.work.generated_age_s or 0.0) + left_s)
