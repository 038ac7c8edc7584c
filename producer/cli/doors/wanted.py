"""Which rows of a campaign a command wants, and how it shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from storage.campaigns.reviews import Review
from storage.jobs.states import JobState


@dataclass(frozen=True, slots=True)
class Wanted:
    """A campaign, and which of its rows; `link_s`: how many seconds links work."""

    name: str
    states: Sequence[JobState] | None = None
    reviews: Sequence[Review] | None = None
    link_s: float = 0.0
    language: Literal["en", "zh"] = "en"
