"""How many slots of an account its gateway seems to allow: learnt from what it had accepted when it said "too many".

A refusal shows the limit, so there is nothing to be guessed by halving, if it was the slots that it was for: some
gateways refuse now and then whatever is in use. So most of what was sent must be refused, or all of it twice, or what
was tried beyond a limit that is known. The limit may have grown since, so more is tried soon: with one job at first,
and with twice as many each time that nobody objects. Where the first one is refused again, the limit is as it was, and
the next try comes only after twice the time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

TRY_FIRST_S, TRY_CAP_S = 2.0, 64.0
MANY = 4


@dataclass(frozen=True, slots=True)
class SlotLimit:
    """What is known of one account. `slots` None: no more is known than what is configured."""

    slots: int | None = None
    step: int = 1
    """So many more are tried next; 1 after a refusal, then doubled."""
    wait_s: float = TRY_FIRST_S
    """So many seconds after a refusal."""

    def shows(self, generating: int, accepted: int, refused: int, in_a_row: int) -> bool:
        """Whether refusals were for the slots: so many refused and so many accepted at one moment, beside so many that
        generate; `in_a_row`: moments with refusals alone, this one included."""
        if self.slots is not None and generating + accepted >= self.slots - self.step // 2:
            return True
        return in_a_row == 2 or (refused >= MANY and refused >= 2 * accepted)

    def refused(self, accepted: int, configured: int) -> SlotLimit:
        """The gateway said "too many" while so many jobs that it has accepted were not known to have ended. With none
        that tells nothing."""
        if accepted < 1:
            return self
        least = min(accepted, self.allowed(configured))
        tried_in_vain = self.slots is not None and self.step == 2
        return SlotLimit(least, 1, min(self.wait_s * 2, TRY_CAP_S) if tried_in_vain else TRY_FIRST_S)

    def at_least(self, accepted: int, configured: int) -> SlotLimit:
        """It has accepted so many: those of a burst may come after the refusals of it."""
        if self.slots is None or accepted <= self.slots:
            return self
        return replace(self, slots=accepted) if accepted < configured else SlotLimit()

    def raised(self, configured: int) -> SlotLimit:
        """All slots are in use, and nothing was refused for `quiet_s`: try some more."""
        if self.slots is None or self.slots + self.step >= configured:
            return SlotLimit()
        wait_s = self.wait_s if self.step == 1 else TRY_FIRST_S
        return SlotLimit(self.slots + self.step, self.step * 2, wait_s)

    @property
    def quiet_s(self) -> float:
        """Seconds without a change after which more is tried."""
        return self.wait_s if self.step == 1 else TRY_FIRST_S

    def allowed(self, configured: int) -> int:
        """Jobs at once."""
        return configured if self.slots is None else min(self.slots, configured)
