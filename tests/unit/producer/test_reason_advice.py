"""Every reason that people can do something about has advice in both languages."""

from __future__ import annotations

import re

import pytest

from producer.campaigns import reasons
from producer.campaigns.reasons import LANGUAGES, ReasonGroup, _advice, meaning_of
from producer.operator_actions.waiting import PAUSED
from storage.campaigns.failures import Words
from storage.jobs.reasons import OBSTACLES, Reason
from storage.jobs.states import JobState

_R = Reason
LOST = (
    *(_R.INVALID_REQUEST, _R.INPUT_GONE, _R.MODERATION_BLOCKED, _R.ASSET_FAILED, _R.DEADLINE_EXCEEDED),
    *(_R.DRAFT_EXPIRED, _R.GENERATION_TIMEOUT, _R.GENERATION_FAILED, _R.EXPIRED_UPSTREAM, _R.GATEWAY_LOST),
    *(_R.TASK_LOST, _R.VIDEO_EXPIRED, _R.NEVER_ACCEPTED, _R.ABANDONED, _R.RESULT_MISSING),
    *(_R.CANCELLED, _R.CANCELLED_UPSTREAM, _R.DISCARDED, _R.HELD, _R.AWAITING_REVIEW),
)


def advice_on(code: str, stage: str | None = None, modality: str | None = None) -> dict[str, str]:
    """The advice about a campaign whose name a shell would split."""
    return reasons.advice_on(code, stage, modality, campaign="spring lamps")


@pytest.mark.parametrize("reason", [*LOST, *sorted(OBSTACLES)])
def test_each_reason_has_its_meaning_and_advice_in_both_languages(reason: Reason) -> None:
    for texts in (meaning_of(reason), advice_on(reason)):
        assert set(texts) == set(LANGUAGES) and all(texts.values())
    assert meaning_of(reason)["en"] == reason.line
    assert any("一" <= char <= "鿿" for char in advice_on(reason)["zh"])


def test_both_languages_have_the_same_advice_for_known_codes() -> None:
    english, chinese = (_advice(language) for language in LANGUAGES)
    assert list(english) == list(chinese)
    assert {key.partition(".")[0] for key in english} <= {PAUSED, *(reason.value for reason in Reason)}


def test_a_paused_campaign_is_explained_too() -> None:
    assert meaning_of(PAUSED) == {"en": "Its campaign is paused", "zh": "所属批次已暂停"}
    assert all("`reelq campaign resume 'spring lamps'`" in text for text in advice_on(PAUSED).values())


@pytest.mark.parametrize("code", [PAUSED, *LOST, *sorted(OBSTACLES)])
def test_each_command_of_an_advice_names_its_campaign(code: str) -> None:
    for text in advice_on(code).values():
        commands = re.findall(r"`(reelq [^`]*)`", text)
        assert all("'spring lamps'" in command for command in commands if command.startswith("reelq campaign"))
        assert "{" not in text, "no placeholder is left"


def test_a_message_of_reelq_is_not_a_gateways() -> None:
    for code, by in ((_R.ABANDONED, "reelq"), (_R.GENERATION_FAILED, "gateway")):
        group = ReasonGroup(code, JobState.FAILED, 1, {}, {}, said=[Words("it ended", "", 1)])
        assert group.as_dict()["said"] == [{"message": "it ended", "code": "", "rows": 1, "by": by}]


def test_the_most_particular_advice_is_given() -> None:
    sound = advice_on("moderation_blocked", "output", "audio")["en"]
    assert "sound" in sound and sound != advice_on("moderation_blocked", "output", "video")["en"]
    assert advice_on("moderation_blocked", "input", "hologram") == advice_on("moderation_blocked")
    assert advice_on("words of a gateway") == {"en": "", "zh": ""}
