"""What the workers have learnt of generation times, as this process knows it: read anew every few seconds."""

from __future__ import annotations

import logging
import threading
import time

from storage.database import Database, DatabaseUnavailable
from storage.jobs import durations
from storage.jobs.durations import Kind
from worker.polling.pacing import MIN_SAMPLE, Forecast

log = logging.getLogger("reelq.forecasts")

REFRESH_S = 10.0


class Forecasts:
    """Forecasts by kind of video. Any thread may ask; one of them reads, and the others go on with what is there."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._samples: dict[Kind, tuple[float, ...]] = {}
        self._made: dict[Kind, tuple[tuple[float, ...], Forecast]] = {}
        self._read_at: float | None = None
        self._reading = threading.Lock()

    def get(self, kind: Kind) -> Forecast | None:
        """The forecast for a kind; None while too few of it have been seen."""
        self._refresh()
        sample = self._samples.get(kind, ())
        if len(sample) < MIN_SAMPLE:
            return None
        made = self._made.get(kind)
        if made is None or made[0] != sample:
            made = self._made[kind] = (sample, Forecast(sample))
        return made[1]

    def _refresh(self) -> None:
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
