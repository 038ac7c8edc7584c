"""When videos of each kind will be finished: from what this process sees of its own tasks, and until it has seen
enough, from the generation times in the database, read again every few seconds."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Sequence

from storage.database import Database, DatabaseUnavailable
from storage.jobs import durations
from storage.jobs.durations import KEPT, Kind
from worker.polling.lifetimes import Lifetimes
from worker.polling.pacing import MIN_SAMPLE, Forecast

log = logging.getLogger("reelq.forecasts")

REFRESH_S = 10.0
OWN_S = 600.0
"""When this process has polled no task of a kind for this long, others may know better."""
MOST_KINDS = 500
_SOONEST, _LATEST, _SHARE = 8.0, 96.0, 0.25
"""A forecast is made again after as many finished videos, or after this share of those that it knew."""
_ALIVE = 0.25
"""How much a task that is not finished counts beside one that is."""


class Learning:
    """What is learnt of one kind from a process's own polls."""

    def __init__(self, sample: Sequence[float] = ()) -> None:
        """`sample`: recent generation times in seconds, of which others know."""
        self.lifetimes = Lifetimes()
        for seconds in sample:
            self.lifetimes.add(seconds, 0.0)
        self.forecast: Forecast | None = None
        self.noted_at = time.monotonic()
        self._left = _SOONEST

    def note(
        self,
        seen_s: float | None,
        age_s: float,
        *,
        finished: bool,
        now: float | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Count one look at a task; as `Forecasts.note`. `now`: on the monotonic clock."""
        self.noted_at = time.monotonic() if now is None else now
        if finished:
            self.lifetimes.note_end(seen_s, age_s, (rng or random).random(), self.noted_at)
        else:
            self.lifetimes.note_alive(seen_s, age_s, self.noted_at)
        self._left -= 1.0 if finished else _ALIVE
        if self._left <= 0:
            ends = self.lifetimes.ends
            self._left = min(max(_SOONEST, ends * _SHARE), _LATEST)
            self.forecast = Forecast(*self.lifetimes.sample(), KEPT)


class Forecasts:
    """Forecasts by kind of video. Notes are taken on the event loop; any thread may ask for forecasts and refresh
    them: one thread reads, the others use the last values."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._own: dict[Kind, Learning] = {}
        self._samples: dict[Kind, tuple[float, ...]] = {}
        self._cached: dict[Kind, tuple[tuple[float, ...], Forecast]] = {}
        self._read_at: float | None = None
        self._reading = threading.Lock()

    def get(self, kind: Kind) -> Forecast | None:
        """The forecast for a kind; None while nothing is known."""
        own = self._own.get(kind)
        if own is not None and own.forecast is not None and time.monotonic() - own.noted_at < OWN_S:
            return own.forecast
        sample = self._samples.get(kind, ())
        if len(sample) < MIN_SAMPLE:
            return None
        cached = self._cached.get(kind)
        if cached is None or cached[0] != sample:
            cached = self._cached[kind] = (sample, Forecast(sample))
        return cached[1]

    def note(self, kind: Kind, seen_s: float | None, age_s: float, *, finished: bool) -> None:
        """A task of this kind was found finished, or not, at an age in seconds. `seen_s`: the age at which it was found
        unfinished before that, None: it never was."""
        own = self._own.get(kind)
        if own is None or time.monotonic() - own.noted_at > OWN_S:
            if own is None and len(self._own) >= MOST_KINDS:
                del self._own[min(self._own, key=lambda known: self._own[known].noted_at)]
            own = self._own[kind] = Learning(self._samples.get(kind, ()))
        own.note(seen_s, age_s, finished=finished)

    def refresh(self) -> None:
        """Read the generation times again if the last ones are old. Not on the event loop."""
        due = self._read_at is None or time.monotonic() - self._read_at > REFRESH_S
        if not due or not self._reading.acquire(blocking=False):
            return
        try:
            with self._database.begin() as conn:
                self._samples = durations.samples(conn)
        except DatabaseUnavailable as exc:
            log.warning("forecasts.not_read error=%s", exc)
        finally:
            self._read_at = time.monotonic()
            self._reading.release()
