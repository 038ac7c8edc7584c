"""Where looks for due jobs begin: behind what dead jobs have left in the index of due times.

A poll changes the due time of its job twice, and each time an entry stays behind that lies before all live ones.
PostgreSQL removes such entries as it reads them, but not while a transaction is open that began before, such as that of
a dump. Then each look would read all of them again: a million take 0.25 s. So a look begins where the last one found
the first due job.

What becomes due before that, because another program wrote it or its transaction was slow to commit, is found by the
next look that begins at the beginning. While such looks are quick, all do; else they take a hundredth of the time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import datetime, timedelta

KINDS = ("transfers", "polls", "messages")
"""What is due very often."""
BEGINNING = "-infinity"
QUICK_S = 0.02
SHARE = 100
BACK = timedelta(seconds=2)
"""A look begins this long before the first due job of the last one: a transaction that made a job due may have been
open."""


class DueStarts:
    """The due times from which one scheduler looks."""

    def __init__(self) -> None:
        self._since = dict.fromkeys(KINDS, BEGINNING)
        self._whole_at = -math.inf
        """When to look from the beginning again (`time.monotonic`)."""
        self._took_s = 0.0
        self._began = 0.0
        self._is_whole = True

    def begin(self) -> Mapping[str, str]:
        """Begin a look: from which due time on, for each of `KINDS`, as PostgreSQL reads it."""
        self._began = time.monotonic()
        self._is_whole = self._began >= self._whole_at
        return dict.fromkeys(KINDS, BEGINNING) if self._is_whole else self._since

    def end(self, first: Mapping[str, datetime | None], now: datetime) -> None:
        """Note the first due time of each of `KINDS` that was found (None: nothing is due), and the database's time."""
        self._since = {kind: (min(first[kind] or now, now) - BACK).isoformat() for kind in KINDS}
        if self._is_whole:
            ended = time.monotonic()
            before, self._took_s = self._took_s, ended - self._began
            takes_s = min(before, self._took_s)  # a single slow one may have waited for a core
            self._whole_at = ended + SHARE * takes_s if takes_s > QUICK_S else -math.inf
