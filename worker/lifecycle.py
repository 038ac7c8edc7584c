"""What happens when a worker process starts and stops: the runtime, and a sign of life every few seconds."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from typing import Any

from celery import signals

from seedance.problems import InvalidInput
from storage import heartbeats
from storage.broker import BrokerUnfit
from storage.bucket.objects import StoreUnavailable
from storage.database import DatabaseUnavailable
from storage.settings import load_settings
from worker import runtime
from worker.broker import check_broker
from worker.failpoints import failpoint
from worker.runtime import Runtime

log = logging.getLogger("reelq.lifecycle")

HEARTBEAT_S = 3.0
DRAIN_COPIES_S = 10.0


@signals.worker_init.connect
def start(**_: Any) -> None:
    """Make the runtime. The threads pool has no child processes, so this is the process that works."""
    try:
        settings = load_settings()
        for account in settings.accounts:
            account.key()
        check_broker(settings)
        runtime.install(Runtime(settings))
    except (InvalidInput, DatabaseUnavailable, BrokerUnfit) as exc:
        sys.exit(f"reelq: {exc}")
    failpoint("lifecycle.after_start")


@signals.worker_ready.connect
def announce(sender: Any, **_: Any) -> None:
    """Say from now on that the queues this worker consumes are served."""
    queues = sorted(sender.app.amqp.queues.consume_from)
    threading.Thread(target=_beat, args=(runtime.current(), queues), name="reelq-heartbeat", daemon=True).start()
    if "transfer" in queues:
        threading.Thread(target=_prepare, args=(runtime.current(),), name="reelq-prepare", daemon=True).start()


def _prepare(running: Runtime) -> None:
    """What the first copies would otherwise wait for: the store's client takes half a second to load."""
    try:
        running.objects.ensure_bucket()
    except StoreUnavailable as exc:
        log.warning("prepare.no_store error=%s", exc)


def _beat(running: Runtime, queues: list[str]) -> None:
    instance = f"{socket.gethostname()}:{os.getpid()}"
    while True:
        try:
            with running.database.begin() as conn:
                for queue in queues:
                    heartbeats.beat(conn, queue, instance)
        except DatabaseUnavailable as exc:
            log.warning("heartbeat.missed error=%s", exc)
        if running.stopping.wait(HEARTBEAT_S):
            return


@signals.worker_shutting_down.connect
def drain(**_: Any) -> None:
    """Told to stop: no new message is taken, and what is in hand is finished or given back within a bound."""
    runtime.current().drain(DRAIN_COPIES_S)


@signals.worker_shutdown.connect
def stop(**_: Any) -> None:
    """Tasks are done by now: close connections and stop the loop."""
    failpoint("lifecycle.before_close")
    runtime.current().close()
    runtime.install(None)
