"""The server. It does not listen where other machines can reach it until there is a key."""

from __future__ import annotations

import argparse
import gc
import sys
from contextlib import suppress

import uvicorn

from producer.api.app import create_app
from producer.http.doors.guard import check_bind
from producer.http.server import allow_many_files, server_config
from seedance.problems import InvalidInput
from storage.database import DatabaseUnavailable
from storage.logs.sentry import set_up_sentry
from storage.logs.setup import set_up_logging
from storage.settings import load_settings
from storage.tracing.spans import set_up_tracing


def main() -> int:
    """Serve until a signal; 2 if the configuration is wrong."""
    parser = argparse.ArgumentParser(prog="python -m producer.api")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    try:
        settings = load_settings()
        set_up_logging(settings.log_format, settings.log_level)
        set_up_tracing("api")
        set_up_sentry("api")
        check_bind(arguments.host, settings)
        app = create_app(settings, arguments.host)
    except (InvalidInput, DatabaseUnavailable) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    allow_many_files()
    server = uvicorn.Server(server_config(app, arguments.host, arguments.port))
    gc.freeze()  # the application stays; see `__main__`
    gc.enable()
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else 3
