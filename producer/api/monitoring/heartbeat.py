"""The heartbeat of an API process, so that `reelq doctor` knows which versions run."""

from __future__ import annotations

import logging
from threading import Event, Thread

from storage import heartbeats
from storage.database import Database, DatabaseUnavailable
from storage.outages import Outage

log = logging.getLogger("reelq.api")

EVERY_S = 10.0


class Heartbeat:
    """A thread that records the process every few seconds, from `start` to `stop`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stopping = Event()

    def start(self) -> None:
        """Begin. The thread is a daemon: a database that hangs must not hold up the end of the process."""
        Thread(target=self._run, name="api-heartbeat", daemon=True).start()

    def stop(self) -> None:
        """End, without waiting for a beat that is under way."""
        self._stopping.set()

    def _run(self) -> None:
        instance = heartbeats.own_instance()
        outage = Outage(log, "database", "requests that need it fail until it answers; `reelq doctor` says what to do")
        while not self._stopping.is_set():
            try:
                with self._database.begin() as conn:
                    heartbeats.beat(conn, heartbeats.API, instance)
                outage.works()
            except DatabaseUnavailable as exc:
                outage.fails(exc)
            except Exception:
                log.exception("heartbeat.missed")  # the thread must go on
            self._stopping.wait(EVERY_S)
