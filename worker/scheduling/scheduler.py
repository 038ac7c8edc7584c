"""Celery beat as the claimer of due jobs. Two at once are harmless: a job is leased to one of them."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from dataclasses import replace
from typing import Any

from celery.beat import ScheduleEntry, Scheduler
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from seedance.problems import InvalidInput
from storage import heartbeats
from storage.broker import BrokerUnfit
from storage.database import PROMPT, Database, DatabaseUnavailable, LocksHeld
from storage.settings import Settings, load_settings
from worker.broker import check_broker
from worker.failpoints import failpoint
from worker.scheduling.dispatch import Dispatcher
from worker.scheduling.maintenance import MAINTENANCE

log = logging.getLogger("reelq.scheduler")

HEARTBEAT_S = 3.0
LIMITS = replace(PROMPT, lock_s=2.0)
"""A tick does not wait long for what is locked: the next one tries again."""


class DueScheduler(Scheduler):
    """A beat scheduler whose tick claims due jobs and sends them, and then runs the ordinary periodic entries."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            self.settings: Settings = load_settings()
            check_broker(self.settings)
            self.database = Database(
                self.settings.require_database_url(),
                name="reelq scheduler",
                size=2,
                wait_s=5.0,
                limits=LIMITS,
                prepared=self.settings.database_prepared_statements,
            )
        except (InvalidInput, DatabaseUnavailable, BrokerUnfit) as exc:
            sys.exit(f"reelq: {exc}")
        self._beaten_at = 0.0
        self._instance = f"{socket.gethostname()}:{os.getpid()}"
        super().__init__(*args, **kwargs)
        self.dispatcher = Dispatcher(self.app, self.settings, self.database)

    def setup_schedule(self) -> None:
        """There is no schedule file: what must survive is in the database."""
        self.install_default_entries({})
        self.update_from_dict(self.app.conf.beat_schedule)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """One round; gives the seconds to sleep. Never raises: what beat's tick raises ends the process."""
        tick_s = self.settings.tick_seconds
        try:
            self._round()
            # beat runs one entry a call and answers 0 for "again", so its wait only ever shortens ours.
            return min(float(super().tick(*args, **kwargs)), tick_s)
        except DatabaseUnavailable as exc:
            log.warning("tick.no_database error=%s", exc)
        except BrokerError as exc:
            log.warning("tick.no_broker error=%s", exc)
        except Exception:
            log.exception("tick.failed")
        return tick_s

    # beat's own connection waits for its broker for ever, and no duty would be done meanwhile.
    producer = None

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send a periodic task; one that cannot be sent is left out until its next time."""
        try:
            producer = self.dispatcher.open_producer()
        except (BrokerError, RedisError, OSError) as exc:
            log.warning("tick.not_sent entry=%s error=%s", entry.name, exc)
            return
        super().apply_entry(entry, producer=producer)

    def _round(self) -> None:
        # The duties come first and need no broker, so that a broker that is down does not hold them up.
        for duty in MAINTENANCE:
            try:
                with self.database.begin() as conn:
                    duty(conn, self.settings)
            except LocksHeld as exc:  # by a process that stands still, or by a person's session; the others go on
                log.warning("tick.locks_held error=%s", exc)
        failpoint("scheduler.after_maintenance")
        if time.monotonic() - self._beaten_at > HEARTBEAT_S:
            with self.database.begin() as conn:
                heartbeats.beat(conn, "scheduler", self._instance)
            self._beaten_at = time.monotonic()
        self.dispatcher.run()

    def close(self) -> None:
        super().close()
        self.dispatcher.close()
        self.database.close()
