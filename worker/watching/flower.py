"""`python -m worker.watching.flower …`: Flower as reelq runs it; every option of `celery flower` works here too.

It only watches: it is read-only, keeps its history on disk, and does not start open to other machines.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from flower import command
from flower.app import Flower, rewrite_handler
from flower.options import options
from flower.urls import settings as web_settings
from tornado.ioloop import IOLoop
from tornado.web import url

from seedance.problems import InvalidInput
from storage.logs.setup import set_up_logging
from storage.settings import Settings, load_settings
from worker.app import app
from worker.exposure import check_exposure
from worker.watching.configured import read_options
from worker.watching.pages import EveryQueue, GuardedMetrics, TaskWithJobs
from worker.watching.received_events import ReceivedEvents

log = logging.getLogger("reelq.flower")


def main(arguments: list[str]) -> int:
    """Run Flower until a signal; 2 if the configuration is wrong."""
    try:
        settings = load_settings()
        settings.require_broker()
        read_options(arguments)
        check_exposure(options)
        if options.persistent:
            _private(Path(options.db))
    except (InvalidInput, OSError, ValueError, KeyError) as exc:
        sys.stderr.write(f"reelq: {exc}\n")
        return 2
    try:
        command.extract_settings()
    except SystemExit:  # Flower has logged which option is wrong
        return 2
    web_settings["reelq_page"] = (settings.public_url or "").rstrip("/")
    set_up_logging(settings.log_format, settings.log_level)
    if not _serve(settings):
        return 2
    # Flower's threads wait for events that may never come; there is nothing left to save.
    logging.shutdown()
    os._exit(0)


def _private(path: Path) -> None:
    """Make the directory of the history, which only its owner may read: it is loaded as a pickle."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.umask(0o077)


def _serve(settings: Settings) -> bool:
    """Serve until a signal; False: it cannot listen, and has said why."""
    handlers: list[Any] = [url(r"/task/(.+)", TaskWithJobs), url(r"/broker", EveryQueue), (r"/metrics", GuardedMetrics)]
    if options.url_prefix:
        handlers = [rewrite_handler(item, options.url_prefix) for item in handlers]
    flower = Flower(capp=app, options=options, events=_events(), **web_settings)
    flower.add_handlers(r".*", handlers)

    def stop(*_: Any) -> None:
        flower.io_loop.add_callback_from_signal(flower.io_loop.stop)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        port = flower.start_http_server()
    except OSError as exc:
        where = options.unix_socket or f"{options.address or '*'}:{options.port}"
        sys.stderr.write(f"reelq: Flower cannot listen on {where}: {exc.strerror}\n")
        return False
    log.info("flower.serving address=%s port=%s format=%s", options.address or "*", port, settings.log_format)
    flower.start()
    flower.events.stop()  # saves the history
    return True


def _events() -> ReceivedEvents:
    """Receives events as Flower's options say."""
    return ReceivedEvents(
        app,
        IOLoop.current(),
        options.db,
        options.persistent,
        options.enable_events,
        options.state_save_interval,
        max_workers_in_memory=options.max_workers,
        max_tasks_in_memory=options.max_tasks,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
