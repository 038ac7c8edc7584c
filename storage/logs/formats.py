"""Write a record as a line: JSON for programs, or `name=value` for people. The fields and their order are the same."""

from __future__ import annotations

import logging
import time
from functools import lru_cache
from typing import Any

import orjson

from storage.logs.context import JOB, fields_now
from storage.logs.events import read
from storage.logs.privacy import clean

_SAFE = frozenset({"timestamp", "level", "logger", "job_id", "request_id", "celery_task", "attempt"})
"""Fields that we make ourselves."""


def fields_of(record: logging.LogRecord, error: str | None) -> dict[str, Any]:
    """Everything that a line says, in order. `error`: its traceback, None if it has none."""
    line = read(record)
    found: dict[str, Any] = {
        "timestamp": f"{_second(int(record.created))}.{int(record.msecs):03}Z",
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": clean(line.event),
    }
    for name, value in {**fields_now(), **getattr(record, JOB, {}), **line.fields}.items():
        found[name] = clean(value) if type(value) is str and name not in _SAFE else value
    if line.detail is not None:
        found["detail"] = clean(line.detail)
    if error:
        found["exception"] = clean(error)
    return found


@lru_cache(maxsize=4)
def _second(unix_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix_s))


class _Lines(logging.Formatter):
    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        return fields_of(record, record.exc_text)


class JsonLines(_Lines):
    """One JSON object per line, with the names that structlog's JSON has: `timestamp`, `level`, `logger`, `event`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return orjson.dumps(self._fields(record), default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class ConsoleLines(_Lines):
    """One line for people; only a traceback takes more."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        found = self._fields(record)
        head = f"{found.pop('timestamp')} {found.pop('level'):<8}{_on_one_line(found.pop('event'))}"
        logger, detail, error = found.pop("logger"), found.pop("detail", None), found.pop("exception", None)
        parts = [head, *[f"{name}={_shown(value)}" for name, value in found.items() if value is not None]]
        if detail is not None:
            parts.append(_on_one_line(detail))
        text = f"{' '.join(parts)} [{logger}]"
        return text if error is None else "\n".join([text, *map(_on_one_line, error.split("\n"))])


def _shown(value: Any) -> str:
    text = str(value)
    return text if text and text.isprintable() and " " not in text else repr(text)


def _on_one_line(text: str) -> str:
    """The text without what moves the cursor, begins a line or colours a terminal: clients and gateways chose it."""
    text = text.replace("\n", " ")
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
