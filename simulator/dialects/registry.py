"""All dialects, by the first part of their path."""

from __future__ import annotations

from simulator.dialects.anyfast import AnyFast
from simulator.dialects.base import Dialect


def all_dialects() -> dict[str, Dialect]:
    return {dialect.name: dialect for dialect in (AnyFast(),)}
