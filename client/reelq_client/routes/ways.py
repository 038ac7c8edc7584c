"""How a campaign is planned and run, beside its rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict


class RunWays(TypedDict, total=False):
    """`proof`: make each row as a draft or a small cheap video first. `deadline`, `priority`: for rows without one.
    `start_at`: submit nothing before. `quiet_hours`: as "22:00-07:00". `max_concurrent`: its jobs at once. `time_zone`:
    of times without an offset, and of quiet hours."""

    proof: bool
    deadline: str | datetime | None
    priority: int | None
    start_at: str | datetime | None
    quiet_hours: str | None
    max_concurrent: int | None
    time_zone: str | None


def ways_query(ways: Mapping[str, Any]) -> dict[str, Any]:
    """The same as parameters of a request."""
    return {name: value for name, value in ways.items() if value is not None and value is not False}
