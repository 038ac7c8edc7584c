"""How many rows of each kind a database of the growth benchmark holds."""

from __future__ import annotations

from dataclasses import dataclass

TENANTS, ACCOUNTS, CAMPAIGNS = 200, 50, 1_000
"""The same at every size: a cost that grows with these is not a cost that grows with the rows."""
DAYS = 90


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rows. `ended` lie within the last `DAYS` days; `receivers` have one message each that is not due."""

    ended: int
    queued: int
    generating: int
    transferring: int
    receivers: int

    @property
    def jobs(self) -> int:
        """All rows of `jobs`."""
        return self.ended + self.queued + self.generating + self.transferring


WHOLE = Sizes(ended=10_000_000, queued=1_000_000, generating=100_000, transferring=200_000, receivers=20_000)


def scaled(history: float, live: float) -> Sizes:
    """`WHOLE`, with this share of its ended jobs and this share of its other rows."""
    return Sizes(
        ended=round(WHOLE.ended * history),
        queued=round(WHOLE.queued * live),
        generating=round(WHOLE.generating * live),
        transferring=round(WHOLE.transferring * live),
        receivers=round(WHOLE.receivers * live),
    )


REFERENCE = scaled(0.0088, 0.0088)
"""100,000 jobs: what the costs are compared with."""
