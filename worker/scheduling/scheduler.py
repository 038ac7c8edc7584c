"""Celery beat that claims due jobs. Two schedulers at once are harmless: each job is leased to one of them.

Between two ticks it waits for hints, and claims what they say is due; see `storage.waking.hints`.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from celery.beat import ScheduleEntry, Scheduler
from celery.signals import beat_init
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from seedance.problems import InvalidInput
from storage import heartbeats
from storage.broker import BrokerUnfit, explained
from storage.bucket.objects import Objects
from storage.database import PROMPT, Database, DatabaseUnavailable, LocksHeld
from storage.outages import Outage
from storage.revisions import too_old
from storage.settings import Settings, load_settings
from storage.waking.hints import Due
from worker.alive import show_alive
from worker.broker import check_broker
from worker.failpoints import failpoint
from worker.garbage import spare_loaded
from worker.scheduling.dispatch import Dispatcher
from worker.scheduling.hinted import HintedWait, Pace
from worker.scheduling.maintenance import due_tasks, spare_accounts
from worker.scheduling.restores import RestoreWatch
from worker.scheduling.stopping import stop_by_signals

log = logging.getLogger("reelq.scheduler")

HEARTBEAT_S = 3.0
SEEN_S = 10.0
"""A worker that was not seen for as long is gone: its heartbeats are three seconds apart."""
DATABASE_CONNECTIONS = 3
ADVICE = "new work waits until it answers; `reelq doctor` says what to do"
LIMITS = replace(PROMPT, lock_s=2.0)
"""A tick does not wait long for what is locked: the next one tries again."""


class DueScheduler(Scheduler):
    """A beat scheduler whose tick claims and sends due jobs, then runs the ordinary periodic entries."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            self.settings: Settings = load_settings()
            check_broker(self.settings)
            self.database = Database(
                self.settings.require_database_url(),
                name="reelq scheduler",
                size=DATABASE_CONNECTIONS,
                wait_s=5.0,
                limits=LIMITS,
                prepared=self.settings.database_prepared_statements,
            )
            with suppress(DatabaseUnavailable):  # a database that is down is waited for
                if (unfit := self._unfit()) is not None:
                    sys.exit(f"reelq: {unfit}")
        except (InvalidInput, DatabaseUnavailable, BrokerUnfit) as exc:
            sys.exit(f"reelq: {exc}")
        self._beaten_at = self._shown_at = self._fit_at = -math.inf
        self._works = False
        self._database_outage, self._broker_outage = Outage(log, "database", ADVICE), Outage(log, "broker", ADVICE)
        self._hints, self._pace = HintedWait(self.settings.require_broker()), Pace()
        self._restores = RestoreWatch(self.database, Objects(self.settings))
        self._instance = heartbeats.own_instance()
        beat_init.connect(stop_by_signals)
        super().__init__(*args, **kwargs)
        self.dispatcher = Dispatcher(self.app, self.settings, self.database)
        spare_loaded()

    def setup_schedule(self) -> None:
        """Use no schedule file: everything that must survive is in the database."""
        self.install_default_entries({})
        self.update_from_dict(self.app.conf.beat_schedule)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Run one round and wait until the next one, which may begin at once. Never raises: an exception from a tick
        would end the process. Only a schema that needs a newer program ends it."""
        wait_s = self.settings.tick_seconds
        self._works = False
        with self._going_on():
            self._works = self._round()
            # beat runs one entry per call and returns 0 for "call again", so its wait can only shorten ours.
            wait_s = min(float(super().tick(*args, **kwargs)), wait_s)
        self._show_alive()
        self._wait(wait_s)
        return 0.0

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        try:
            yield
            self._database_outage.works()
            self._broker_outage.works()
        except DatabaseUnavailable as exc:
            self._database_outage.fails(exc)
            self._restores.doubt()
        except BrokerError as exc:
            cause = exc.__cause__ if isinstance(exc.__cause__, Exception) else exc
            self._broker_outage.fails(explained(cause, self.settings.require_broker()))
        except Exception:
            log.exception("tick.failed")

    def _wait(self, seconds: float) -> None:
        """Wait; until then, claim what the last round left, and what hints say is due."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            # After a failure only the next tick tries again.
            paused_until = self._pace.next_at if self._works else math.inf
            if now < paused_until:
                time.sleep(min(until, paused_until) - now)
                continue
            self._works = False
            with self._going_on():
                more = frozenset(self.dispatcher.more)
                queues = more | self._hints.wait(0.0 if more else until - now) & self.dispatcher.awaited
                began = time.monotonic()
                if queues:
                    self.dispatcher.run(self._restores.may_submit, queues)
                note = self._pace.note_more if more else self._pace.note
                note(began, time.monotonic())
                self._works = True

    def _show_alive(self) -> None:
        """Ticks go on, with or without the servers: a restart would not bring these back."""
        if time.monotonic() - self._shown_at > HEARTBEAT_S:
            show_alive(self.settings.alive_file)
            self._shown_at = time.monotonic()

    # Do not open beat's own connection: it waits for the broker for ever and would block the maintenance.
    producer = None

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send a periodic task; if it cannot be sent, skip it until its next time."""
        try:
            producer = self.dispatcher.open_producer()
        except (BrokerError, RedisError, OSError) as exc:
            log.warning("tick.not_sent entry=%s error=%s", entry.name, exc)
            return
        super().apply_entry(entry, producer=producer)

    def _round(self) -> bool:
        """Do all that is due; returns whether jobs may be moved at all."""
        if time.monotonic() - self._fit_at > HEARTBEAT_S:
            if (unfit := self._unfit()) is not None:
                log.error("schema.too_new error=%s", unfit)
                sys.exit()  # beat ends as on Ctrl-C
            self._fit_at = time.monotonic()
        if not self._restores.may_run():
            return False
        # Maintenance comes first and needs no broker, so that a broker that is down does not hold it up.
        with self.database.begin() as conn:
            tasks = due_tasks(conn)
        for task in tasks:
            try:
                with self.database.begin() as conn:
                    task(conn, self.dispatcher.live.current)
            except LocksHeld as exc:  # by a process that hangs, or by a person's session; the other tasks go on
                log.warning("tick.locks_held error=%s", exc)
            except DatabaseUnavailable:
                raise
            except Exception:  # the other tasks go on, and so do claims
                log.exception("tick.task_failed")
        self._database_outage.works()  # whatever the broker does
        failpoint("scheduler.after_maintenance")
        if time.monotonic() - self._beaten_at > HEARTBEAT_S:
            with self.database.begin() as conn:
                heartbeats.beat(conn, "scheduler", self._instance)
                self._restores.advance(conn)
                self.dispatcher.live.refresh(conn)
                self.dispatcher.submitters = heartbeats.count_fresh(conn, Due.SUBMIT, SEEN_S)
                self.dispatcher.copiers = heartbeats.count_fresh(conn, Due.TRANSFER, SEEN_S)
            self._beaten_at = time.monotonic()
            self._drop_spare_accounts()
        self.dispatcher.run(self._restores.may_submit)
        return True

    def _unfit(self) -> str | None:
        with self.database.begin() as conn:
            return too_old(conn)

    def _drop_spare_accounts(self) -> None:
        settings = self.dispatcher.live.current
        if not (settings.book.retired_keys or settings.book.removing):
            return
        try:
            with self.database.begin() as conn:
                if spare_accounts(conn, settings):
                    self.dispatcher.live.refresh(conn)
        except LocksHeld as exc:
            log.warning("tick.locks_held error=%s", exc)

    def close(self) -> None:
        super().close()
        self._hints.close()
        self.dispatcher.close()
        self.database.close()
