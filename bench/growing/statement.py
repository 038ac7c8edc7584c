"""One thing to measure, and the names that the rows of the benchmark have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from storage.database import Connection

TENANT, BIG_CAMPAIGN, SMALL_CAMPAIGN = "t0", "campaign 0", "campaign 200"
Kind = Literal["tick", "claim", "duty", "sweep", "page"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing to measure. A tick is several transactions, of which those of one step run side by side; everything
    else is one."""

    kind: Kind
    name: str
    steps: tuple[tuple[Callable[[Connection], object], ...], ...]
