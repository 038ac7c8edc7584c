"""Decide what the outcome of one copy means for its job, as a value. Pure.

A generated video is paid for, so only one thing fails its job: the link has expired, and the gateway, asked after that,
gave no other link. No deadline fails it, and no outage while the link lives. A link to an address that is not public is
treated like a refused link: the operator has the link's whole life, with alarms, to allow the address.
"""

from __future__ import annotations

import random
from typing import Any

from seedance.errors import redact
from storage.bucket.requests import StoreUnavailable
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker.decisions import EVIDENCE_S, MAX_COUNT, Decision, fail
from worker.retry import LAST_FRAME, MAKE_WAY, TRANSFER, TRANSFER_EARLY
from worker.transferring.capacity import NoRoom
from worker.transferring.companions import Complete, LastFrameMissing, VideoStored
from worker.transferring.copying import DownloadWasted, Outcome
from worker.transferring.fetch import DownloadFailed, LinkExpired, UrlNotPublic, UrlRefused
from worker.transferring.mp4 import NotAVideo
from worker.transferring.upload import Stored

EARLY_S = 600.0
"""How long after the generation a failed copy is retried sooner."""
RETRY_AGE_SHARE = 0.1
"""The least wait, as a share of the video's age: a copy that has failed for an hour need not be tried every second."""
SPARING_CAP_S = 900.0
"""The longest wait later in a video's life. A link may be fetched 100 times at most, and a refused link moves its job
between two states, with two events each time."""
DEAD_LINK_S = 300.0
"""How often to ask for a fresh link once a link is dead."""
DOUBT_AFTER = 3
"""Ask for a fresh URL after this many copies in a row were no video, or led to an address that is not public."""
HARD_END = 2.0
"""Link lifetimes after which a video counts as lost, if its link is dead or even a fresh link is refused again and
again."""
LAST_REFUSALS = 6
"""How often in a row. By then everything may have stood still for days, so that one answer is the first one."""
LAST_FRAME_FOR_S = 3600.0
"""How long after the generation to wait for a last frame."""
LAST_FRAME_REFUSALS = 5

_REASONS = {
    NotAVideo: Reason.WRONG_CONTENT,
    StoreUnavailable: Reason.STORE_UNAVAILABLE,
    DownloadWasted: Reason.STORE_UNAVAILABLE,
    UrlNotPublic: Reason.URL_NOT_PUBLIC,
}


def decide_transfer(outcome: Outcome, work: Work, video_life_s: float, rng: random.Random | None = None) -> Decision:
    """The next state of a job after one copy. `video_life_s` is how long its gateway keeps videos."""
    if isinstance(outcome, Complete):
        return _succeeded(outcome)
    if isinstance(outcome, LastFrameMissing):
        return _last_frame(outcome, work)
    if isinstance(outcome, NoRoom):  # it was not tried, so keep the reason and the count of failures
        wait_s = MAKE_WAY.wait_s(1, rng)
        return Decision(JobState.TRANSFERRING, _reason_of(work), wait_s, {"setbacks": work.setbacks})
    message = redact(str(outcome))
    if isinstance(outcome, VideoStored):
        setbacks = _setbacks(work, Reason.STORE_UNAVAILABLE)
        patch = {**_video_keys(outcome.stored), "setbacks": setbacks}
        wait_s = TRANSFER.wait_s(setbacks, rng)
        return Decision(JobState.TRANSFERRING, Reason.STORE_UNAVAILABLE, wait_s, patch, {"message": message})
    if isinstance(outcome, LinkExpired):
        if not _can_ask(work):
            return Decision(JobState.TRANSFERRING, Reason.NO_FRESH_LINK, 0.0, {"setbacks": 0}, {"message": message})
        return Decision(JobState.GENERATING, Reason.URL_REFUSED, 0.0, {"setbacks": 0}, {"message": message})
    if _is_late_refusal(outcome, work, video_life_s) and _refusals(work) <= LAST_REFUSALS:
        return _try_again(Reason.URL_REFUSED, outcome, work, message, rng)
    if _lost(outcome, work, video_life_s):
        return fail(
            Reason.VIDEO_EXPIRED, f"the video was generated but not copied within the life of its URL: {message}"
        )
    reason = _REASONS.get(type(outcome), Reason.DOWNLOAD_FAILED)
    setbacks = _setbacks(work, reason)
    unusable = isinstance(outcome, NotAVideo | UrlNotPublic) and setbacks >= DOUBT_AFTER
    if (unusable or type(outcome) is UrlRefused) and not _can_ask(work):
        return _try_again(Reason.NO_FRESH_LINK, outcome, work, message, rng)
    if unusable or type(outcome) is UrlRefused:
        why = reason if isinstance(outcome, UrlNotPublic) else Reason.URL_REFUSED
        return Decision(JobState.GENERATING, why, _refused_for_s(work), {"setbacks": 0}, {"message": message})
    return _try_again(reason, outcome, work, message, rng)


def _can_ask(work: Work) -> bool:
    """Whether a gateway can be asked for a fresh link; another program may have stored a link without its task."""
    return bool(work.account) and work.attempt > 0 and work.gateway_task_id is not None


def _reason_of(work: Work) -> Reason:
    """Why the job is in its state. Another program may have stored a word of its own."""
    return Reason(work.reason) if work.reason in set(Reason) else Reason.GENERATED


def _try_again(reason: Reason, outcome: Outcome, work: Work, message: str, rng: random.Random | None) -> Decision:
    setbacks, age_s = _setbacks(work, reason), work.generated_age_s or 0.0
    backoff = TRANSFER_EARLY if age_s < EARLY_S else TRANSFER
    sparing = isinstance(outcome, DownloadFailed | DownloadWasted) or reason is Reason.URL_REFUSED
    cap_s = _sparing_cap_s(work) if sparing and age_s >= EARLY_S else backoff.cap_s
    wait_s = max(min(age_s * RETRY_AGE_SHARE, cap_s), backoff.wait_s(setbacks, rng))
    return Decision(JobState.TRANSFERRING, reason, wait_s, {"setbacks": setbacks}, {"message": message})


def _setbacks(work: Work, reason: Reason) -> int:
    """How many times in a row a copy has failed for this reason."""
    return min(work.setbacks + 1, MAX_COUNT) if work.reason == reason else 1


def _refused_for_s(work: Work) -> float:
    """How long to leave a refused link alone."""
    return min((work.generated_age_s or 0.0) * RETRY_AGE_SHARE, _sparing_cap_s(work))


def _sparing_cap_s(work: Work) -> float:
    """The longest wait between two fetches; shorter when the link expires soon."""
    if work.expires_in_s is None:
        return SPARING_CAP_S
    if work.expires_in_s <= 0:
        return DEAD_LINK_S
    return min(SPARING_CAP_S, max(work.expires_in_s / 4, TRANSFER.cap_s))


def _refusals(work: Work) -> int:
    return _setbacks(work, Reason.URL_REFUSED)


def _is_late_refusal(outcome: Outcome, work: Work, video_life_s: float) -> bool:
    """Whether a link that lives is refused so late that the video may be lost."""
    lives = work.expires_in_s is not None and work.expires_in_s > 0
    late = (work.generated_age_s or 0.0) > HARD_END * video_life_s
    return late and lives and isinstance(outcome, UrlRefused | NotAVideo)


def _lost(outcome: Outcome, work: Work, video_life_s: float) -> bool:
    """Whether nothing can recover the video.

    A failure of our own store never means that, nor does an unavailable file server while the link lives.
    """
    if isinstance(outcome, StoreUnavailable):
        return False
    age_s = work.generated_age_s or 0.0
    left_s = video_life_s - age_s if work.expires_in_s is None else work.expires_in_s
    refused = not isinstance(outcome, DownloadFailed)
    if age_s > HARD_END * video_life_s and (refused or left_s <= 0):
        return True
    return refused and left_s <= -EVIDENCE_S and work.reason == Reason.NO_FRESH_LINK


def _succeeded(complete: Complete) -> Decision:
    patch: dict[str, Any] = {
        **_keys(complete),
        "last_frame_key": complete.last_frame_key,
        "video_url": None,
        "last_frame_url": None,
        "setbacks": 0,
    }
    notes = {name: redact(text) for name, text in complete.notes.items()}
    return Decision(JobState.SUCCEEDED, Reason.STORED, patch=patch, detail=notes or None)


def _keys(complete: Complete) -> dict[str, Any]:
    return {**_video_keys(complete.stored), "poster_key": complete.poster_key}


def _video_keys(stored: Stored) -> dict[str, Any]:
    return {
        "object_key": stored.key,
        "size_bytes": stored.size_bytes,
        "sha256": stored.sha256,
        "video_format": stored.format,
    }


def _last_frame(missing: LastFrameMissing, work: Work) -> Decision:
    """Wait a while for a last frame that was requested, then deliver the video without it."""
    reason = Reason.LAST_FRAME_REFUSED if missing.refused else Reason.LAST_FRAME_FAILED
    setbacks = _setbacks(work, reason)
    waits = (
        bool(work.request.get("return_last_frame"))
        and not (missing.refused and setbacks > LAST_FRAME_REFUSALS)
        and (work.generated_age_s or 0.0) < LAST_FRAME_FOR_S
        and (work.expires_in_s is None or work.expires_in_s > 0)
        and (work.deadline_in_s is None or work.deadline_in_s > 0)
    )
    if not waits:
        complete = missing.complete
        notes = {**complete.notes, "last_frame": f"not stored: {missing}"}
        return _succeeded(Complete(complete.stored, complete.poster_key, None, notes))
    patch = {**_keys(missing.complete), "setbacks": setbacks}
    wait_s = LAST_FRAME.wait_s(setbacks)
    return Decision(JobState.TRANSFERRING, reason, wait_s, patch, {"message": redact(str(missing))})
