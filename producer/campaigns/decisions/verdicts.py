"""What a decision does with one row: pure rules, one table of cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from producer.operator_actions.finals import LOOK_OF
from producer.operator_actions.job_actions import what_cancelling_does
from seedance.drafts import SET_FOR_FINAL
from storage.campaigns.reviews import Review
from storage.campaigns.rows import RowView
from storage.jobs.reasons import Reason
from storage.jobs.records import JobView
from storage.jobs.states import TERMINAL, JobState

S = JobState


class Verb(StrEnum):
    """A decision about rows."""

    APPROVE = "approve"  # its video is wanted; of a draft, the final is made
    REJECT = "reject"  # its video is not wanted; it stays, with a mark
    REROLL = "reroll"  # a new version with another seed
    RETRY = "retry"  # again, because it failed or was cancelled
    CANCEL = "cancel"  # stop what has not ended
    RESUME = "resume"  # submit what was kept back
    SET = "set"  # change fields of what still waits in the queue


class Why(StrEnum):
    """Why a row takes no part. `line` completes a sentence that begins with the row; `is_idle`: there is nothing to do
    for it, which is no failure."""

    line: str
    is_idle: bool

    def __new__(cls, code: str, line: str = "", is_idle: bool = False) -> Why:
        why = str.__new__(cls, code)
        why._value_ = code
        why.line = line
        why.is_idle = is_idle
        return why

    DONE_ALREADY = "done_already", "is so already", True
    HAS_ENDED = "has_ended", "has ended already", True
    NOT_FAILED = "not_failed", "has neither failed nor been cancelled", True
    NOT_KEPT_BACK = "not_kept_back", "is not kept back", True
    NO_VIDEO = "no_video", "has no video"
    RUNNING = "running", "is still being made"
    UNCONFIRMED = "unconfirmed", "may be at its gateway; decide with `reelq jobs resolve`"
    SUBMITTED = "submitted", "was submitted already; it keeps its request"
    BILLED = "billed", "was submitted already and will be billed; --discard gives it up"
    FLAGGED_INPUT = "flagged_input", "was flagged for its input; change the prompt or the file first"
    REFUSED = "refused", "is refused by the gateway as invalid; change the request first"
    INPUT_GONE = "input_gone", "needs a file that is no longer in the bucket; run the sheet again"
    DRAFT_OVER = "draft_over", "has a draft that is too old for a final; a reroll makes a new draft"
    DRAFT_GONE = "draft_gone", "has a draft whose job was deleted; no other draft can be made of it"
    OF_PROOF = "of_proof", "is a proof, which is small; set the resolution in the sheet and run it again"
    OF_DRAFT = "of_draft", "is a final: its draft decides these fields"
    NOT_SERVED = "not_served", "cannot be made like that"
    FILE_UNKNOWN = "file_unknown", "names a file that is unknown, or has expired"
    PAUSED = "paused", "waits because its campaign is paused; resume the whole campaign, without a choice of rows"
    CHANGING = "changing", "is changing right now; try again in a moment"


class Cure(StrEnum):
    """What a new attempt at a failed job needs to have a chance."""

    AGAIN = "again"  # nothing: the same request can succeed
    OTHER_SEED = "other_seed"  # its output was flagged, which depends on chance
    NO_SOUND = "no_sound"  # the sound of its output was flagged
    OTHER_INPUT = "other_input"  # its input was flagged, and always will be
    OTHER_REQUEST = "other_request"  # the gateway refuses the request as invalid
    OTHER_FILE = "other_file"  # one of its files is gone
    OTHER_DRAFT = "other_draft"  # its draft is too old


_CURES: Final[Mapping[str, Cure]] = {
    Reason.INVALID_REQUEST: Cure.OTHER_REQUEST,
    Reason.INPUT_GONE: Cure.OTHER_FILE,
    Reason.DRAFT_EXPIRED: Cure.OTHER_DRAFT,
}
_HOPELESS: Final[Mapping[Cure, Why]] = {
    Cure.OTHER_INPUT: Why.FLAGGED_INPUT,
    Cure.OTHER_REQUEST: Why.REFUSED,
    Cure.OTHER_FILE: Why.INPUT_GONE,
    Cure.OTHER_DRAFT: Why.DRAFT_OVER,
}


def cure_of(error: Mapping[str, Any] | None) -> Cure:
    """What a new attempt needs after this error of a job."""
    error = error or {}
    code = error.get("code")
    if code == Reason.MODERATION_BLOCKED:
        if error.get("stage") != "output":
            return Cure.OTHER_INPUT
        return Cure.NO_SOUND if error.get("modality") == "audio" else Cure.OTHER_SEED
    return _CURES.get(str(code), Cure.AGAIN)


def fails_again(error: Mapping[str, Any] | None) -> bool:
    """Whether the same request fails again after this error of a job."""
    return cure_of(error) in _HOPELESS


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why` None: it takes part. `new_seed`: a seed of the request is replaced; `no_sound`: sound is turned off;
    `new_draft`: a final is made again from a new draft."""

    why: Why | None = None
    new_seed: bool = False
    no_sound: bool = False
    new_draft: bool = False


DO: Final = Verdict()


@dataclass(frozen=True, slots=True)
class Terms:
    """What was decided beside the verb. `comment`: of a review; `discard`: cancel although it is billed; `fields`: what
    to set, as fields of a job; `whole`: a resume also ends the campaign's pause; `now`: when it is decided."""

    now: datetime
    comment: str | None = None
    discard: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = False


def verdict_on(
    verb: Verb, row: RowView, standing: JobView, newest: JobView, terms: Terms, *, paused: bool = False
) -> Verdict:
    """What a verb does with a row. `standing`: the job that stands for it; `newest`: its newest version; `paused`: its
    campaign is."""
    match verb:
        case Verb.APPROVE | Verb.REJECT:
            return _review(verb, row, standing, terms)
        case Verb.RETRY:
            if row.state not in (S.FAILED, S.CANCELLED):
                return Verdict(_live(row) or Why.NOT_FAILED)
            return _again(row, newest, terms)
        case Verb.REROLL:
            if (why := _live(row)) is not None:
                return Verdict(why)
            if row.state is S.SUCCEEDED:
                return Verdict(new_seed=True, new_draft=standing.draft_of is not None)
            found = _again(row, newest, terms)
            if found.why is Why.DRAFT_OVER:
                return Verdict(new_seed=True, new_draft=True)
            return found if found.why is not None else Verdict(None, True, found.no_sound, newest.draft_of is not None)
        case Verb.CANCEL:
            return _cancel(newest, terms)
        case Verb.RESUME:
            if newest.state is not S.QUEUED:
                return Verdict(Why.NOT_KEPT_BACK)
            if newest.reason == Reason.KEPT_BACK or (terms.whole and paused):
                return DO
            return Verdict(Why.PAUSED if paused else Why.NOT_KEPT_BACK)
        case Verb.SET:
            if newest.state is not S.QUEUED:
                return Verdict(Why.HAS_ENDED if newest.state in TERMINAL else Why.SUBMITTED)
            if row.proof and terms.fields.keys() & _OF_THE_FINAL:
                return Verdict(Why.OF_PROOF)
            of_draft = newest.draft_of is not None and not terms.fields.keys() <= _OF_THE_JOB
            return Verdict(Why.OF_DRAFT) if of_draft else DO


_OF_THE_FINAL = frozenset(SET_FOR_FINAL)
_OF_THE_JOB = frozenset({"priority", "tags", "metadata", "webhook_url", "deadline"})


def makes_final(row: RowView, job: JobView) -> bool:
    """Whether approving the job that stands for a row makes a final of it: it is a draft, or another proof."""
    return job.draft_of is None and (row.proof or bool(job.request.get("draft")))


def _review(verb: Verb, row: RowView, standing: JobView, terms: Terms) -> Verdict:
    wanted = Review.APPROVED if verb is Verb.APPROVE else Review.REJECTED
    if row.state is not S.SUCCEEDED:
        is_final = standing.draft_of is not None or LOOK_OF in standing.metadata
        if row.review is wanted and is_final and row.state not in TERMINAL:
            return Verdict(Why.DONE_ALREADY)  # its final is being made
        return Verdict(_live(row) or Why.NO_VIDEO)
    if verb is Verb.APPROVE and makes_final(row, standing):
        is_draft = bool(standing.request.get("draft"))
        if is_draft and (standing.draft_ends_at is None or standing.draft_ends_at <= terms.now):
            return Verdict(Why.DRAFT_OVER)
        return DO
    same = row.review is wanted and terms.comment in (None, row.review_comment)
    return Verdict(Why.DONE_ALREADY) if same else DO


def _again(row: RowView, newest: JobView, terms: Terms) -> Verdict:
    """The newest version has failed or was cancelled."""
    if row.edited:  # the sheet asks for something else now
        return DO
    if newest.draft_of is not None and (newest.draft_ends_at is None or newest.draft_ends_at <= terms.now):
        return Verdict(Why.DRAFT_OVER)
    cure = cure_of(newest.error) if newest.state is S.FAILED else Cure.AGAIN
    if cure in _HOPELESS:
        return Verdict(_HOPELESS[cure])
    silent = cure is Cure.NO_SOUND and newest.request.get("audio") is None
    return Verdict(None, cure in (Cure.OTHER_SEED, Cure.NO_SOUND), silent)


def _live(row: RowView) -> Why | None:
    if row.state in TERMINAL:
        return None
    return Why.UNCONFIRMED if row.state is S.UNCONFIRMED else Why.RUNNING


def _cancel(newest: JobView, terms: Terms) -> Verdict:
    match what_cancelling_does(newest):
        case "nothing":
            return Verdict(Why.HAS_ENDED)
        case "billed" if not terms.discard:
            return Verdict(Why.BILLED)
        case _:
            return DO
