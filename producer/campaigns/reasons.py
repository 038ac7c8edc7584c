"""Reasons of a campaign's rows in groups: what each means, what to do about it, and what was said about it.

One definition: `storage.jobs.reasons` has the codes and their English lines, the page's catalogue the Chinese ones, and
`producer/campaigns/advice` the advice in both languages.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from shlex import quote
from typing import Any
from uuid import UUID

from producer.campaigns.decisions.verdicts import cure_of
from producer.operator_actions.waiting import PAUSED
from storage.campaigns.failures import FailureGroup, Words, failures_of
from storage.database import Connection
from storage.jobs.reasons import OWN_WORDS, Reason
from storage.jobs.states import JobState

LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """Rows with one reason. `meaning` and `advice` by language; `said`: the messages, and whose they are; `cure`: what
    a new attempt needs (`decisions.verdicts.Cure`), None: the rows wait, or were cancelled."""

    code: str
    state: str
    rows: int
    meaning: Mapping[str, str]
    advice: Mapping[str, str]
    stage: str | None = None
    modality: str | None = None
    numbers: Sequence[int] = ()
    said: Sequence[Words] = ()
    cure: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The group as JSON."""
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__}
        by = "reelq" if self.code in OWN_WORDS else "gateway"
        words = [
            {"message": item.message, "code": item.gateway_code, "rows": item.rows, "by": by} for item in self.said
        ]
        return shown | {"numbers": list(self.numbers), "said": words}


def meaning_of(code: str) -> dict[str, str]:
    """What a code means, by language; the code itself if it is none of ours."""
    return {language: _lines(language).get(code, code.replace("_", " ")) for language in LANGUAGES}


def advice_on(code: str, stage: str | None = None, modality: str | None = None, *, campaign: str) -> dict[str, str]:
    """What to do about a reason of rows of a campaign, by language; empty texts: nothing needs to be done."""
    keys = [f"{code}.{stage}.{modality}", f"{code}.{stage}", code]
    return {
        language: next((texts[key] for key in keys if key in texts), "").replace("{campaign}", quote(campaign))
        for language in LANGUAGES
        for texts in (_advice(language),)
    }


def reasons_of(conn: Connection, campaign_id: UUID, name: str, waiting: Mapping[str, int]) -> list[ReasonGroup]:
    """The reasons why rows of a campaign have failed, were cancelled, are held or wait for people, with advice.
    `waiting`: the number of waiting rows by reason; those that go on by themselves are left out."""
    found = [_of_failure(group, name) for group in failures_of(conn, campaign_id)]
    for code, rows in waiting.items():
        advice = advice_on(code, campaign=name)
        if advice[LANGUAGES[0]]:
            state = JobState.SUCCEEDED if code == Reason.AWAITING_REVIEW else JobState.QUEUED
            found.append(ReasonGroup(code, state, rows, meaning_of(code), advice))
    return sorted(found, key=lambda group: -group.rows)


def _of_failure(group: FailureGroup, campaign: str) -> ReasonGroup:
    cure = None
    if group.state is JobState.FAILED:
        cure = str(cure_of({"code": group.code, "stage": group.stage, "modality": group.modality}))
    return ReasonGroup(
        group.code,
        group.state,
        group.rows,
        meaning_of(group.code),
        advice_on(group.code, group.stage, group.modality, campaign=campaign),
        group.stage,
        group.modality,
        group.numbers,
        group.said,
        cure,
    )


@cache
def _lines(language: str) -> Mapping[str, str]:
    texts = tomllib.loads(files("producer").joinpath("web", "locale", f"{language}.toml").read_text(encoding="utf-8"))
    english = {reason.value: reason.line for reason in Reason}
    return {PAUSED: texts["wait"][PAUSED], **(english if language == LANGUAGES[0] else texts["reason"])}


@cache
def _advice(language: str) -> Mapping[str, str]:
    texts = files("producer").joinpath("campaigns", "advice", f"{language}.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(texts)["advice"])
