"""What one copy's outcome means for its job, as a value. Pure.

A video that was generated is paid for, so only its own end ends the job: the life of its URL is over and a fresh one
was asked for in vain. A URL that leads to an address that is not public is treated the same: it is asked for anew now
and then, and whoever runs the system has the URL's whole life, with alarms, to allow the address.
"""

from __future__ import annotations

import random
from typing import Any

from seedance.errors import redact
from storage.bucket.objects import StoreUnavailable
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker.decisions import MAX_COUNT, Decision, fail
from worker.retry import LAST_FRAME, TRANSFER, TRANSFER_EARLY
from worker.transferring.companions import Complete, LastFrameMissing
from worker.transferring.copying import Outcome
from worker.transferring.fetch import UrlNotPublic, UrlRefused
from worker.transferring.mp4 import NotAVideo

EARLY_S = 600.0
"""For so long after the generation a failed copy is repeated sooner."""
RETRY_AGE_SHARE = 0.1
"""What has failed for an hour need not be tried every second."""
REFUSED_CAP_S = 900.0
"""A URL that is refused needs another one, so that its job goes to and fro, with two events each time."""
DOUBT_AFTER = 3
"""So many copies that gave something else, or led where we do not go, and a fresh URL is asked for."""
HARD_END = 2.0
"""Lives of a URL after which a video is lost, whatever fresh URLs say of themselves."""
LAST_FRAME_FOR_S = 3600.0
LAST_FRAME_REFUSALS = 5

_REASONS = {
    NotAVideo: Reason.WRONG_CONTENT,
    StoreUnavailable: Reason.STORE_UNAVAILABLE,
    UrlNotPublic: Reason.URL_NOT_PUBLIC,
}


def decide_transfer(outcome: Outcome, work: Work, video_life_s: float, rng: random.Random | None = None) -> Decision:
    """Where a job goes after one copy. `video_life_s` is how long its gateway keeps videos."""
    if isinstance(outcome, Complete):
        return _succeeded(outcome)
    if isinstance(outcome, LastFrameMissing):
        return _last_frame(outcome, work)
    message = redact(str(outcome))
    if _lost(outcome, work, video_life_s):
        return fail(
            Reason.VIDEO_EXPIRED, f"the video was generated but not copied within the life of its URL: {message}"
        )
    reason = _REASONS.get(type(outcome), Reason.DOWNLOAD_FAILED)
    setbacks = min(work.setbacks + 1, MAX_COUNT) if work.reason == reason else 1
    doubted = isinstance(outcome, NotAVideo | UrlNotPublic) and setbacks >= DOUBT_AFTER
    if doubted or type(outcome) is UrlRefused:
        asked = reason if isinstance(outcome, UrlNotPublic) else Reason.URL_REFUSED
        return Decision(JobState.GENERATING, asked, _refused_for_s(work), {"setbacks": 0}, {"message": message})
    age_s = work.generated_age_s or 0.0
    backoff = TRANSFER_EARLY if age_s < EARLY_S else TRANSFER
    wait_s = max(min(age_s * RETRY_AGE_SHARE, backoff.cap_s), backoff.wait_s(setbacks, rng))
    return Decision(JobState.TRANSFERRING, reason, wait_s, {"setbacks": setbacks}, {"message": message})


def _refused_for_s(work: Work) -> float:
    """How long to leave a refused URL alone: longer and longer, but not for long while the present one is dying."""
    cap_s = REFUSED_CAP_S
    if work.expires_in_s is not None:
        cap_s = min(cap_s, max(work.expires_in_s / 4, TRANSFER.cap_s))
    return min((work.generated_age_s or 0.0) * RETRY_AGE_SHARE, cap_s)


def _lost(outcome: Outcome, work: Work, video_life_s: float) -> bool:
    """Whether nothing can bring the video any more.

    Trouble with our own store never says so. A URL that refuses after the end of its own life says nothing yet either,
    since a store that was down may have kept us from asking for a fresh one.
    """
    age_s = work.generated_age_s or 0.0
    if isinstance(outcome, StoreUnavailable) or age_s <= video_life_s:
        return False
    if age_s > HARD_END * video_life_s:
        return True
    alive = None if work.expires_in_s is None else work.expires_in_s > 0
    return alive is not False if type(outcome) is UrlRefused else alive is not True


def _succeeded(done: Complete) -> Decision:
    patch: dict[str, Any] = {
        **_keys(done),
        "last_frame_key": done.last_frame_key,
        "video_url": None,
        "last_frame_url": None,
        "setbacks": 0,
    }
    notes = {name: redact(text) for name, text in done.notes.items()}
    return Decision(JobState.SUCCEEDED, Reason.STORED, patch=patch, detail=notes or None)


def _keys(done: Complete) -> dict[str, Any]:
    stored = done.stored
    return {
        "object_key": stored.key,
        "size_bytes": stored.size_bytes,
        "sha256": stored.sha256,
        "poster_key": done.poster_key,
    }


def _last_frame(missing: LastFrameMissing, work: Work) -> Decision:
    """A last frame that was asked for is waited for a while, and then its video is handed over without it."""
    reason = Reason.LAST_FRAME_REFUSED if missing.refused else Reason.LAST_FRAME_FAILED
    setbacks = work.setbacks + 1 if work.reason == reason else 1
    waits = (
        bool(work.request.get("return_last_frame"))
        and not (missing.refused and setbacks > LAST_FRAME_REFUSALS)
        and (work.generated_age_s or 0.0) < LAST_FRAME_FOR_S
        and (work.expires_in_s is None or work.expires_in_s > 0)
        and (work.deadline_in_s is None or work.deadline_in_s > 0)
    )
    if not waits:
        done = missing.complete
        notes = {**done.notes, "last_frame": f"not stored: {missing}"}
        return _succeeded(Complete(done.stored, done.poster_key, None, notes))
    patch = {**_keys(missing.complete), "setbacks": setbacks}
    wait_s = LAST_FRAME.wait_s(setbacks)
    return Decision(JobState.TRANSFERRING, reason, wait_s, patch, {"message": redact(str(missing))})
