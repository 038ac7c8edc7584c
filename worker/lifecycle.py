"""Start and stop a worker process: its runtime, and a heartbeat every few seconds."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

from celery import signals

from seedance.problems import InvalidInput
from storage import heartbeats
from storage.broker import BrokerUnfit
from storage.bucket.requests import StoreUnavailable
from storage.database import DatabaseUnavailable
from storage.outages import Outage
from storage.revisions import too_old
from storage.settings import load_settings
from worker import runtime
from worker.alive import loop_answers, show_alive
from worker.broker import check_broker
from worker.ending import end_in_time, stop_limit_s
from worker.failpoints import failpoint
from worker.garbage import OFTEN, SELDOM, spare_loaded
from worker.leaving import LEAVE
from worker.runtime import Runtime

log = logging.getLogger("reelq.lifecycle")

HEARTBEAT_S = 3.0
DRAIN_COPIES_S = 10.0


@signals.worker_init.connect
def start(**_: Any) -> None:
    """Create the runtime. The threads pool has no child processes, so this process runs the tasks."""
    try:
        settings = load_settings()
        for account in settings.accounts:
            account.key()
        check_broker(settings)
        made = Runtime(settings)
        with suppress(DatabaseUnavailable), made.database.begin() as conn:  # a database that is down is waited for
            if (unfit := too_old(conn)) is not None:
                sys.exit(f"reelq: {unfit}")
        runtime.install(made)
        end_in_time(made.stopping, lambda: stop_limit_s(settings, made.queues))
    except (InvalidInput, DatabaseUnavailable, BrokerUnfit) as exc:
        sys.exit(f"reelq: {exc}")
    failpoint("lifecycle.after_start")


@signals.worker_ready.connect
def announce(sender: Any, **_: Any) -> None:
    """Record heartbeats for the queues that this worker consumes, from now on."""
    queues = sorted(sender.app.amqp.queues.consume_from)
    runtime.current().queues = frozenset(queues)
    threading.Thread(target=_beat, args=(runtime.current(), queues), name="reelq-heartbeat", daemon=True).start()
    prepare = threading.Thread(target=_prepare, args=(runtime.current(),), name="reelq-prepare", daemon=True)
    prepare.start()


def _prepare(running: Runtime) -> None:
    """Load certificates and the store's client, which takes half a second, and learn where the bucket is, so that the
    first copies and links need not wait for it. Then all is loaded that a worker needs."""
    try:
        running.outbound.authorities.context()
        if not running.queues.isdisjoint({"submit", "transfer"}):
            running.objects.check_bucket()
    except StoreUnavailable as exc:
        log.warning("prepare.no_store error=%s", exc)
    finally:
        spare_loaded(OFTEN if "transfer" in running.queues else SELDOM)


def _beat(running: Runtime, queues: list[str]) -> None:
    instance = heartbeats.own_instance()
    outage = Outage(log, "database", "what was begun is written when it answers; `reelq doctor` says what to do")
    while True:
        try:
            with running.database.begin() as conn:
                if (unfit := too_old(conn)) is not None:
                    log.error("schema.too_new error=%s", unfit)
                    os.kill(os.getpid(), signal.SIGTERM)  # as a supervisor stops it: it takes no new message
                    return
                for queue in queues:
                    heartbeats.beat(conn, queue, instance)
                running.live.refresh(conn)
            outage.works()
        except DatabaseUnavailable as exc:
            outage.fails(exc)
        except Exception:
            log.exception("heartbeat.missed")  # the thread must go on: without it, a supervisor restarts the worker
        if running.stopping.wait(HEARTBEAT_S):
            return
        if loop_answers(running):  # also without a database: a restart would not bring it back
            show_alive(running.settings.alive_file)


@signals.worker_shutting_down.connect
def drain(**_: Any) -> None:
    """The process was asked to stop: take no new message, and finish or release running work within a time limit.

    A signal handler calls this. A second signal may come at any point, also in the middle of the first call or after
    the end of the runtime; it changes nothing.
    """
    if not LEAVE.begun:
        LEAVE.begin()
        runtime.current().drain(DRAIN_COPIES_S)


@signals.worker_shutdown.connect
def stop(**_: Any) -> None:
    """All tasks are done: close connections and stop the loop."""
    failpoint("lifecycle.before_close")
    runtime.current().close()
    runtime.install(None)
