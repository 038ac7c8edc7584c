"""Values as people read them: one line each, without control characters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from storage.jobs.states import JobState


def clean(text: str) -> str:
    """Text from a prompt or a gateway without control characters, which could steer the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def one_line(value: object, limit: int = 200) -> str:
    """A value on one line, cut to a limit."""
    text = clean(" ".join(str(value).split()))
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def error_line(error: Mapping[str, Any] | None) -> str:
    """An error as one line: its code, then what a person should read."""
    if not error:
        return ""
    return one_line(": ".join(str(error[key]) for key in ("code", "message") if error.get(key)))


def duration(seconds: float) -> str:
    """A length of time as people read it."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"


def ago(instant: datetime) -> str:
    """How long ago, by this machine's clock."""
    return f"{duration(max((datetime.now(UTC) - instant).total_seconds(), 0.0))} ago"


def size(number: int) -> str:
    """Bytes as people read them."""
    return f"{number / 2**20:.1f} MiB" if number >= 2**20 else f"{number / 2**10:.0f} KiB"


def counts_line(counts: Mapping[JobState, int]) -> str:
    """`3 queued · 5 generating · 2 succeeded`, in the order of a job's life."""
    return " · ".join(f"{counts[state]} {state}" for state in JobState if counts.get(state)) or "no jobs"
