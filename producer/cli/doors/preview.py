"""What a decision about rows would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Preview:
    """What a decision would do now: `shown` as JSON (`Decision.as_dict`), and the ids of the rows that take part; from
    elsewhere, of the first 10,000."""

    shown: Mapping[str, Any]
    acting: Sequence[UUID]
