"""The values that stand beside a row of the sheet, for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from producer.campaigns.reading.words import RESULT_COLUMNS
from producer.campaigns.reasons import advice_on
from producer.campaigns.results.results import Result
from storage.jobs.reasons import OWN_WORDS
from storage.jobs.states import JobState


class Words(Protocol):
    """The texts of one language; `producer.web.language.Catalogue` is one."""

    @property
    def language(self) -> str:
        """Its code, such as `en`."""
        ...

    def word(self, group: str, code: object) -> str:
        """The words for a code; the code itself if there are none."""
        ...


@dataclass(frozen=True, slots=True)
class Links:
    """Where the video and the poster of a row can be opened; None: nowhere. Asked only for rows that have them."""

    video: Callable[[Result], str | None]
    poster: Callable[[Result], str | None]


BESIDE: Final = tuple(RESULT_COLUMNS)
"""The added columns, in their order."""
TIMES: Final = ("created", "finished")


def name_of(column: str, language: str) -> str:
    """The heading of an added column."""
    english, chinese = RESULT_COLUMNS[column]
    return chinese if language == "zh" else english


def values_of(result: Result, words: Words, links: Links) -> dict[str, Any]:
    """The value of each added column; None where there is none. Times are `datetime`s in UTC."""
    row, job = result.row, result.job
    failed = row.state is not JobState.SUCCEEDED
    cost = job.cost or {}
    return {
        "state": words.word("state", row.state),
        "reason": words.word("reason", row.reason) if failed else None,
        "advice": _advice(result, words),
        "gateway": gateways_words(job.error) if row.state is JobState.FAILED else None,
        "cost": cost.get("amount"),
        "currency": cost.get("currency"),
        "video": links.video(result) if result.has_video else None,
        "poster": links.poster(result) if result.has_poster else None,
        "review": words.word("review", row.review),
        "comment": row.review_comment,
        "row": row.number,
        "variant": row.label or None,
        "versions": row.versions,
        "created": job.created_at,
        "finished": job.finished_at,
        "job": str(job.id),
    }


def _advice(result: Result, words: Words) -> str | None:
    """What a person can do, or that another video is being made; None: nothing need be done."""
    if result.earlier is not None and result.has_video:
        return words.word("wall", "coming")
    if result.row.state is JobState.SUCCEEDED or result.row.reason is None:
        return None
    error = result.job.error or {}
    campaign = result.job.campaign or ""
    found = advice_on(result.row.reason, error.get("stage"), error.get("modality"), campaign=campaign)
    return found.get(words.language) or None


def gateways_words(error: Mapping[str, Any] | None) -> str | None:
    """What the gateway itself said about a failure; None: it said nothing."""
    if error is None or error.get("code") in OWN_WORDS:
        return None
    said = error.get("message")
    return str(said) if said else None


def utc(moment: datetime | None) -> str | None:
    """A time as text, such as 2026-11-28 14:05:09 UTC."""
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
