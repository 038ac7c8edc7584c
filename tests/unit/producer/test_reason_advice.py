"""Every reason that people can do something about has advice in both languages."""

from __future__ import annotations

import pytest

from producer.campaigns.reasons import LANGUAGES, _advice, advice_on, meaning_of
from storage.jobs.reasons import OBSTACLES, Reason

_R = Reason
LOST = (
    *(_R.INVALID_REQUEST, _R.INPUT_GONE, _R.MODERATION_BLOCKED, _R.ASSET_FAILED, _R.DEADLINE_EXCEEDED),
    *(_R.DRAFT_EXPIRED, _R.GENERATION_TIMEOUT, _R.GENERATION_FAILED, _R.EXPIRED_UPSTREAM, _R.GATEWAY_LOST),
    *(_R.TASK_LOST, _R.VIDEO_EXPIRED, _R.NEVER_ACCEPTED, _R.ABANDONED, _R.RESULT_MISSING),
    *(_R.CANCELLED, _R.CANCELLED_UPSTREAM, _R.DISCARDED, _R.HELD, _R.AWAITING_REVIEW),
)


@pytest.mark.parametrize("reason", [*LOST, *sorted(OBSTACLES)])
def test_each_reason_has_its_meaning_and_advice_in_both_languages(reason: Reason) -> None:
    for texts in (meaning_of(reason), advice_on(reason)):
        assert set(texts) == set(LANGUAGES) and all(texts.values())
    assert meaning_of(reason)["en"] == reason.line
    assert any("一" <= char <= "鿿" for char in advice_on(reason)["zh"])


def test_both_languages_have_the_same_advice_for_known_codes() -> None:
    english, chinese = (_advice(language) for language in LANGUAGES)
    assert list(english) == list(chinese)
    assert {key.partition(".")[0] for key in english} <= {reason.value for reason in Reason}


def test_the_most_particular_advice_is_given() -> None:
    sound = advice_on("moderation_blocked", "output", "audio")["en"]
    assert "sound" in sound and sound != advice_on("moderation_blocked", "output", "video")["en"]
    assert advice_on("moderation_blocked", "input", "hologram") == advice_on("moderation_blocked")
    assert advice_on("words of a gateway") == {"en": "", "zh": ""}
