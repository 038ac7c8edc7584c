"""What one copy's outcome means for its job, as a value. Pure.

A video that was generated is paid for, so only its own end ends the job: the life of its link is over, and the gateway,
asked after that, gave no other. No deadline does, and no outage while the link lives. A link to an address that is not
public is treated like one that is refused: the operator has its whole life, with alarms, to allow the address.
"""

from __future__ import annotations

import random
from typing import Any

from seedance.errors import redact
from storage.bucket.objects import StoreUnavailable
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker.decisions import EVIDENCE_S, MAX_COUNT, Decision, fail
from worker.retry import LAST_FRAME, MAKE_WAY, TRANSFER, TRANSFER_EARLY
from worker.transferring.capacity import NoRoom
from worker.transferring.companions import Complete, LastFrameMissing, VideoStored
from worker.transferring.copying import Outcome
from worker.transferring.fetch import DownloadFailed, LinkExpired, UrlNotPublic, UrlRefused
from worker.transferring.mp4 import NotAVideo
from worker.transferring.upload import Stored

EARLY_S = 600.0
"""For so long after the generation a failed copy is repeated sooner."""
RETRY_AGE_SHARE = 0.1
"""What has failed for an hour need not be tried every second."""
SPARING_CAP_S = 900.0
"""A link may be fetched a hundred times at most, and one that is refused takes its job to and fro, with two events each
time: later in a video's life it is tried rarely."""
DEAD_LINK_S = 300.0
"""How often a dead link is asked for anew."""
DOUBT_AFTER = 3
"""So many copies that gave something else, or led where we do not go, and a fresh URL is asked for."""
HARD_END = 2.0
"""Lives of a link after which a video is lost whose link is dead, or is refused however fresh it is."""
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
    if isinstance(outcome, NoRoom):  # it was not tried, so nothing is known that was not known before
        wait_s = MAKE_WAY.wait_s(1, rng)
        return Decision(
            JobState.TRANSFERRING, Reason(work.reason or Reason.GENERATED), wait_s, {"setbacks": work.setbacks}
        )
    message = redact(str(outcome))
    if isinstance(outcome, VideoStored):
        setbacks = _setbacks(work, Reason.STORE_UNAVAILABLE)
        patch = {**_video_keys(outcome.stored), "setbacks": setbacks}
        wait_s = TRANSFER.wait_s(setbacks, rng)
        return Decision(JobState.TRANSFERRING, Reason.STORE_UNAVAILABLE, wait_s, patch, {"message": message})
    if isinstance(outcome, LinkExpired):
        return Decision(JobState.GENERATING, Reason.URL_REFUSED, 0.0, {"setbacks": 0}, {"message": message})
    if _lost(outcome, work, video_life_s):
        return fail(
            Reason.VIDEO_EXPIRED, f"the video was generated but not copied within the life of its URL: {message}"
        )
    reason = _REASONS.get(type(outcome), Reason.DOWNLOAD_FAILED)
    setbacks = _setbacks(work, reason)
    doubted = isinstance(outcome, NotAVideo | UrlNotPublic) and setbacks >= DOUBT_AFTER
    if doubted or type(outcome) is UrlRefused:
        asked = reason if isinstance(outcome, UrlNotPublic) else Reason.URL_REFUSED
        return Decision(JobState.GENERATING, asked, _refused_for_s(work), {"setbacks": 0}, {"message": message})
    age_s = work.generated_age_s or 0.0
    backoff = TRANSFER_EARLY if age_s < EARLY_S else TRANSFER
    cap_s = _sparing_cap_s(work) if isinstance(outcome, DownloadFailed) and age_s >= EARLY_S else backoff.cap_s
    wait_s = max(min(age_s * RETRY_AGE_SHARE, cap_s), backoff.wait_s(setbacks, rng))
    return Decision(JobState.TRANSFERRING, reason, wait_s, {"setbacks": setbacks}, {"message": message})


def _setbacks(work: Work, reason: Reason) -> int:
    """How often in a row a copy has failed as it did now."""
    return min(work.setbacks + 1, MAX_COUNT) if work.reason == reason else 1


def _refused_for_s(work: Work) -> float:
    """How long to leave a refused link alone."""
    return min((work.generated_age_s or 0.0) * RETRY_AGE_SHARE, _sparing_cap_s(work))


def _sparing_cap_s(work: Work) -> float:
    """The longest wait between two fetches: longer and longer, but not for long while the link is dying."""
    if work.expires_in_s is None:
        return SPARING_CAP_S
    if work.expires_in_s <= 0:
        return DEAD_LINK_S
    return min(SPARING_CAP_S, max(work.expires_in_s / 4, TRANSFER.cap_s))


def _lost(outcome: Outcome, work: Work, video_life_s: float) -> bool:
    """Whether nothing can bring the video any more.

    Trouble with our own store never says so, nor does a file server that is away while the link lives.
    """
    if isinstance(outcome, StoreUnavailable):
        return False
    age_s = work.generated_age_s or 0.0
    left_s = video_life_s - age_s if work.expires_in_s is None else work.expires_in_s
    refused = not isinstance(outcome, DownloadFailed)
    if age_s > HARD_END * video_life_s and (refused or left_s <= 0):
        return True
    return refused and left_s <= -EVIDENCE_S and work.reason == Reason.NO_FRESH_LINK


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
    return {**_video_keys(done.stored), "poster_key": done.poster_key}


def _video_keys(stored: Stored) -> dict[str, Any]:
    return {"object_key": stored.key, "size_bytes": stored.size_bytes, "sha256": stored.sha256}


def _last_frame(missing: LastFrameMissing, work: Work) -> Decision:
    """A last frame that was asked for is waited for a while, and then its video is handed over without it."""
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
        done = missing.complete
        notes = {**done.notes, "last_frame": f"not stored: {missing}"}
        return _succeeded(Complete(done.stored, done.poster_key, None, notes))
    patch = {**_keys(missing.complete), "setbacks": setbacks}
    wait_s = LAST_FRAME.wait_s(setbacks)
    return Decision(JobState.TRANSFERRING, reason, wait_s, patch, {"message": redact(str(missing))})
