"""Learn how many slots a gateway allows, from the jobs that it had accepted when it answered "too many".

A refusal for lack of slots shows the limit, so there is no need to guess by halving. But some gateways refuse sporadic
requests whatever is in use. So a refusal counts only if most of a burst is refused, or all of it twice, or jobs beyond
a known limit. The limit may grow later, so more is tried soon: one job at first, twice as many after each success. If
the first one is refused again, the limit stays, and the next try comes after twice the time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

TRY_FIRST_S, TRY_CAP_S = 2.0, 64.0
MANY = 4


@dataclass(frozen=True, slots=True)
class SlotLimit:
    """The learnt limit. `slots` None: none is known, and the configured limit counts."""

    slots: int | None = None
    step: int = 1
    """How many more to try next; 1 after a refusal, then doubled."""
    wait_s: float = TRY_FIRST_S
    """Seconds to wait after a refusal before trying more."""

    def shows(self, generating: int, accepted: int, refused: int, in_a_row: int) -> bool:
        """Whether refusals were for lack of slots.

        `generating` jobs were running when, at one moment, `accepted` jobs were accepted and `refused` ones refused.
        `in_a_row` counts the moments with nothing but refusals, including this one.
        """
        if self.slots is not None and generating + accepted >= self.slots - self.step // 2:
            return True
        return in_a_row == 2 or (refused >= MANY and refused >= 2 * accepted)

    def refused(self, accepted: int, configured: int) -> SlotLimit:
        """The limit after an answer "too many" while `accepted` jobs were running; unchanged if none were."""
        if accepted < 1:
            return self
        least = min(accepted, self.allowed(configured))
        first_raise_failed = self.slots is not None and self.step == 2
        return SlotLimit(least, 1, min(self.wait_s * 2, TRY_CAP_S) if first_raise_failed else TRY_FIRST_S)

    def at_least(self, accepted: int, configured: int) -> SlotLimit:
        """The limit after `accepted` jobs were accepted: in a burst, some are accepted after the refusals."""
        if self.slots is None or accepted <= self.slots:
            return self
        return replace(self, slots=accepted) if accepted < configured else SlotLimit()

    def raised(self, configured: int) -> SlotLimit:
        """The limit after all slots were in use and nothing was refused for `quiet_s`: try some more."""
        if self.slots is None or self.slots + self.step >= configured:
            return SlotLimit()
        wait_s = self.wait_s if self.step == 1 else TRY_FIRST_S
        return SlotLimit(self.slots + self.step, self.step * 2, wait_s)

    @property
    def quiet_s(self) -> float:
        """Seconds without a change after which to try more."""
        return self.wait_s if self.step == 1 else TRY_FIRST_S

    def allowed(self, configured: int) -> int:
        """The number of jobs at once."""
        return configured if self.slots is None else min(self.slots, configured)
