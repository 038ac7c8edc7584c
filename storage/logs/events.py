"""Take a log record apart: its event, its fields, and the words that follow.

Our own lines are written as `log.info("job.moved job_id=%s attempt=%d", …)`: a dotted event, then `name=value`, then
perhaps a text. A program that embeds reelq reads them like any other line of Python's logging; our processes log the
same values as fields. Lines of other libraries are one text.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

OWN = "reelq"
"""Our loggers are below this one."""
_EVENT = re.compile(r"[a-z_]+\.(?:[a-z_]|%s)+|%s(?= )")
_FIELD = re.compile(r" ([a-z][a-z0-9_]*)=%(?:\.(\d+))?([sdfgr])")
_PLACEHOLDER = re.compile(r"%[^%a-z]*[a-z]")
_ROUNDED = "f"
_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class _Form:
    """A format string, taken apart. Its arguments are those of the event, then of the fields, then of the text."""

    event: str
    event_arguments: int
    fields: Sequence[tuple[str, int | None, str]]
    """Name, digits and conversion of each."""
    text: str
    keeps_text: bool
    """Whether anything follows the fields."""


class Line(NamedTuple):
    """What a record says. `detail`: the words after the fields, None if there are none."""

    event: str
    fields: dict[str, Any]
    detail: str | None = None


def read(record: logging.LogRecord) -> Line:
    """Take a record apart. A record that is not in our form is all event."""
    form = _form(record.msg) if record.name.startswith(OWN) and isinstance(record.msg, str) else None
    arguments = record.args if isinstance(record.args, tuple) else ()
    if form is None or (not arguments and "%" in record.msg):
        return Line(record.getMessage(), {})
    first, after = form.event_arguments, form.event_arguments + len(form.fields)
    if len(arguments) < after:
        return Line(record.getMessage(), {})
    event = form.event % arguments[:first] if first else form.event
    fields = {
        name: value if type(value) is str else _value(value, digits, conversion)
        for (name, digits, conversion), value in zip(form.fields, arguments[first:after], strict=True)
    }
    detail = (form.text % arguments[after:]) if form.keeps_text else None
    return Line(event, fields, detail or None)


@lru_cache(maxsize=1024)
def _form(message: str) -> _Form | None:
    found = _EVENT.match(message)
    if found is None:
        return None
    position, fields = found.end(), []
    while (field := _FIELD.match(message, position)) is not None:
        digits = field.group(2)
        fields.append((field.group(1), None if digits is None else int(digits), field.group(3)))
        position = field.end()
    text = message[position:].lstrip(" ,:")
    event = found.group()
    return _Form(event, len(_PLACEHOLDER.findall(event)), fields, text, bool(text))


def _value(value: Any, digits: int | None, conversion: str) -> Any:
    if conversion == _ROUNDED and isinstance(value, float | int):
        return round(float(value), digits or 0)
    if type(value) in _PLAIN:
        return value
    return repr(value) if conversion == "r" else str(value)
