"""The generation times that the workers have recorded, read again every few seconds."""

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
    """Forecasts by kind of video. Any thread may use it: one of them reads, the others use the last values."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._samples: dict[Kind, tuple[float, ...]] = {}
        self._cached: dict[Kind, tuple[tuple[float, ...], Forecast]] = {}
        self._read_at: float | None = None
        self._reading = threading.Lock()

    def get(self, kind: Kind) -> Forecast | None:
        """The forecast for a kind as of the last `refresh`; None until enough of it have been seen."""
        sample = self._samples.get(kind, ())
        if len(sample) < MIN_SAMPLE:
            return None
        cached = self._cached.get(kind)
        if cached is None or cached[0] != sample:
            cached = self._cached[kind] = (sample, Forecast(sample))
        return cached[1]

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
