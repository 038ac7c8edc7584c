"""The decision for each outcome of a copy, as tables of cases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from storage.bucket.requests import StoreUnavailable
from storage.jobs.enqueue import new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker.decisions import EVIDENCE_S, Decision
from worker.transferring.capacity import NoRoom
from worker.transferring.companions import Complete, LastFrameMissing, VideoStored
from worker.transferring.copying import DownloadWasted
from worker.transferring.decisions import (
    DOUBT_AFTER,
    HARD_END,
    LAST_FRAME_FOR_S,
    LAST_FRAME_REFUSALS,
    LAST_REFUSALS,
    decide_transfer,
)
from worker.transferring.fetch import DownloadFailed, LinkExpired, UrlNotPublic, UrlRefused
from worker.transferring.mp4 import NotAVideo
from worker.transferring.own_origin import OwnOrigin
from worker.transferring.upload import Stored
from worker.transferring.video import Video

LIFE_S = 86400.0
S = JobState
FORMAT = {"codec": "avc1"}
STORED = Stored("videos/k.mp4", 5, "ab", FORMAT)


def a_job(**changes: Any) -> Work:
    fields: dict[str, Any] = {
        **dict.fromkeys(Work.__dataclass_fields__),
        "id": new_job_id(),
        "claim": 3,
        "state": S.TRANSFERRING,
        "attempt": 1,
        "refusals": 0,
        "setbacks": 0,
        "polls": 2,
        "reason": "generated",
        "account": "a",
        "request": {"prompt": "x"},
        "gateway_task_id": "t",
        "video_url": "https://cdn.example/v.mp4",
        "created_at": datetime.now(UTC),
        "generated_age_s": 10.0,
    }
    return Work(**fields | changes)


def copied(outcome: Any, **changes: Any) -> Decision:
    return decide_transfer(outcome, a_job(**changes), LIFE_S)


def test_a_complete_copy_ends_the_job() -> None:
    decision = copied(Complete(STORED, "videos/k.jpg", "videos/k.last.png"))
    assert decision.target is S.SUCCEEDED
    assert decision.detail is None
    assert decision.patch["object_key"] == "videos/k.mp4"
    assert decision.patch["poster_key"] == "videos/k.jpg"
    assert decision.patch["last_frame_key"] == "videos/k.last.png"
    assert decision.patch["video_url"] is None, "a signed URL is a secret and no longer needed"
    assert decision.patch["last_frame_url"] is None


def test_a_missing_companion_is_noted() -> None:
    decision = copied(Complete(STORED, notes={"poster": "not made: token=abcdefghij"}))
    assert decision.target is S.SUCCEEDED
    assert decision.detail == {"poster": "not made: token=***"}


def test_a_stored_video_is_recorded_when_the_store_refuses_its_companions() -> None:
    decision = copied(VideoStored(STORED, "PUT: 500"), generated_age_s=LIFE_S * 3, expires_in_s=-LIFE_S)
    assert (decision.target, decision.reason) == (S.TRANSFERRING, "store_unavailable")
    assert decision.patch == {
        "object_key": "videos/k.mp4",
        "size_bytes": 5,
        "sha256": "ab",
        "video_format": FORMAT,
        "setbacks": 1,
    }


def test_a_refused_url_sends_the_job_back_for_a_fresh_one() -> None:
    decision = copied(UrlRefused("HTTP 403"))
    assert (decision.target, decision.reason) == (S.GENERATING, "url_refused")


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (DownloadFailed("cut"), "download_failed"),
        (NotAVideo("html"), "wrong_content"),
        (StoreUnavailable("500"), "store_unavailable"),
        (UrlNotPublic("10.0.0.1 is not a public address"), "url_not_public"),
    ],
)
def test_a_failed_copy_is_tried_again(outcome: Exception, reason: str) -> None:
    decision = copied(outcome)
    assert (decision.target, decision.reason) == (S.TRANSFERRING, reason)
    assert decision.patch == {"setbacks": 1}
    assert copied(outcome, reason=reason, setbacks=1).patch == {"setbacks": 2}


@pytest.mark.parametrize(
    ("outcome", "reason", "next_reason"),
    [
        (NotAVideo("html"), "wrong_content", "url_refused"),
        (UrlNotPublic("10.0.0.1 is not a public address"), "url_not_public", "url_not_public"),
    ],
)
def test_a_url_that_keeps_giving_the_wrong_file_is_replaced(outcome: Exception, reason: str, next_reason: str) -> None:
    decision = copied(outcome, reason=reason, setbacks=DOUBT_AFTER - 1)
    assert (decision.target, decision.reason) == (S.GENERATING, next_reason)
    assert decision.detail == {"message": str(outcome)}


_REFUSALS = [UrlRefused("HTTP 403"), NotAVideo("html"), UrlNotPublic("10.0.0.1")]
_LOSSES = [*_REFUSALS, DownloadFailed("cut")]
ASKED = {"reason": Reason.NO_FRESH_LINK, "setbacks": 0}


@pytest.mark.parametrize("outcome", _REFUSALS)
def test_a_lost_video_fails_as_video_expired(outcome: Exception) -> None:
    decision = copied(outcome, generated_age_s=LIFE_S + EVIDENCE_S, expires_in_s=-EVIDENCE_S, **ASKED)
    assert decision.target is S.FAILED
    assert decision.patch["error"]["code"] == "video_expired"


@pytest.mark.parametrize("outcome", _LOSSES)
def test_no_video_is_given_up_before_its_gateway_is_asked_for_a_fresh_link(outcome: Exception) -> None:
    for expires_in_s in (None, 5.0, -5.0, -LIFE_S / 2):
        late = {"generated_age_s": LIFE_S + 60, "expires_in_s": expires_in_s}
        assert copied(outcome, **late).target is not S.FAILED
    assert copied(outcome, generated_age_s=LIFE_S + 60, expires_in_s=-60.0, **ASKED).target is not S.FAILED


def test_an_expired_link_is_replaced_at_once_without_a_try() -> None:
    decision = copied(LinkExpired("expired"), generated_age_s=3 * LIFE_S, expires_in_s=-2 * LIFE_S)
    assert (decision.target, decision.reason, decision.due_in_s) == (S.GENERATING, "url_refused", 0.0)


@pytest.mark.parametrize(
    ("changes", "asks"),
    [
        ({"expires_in_s": 1.0}, False),
        ({"expires_in_s": None}, False),
        ({"expires_in_s": -1.0}, True),
        ({"expires_in_s": -1.0, "reason": "download_failed"}, True),
        ({"expires_in_s": -1.0, "reason": "no_fresh_link"}, False),
    ],
)
def test_the_gateway_is_asked_first_only_about_a_dead_link(changes: dict[str, Any], *, asks: bool) -> None:
    facts: Any = None
    own = OwnOrigin("https://gateway.example", "sk-key")
    assert Video(a_job(**changes), facts, own).must_ask_first is asks
    assert not Video(a_job(**changes), facts).must_ask_first, "there is no gateway to ask"


@pytest.mark.parametrize("age_s", [LIFE_S + 1, HARD_END * LIFE_S + 1, 20 * LIFE_S])
def test_an_outage_of_the_file_server_loses_no_video_whose_link_lives(age_s: float) -> None:
    assert copied(DownloadFailed("refused"), generated_age_s=age_s, expires_in_s=600.0).target is S.TRANSFERRING


@pytest.mark.parametrize("outcome", _LOSSES)
@pytest.mark.parametrize("expires_in_s", [None, -1.0])
def test_a_dead_link_does_not_keep_a_job_alive_for_ever(outcome: Exception, expires_in_s: float | None) -> None:
    assert copied(outcome, generated_age_s=HARD_END * LIFE_S + 1, expires_in_s=expires_in_s).target is S.FAILED


@pytest.mark.parametrize("outcome", _REFUSALS)
def test_refused_fresh_links_do_not_keep_a_job_alive_for_ever(outcome: Exception) -> None:
    late = {"generated_age_s": HARD_END * LIFE_S + 1, "expires_in_s": 86400.0}
    assert copied(outcome, **late | {"generated_age_s": HARD_END * LIFE_S}).target is not S.FAILED
    waited_s = 0.0
    changes: dict[str, Any] = {}
    for _ in range(LAST_REFUSALS):
        decision = copied(outcome, **late, **changes)
        assert decision.target is S.TRANSFERRING
        waited_s += decision.due_in_s or 0.0
        changes = {"reason": decision.reason, "setbacks": decision.patch["setbacks"]}
    assert waited_s >= EVIDENCE_S
    assert copied(outcome, **late, **changes).target is S.FAILED


def test_after_days_without_power_one_refusal_of_a_fresh_link_loses_no_video() -> None:
    """All stood still from Friday to Monday, and a proxy answers the first try."""
    monday = {"generated_age_s": 3 * LIFE_S, "expires_in_s": LIFE_S}
    for outcome in _REFUSALS:
        assert copied(outcome, **monday).target is not S.FAILED


def test_a_failure_of_our_own_store_never_ends_a_job() -> None:
    decision = copied(StoreUnavailable("500"), generated_age_s=LIFE_S * 3, setbacks=500, reason="store_unavailable")
    assert decision.target is S.TRANSFERRING


@pytest.mark.parametrize("without", [{"account": ""}, {"attempt": 0}, {"gateway_task_id": None}], ids=str)
def test_a_link_without_its_task_is_tried_until_it_is_dead(without: dict[str, Any]) -> None:
    """As another program may store it: there is no gateway to ask for a fresh link."""
    for outcome in (UrlRefused("HTTP 403"), LinkExpired("its link has expired")):
        decision = copied(outcome, expires_in_s=600.0, **without)
        assert (decision.target, decision.reason) == (S.TRANSFERRING, Reason.NO_FRESH_LINK)
    dead = {"expires_in_s": -EVIDENCE_S - 1, "reason": "no_fresh_link"}
    assert copied(UrlRefused("HTTP 403"), **without, **dead).reason is Reason.VIDEO_EXPIRED


@pytest.mark.parametrize("reason", ["seeded", None])
def test_a_reason_of_another_program_does_not_stop_a_copy_that_waits_for_room(reason: str | None) -> None:
    decision = copied(NoRoom("full"), reason=reason)
    assert (decision.target, decision.reason) == (JobState.TRANSFERRING, Reason.GENERATED)
    assert copied(NoRoom("full"), reason="download_failed").reason is Reason.DOWNLOAD_FAILED


def without_frame(refused: bool = False, requested: bool = True, **changes: Any) -> Decision:
    outcome = LastFrameMissing("HTTP 404", Complete(STORED, "videos/k.jpg"), refused=refused)
    return copied(outcome, **{"request": {"prompt": "x", "return_last_frame": requested}} | changes)


def test_a_requested_last_frame_is_awaited_while_its_video_stays_stored() -> None:
    decision = without_frame()
    assert (decision.target, decision.reason) == (S.TRANSFERRING, Reason.LAST_FRAME_FAILED)
    assert decision.patch == {
        "object_key": "videos/k.mp4",
        "size_bytes": 5,
        "sha256": "ab",
        "video_format": FORMAT,
        "poster_key": "videos/k.jpg",
        "setbacks": 1,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"requested": False},
        {"generated_age_s": LAST_FRAME_FOR_S},
        {"expires_in_s": -1.0},
        {"deadline_in_s": 0.0},
        {"refused": True, "reason": Reason.LAST_FRAME_REFUSED, "setbacks": LAST_FRAME_REFUSALS},
    ],
)
def test_a_video_does_not_wait_for_its_last_frame_for_ever(changes: dict[str, Any]) -> None:
    decision = without_frame(**changes)
    assert decision.target is S.SUCCEEDED
    assert decision.patch["object_key"] == "videos/k.mp4"
    assert decision.patch["last_frame_key"] is None
    assert decision.detail == {"last_frame": "not stored: HTTP 404"}


def test_a_copy_is_retried_soon_after_an_outage_of_minutes() -> None:
    away = StoreUnavailable("PUT: refused")
    early = [copied(away, generated_age_s=age, setbacks=20, reason="store_unavailable").due_in_s for age in (60, 599)]
    assert max(early) <= 20.0
    assert 30.0 <= copied(away, generated_age_s=7200.0, setbacks=20, reason="store_unavailable").due_in_s <= 60.0


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(DownloadFailed("cut"), "download_failed"), (DownloadWasted("PUT: HTTP 507"), "store_unavailable")],
)
def test_fetches_in_vain_do_not_use_up_a_link(outcome: Exception, reason: str) -> None:
    """A link may be fetched 100 times: after ten hours of failures some tries must be left."""
    age_s, times = 1.0, 0
    while age_s < 36_000.0:
        left_s = LIFE_S - age_s
        decision = copied(outcome, generated_age_s=age_s, expires_in_s=left_s, setbacks=20, reason=reason)
        assert (decision.target, decision.reason) == (S.TRANSFERRING, reason)
        age_s, times = age_s + decision.due_in_s, times + 1
    assert times < 100


def test_a_url_refused_for_a_day_is_requested_at_most_a_few_hundred_times() -> None:
    age_s, times = 1.0, 0
    while age_s < LIFE_S:
        decision = copied(UrlRefused("HTTP 403"), generated_age_s=age_s, expires_in_s=LIFE_S)
        assert decision.target is S.GENERATING
        age_s, times = age_s + max(decision.due_in_s, 0.25), times + 1
    assert times < 250


def test_a_refused_url_that_expires_soon_is_retried_soon() -> None:
    refused = UrlRefused("HTTP 403")
    assert copied(refused, generated_age_s=80_000.0, expires_in_s=600.0).due_in_s == 150.0
    assert copied(refused, generated_age_s=80_000.0, expires_in_s=10.0).due_in_s == 60.0
