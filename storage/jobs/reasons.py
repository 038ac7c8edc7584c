"""Every reason for a job's state, and every error code, with one line each.

The reason tells apart the ways into one state. The same codes are the `error.code` of a failed job and the outcome of
an attempt. They are a contract: programs compare them, so a code never changes its meaning. `docs/reasons.md` and the
page's texts are tested against this file.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A stable code; `line` is its meaning in a few words for people."""

    line: str

    def __new__(cls, code: str, line: str = "") -> Reason:
        reason = str.__new__(cls, code)
        reason._value_ = code
        reason.line = line
        return reason

    # Waiting in the queue.
    ENQUEUED = "enqueued", "accepted; waits for a slot"
    ACCOUNT_MISSING = "account_missing", "its account is not in the configuration"
    NO_ACCOUNT = "no_account", "no configured account can serve it"
    MODEL_CLOSED = "model_closed", "no account's key may use its model"
    ASSET_PROCESSING = "asset_processing", "the gateway is processing its files"
    ASSET_NOT_OFFERED = "asset_not_offered", "the account cannot keep files; they are sent another way"
    NOT_DELIVERABLE = "not_deliverable", "one account cannot serve it or send its files; it waits for another"
    OVER_BUDGET = "over_budget", "does not fit into what is left of the budget"
    KEPT_BACK = "kept_back", "waits until its campaign is resumed"
    BEFORE_START = "before_start", "waits for the start of its campaign"
    QUIET_HOURS = "quiet_hours", "waits for the end of its campaign's quiet hours"
    AWAITING_REVIEW = "awaiting_review", "its proof waits for a decision"
    NO_PRICE = "no_price", "no price is known in the currency of the budget"
    CHANGED = "changed", "its request was changed while it waited"

    # The POST.
    SUBMIT = "submit", "submitting"
    ACCEPTED = "accepted", "accepted by the gateway"
    NOT_SENT = "not_sent", "the gateway could not be reached"
    NOT_TRIED = "not_tried", "not attempted"
    THROTTLED = "throttled", "too many requests at the gateway"
    ACCOUNT_PROBLEM = "account_problem", "the gateway refuses the account's key, permission or credit"
    MODEL_PROBLEM = "model_problem", "this model cannot be used with this account's key"
    NOT_SERVED = "not_served", "no gateway's API answers at the account's base_url"
    INPUT_NOT_READY = "input_not_ready", "the gateway cannot use one of its files yet"
    OUTCOME_UNKNOWN = "outcome_unknown", "no clear answer: the gateway may have accepted it"
    TASK_TAKEN = "task_taken", "the gateway named a task that belongs to another job"
    SENT_BEFORE_RESTORE = (
        "sent_before_restore",
        "sent to the gateway after the backup that the database was restored from",
    )
    SUBMIT_LOST = "submit_lost", "the worker stopped during the POST: the gateway may have accepted it"

    # Unconfirmed, and how that ends.
    LOOKING = "looking", "looking for its task at the gateway"
    HELD = "held", "held for a decision"
    ADOPTED = "adopted", "its task was found at the gateway"
    ACCEPTED_LATE = "accepted_late", "an earlier attempt was accepted after all"
    DOUBLE_CHARGE = "double_charge", "another attempt was accepted as well: it may be paid for twice"
    NOT_SUBMITTED = "not_submitted", "proven not accepted"
    PROVEN_NOT_SUBMITTED = "proven_not_submitted", "proven not accepted; submitted again"
    RESUBMITTED = "resubmitted", "submitted again by hand"
    RESUBMITTED_BY_POLICY = "resubmitted_by_policy", "submitted again by the policy"
    NEVER_ACCEPTED = "never_accepted", "no attempt got a clear answer, and none was accepted"
    ABANDONED = "abandoned", "given up by hand"

    # Generating.
    GENERATING = "generating", "generating"
    STATUS_UNKNOWN = "status_unknown", "the gateway reports a status that is not known"
    BAD_ANSWER = "bad_answer", "the gateway's answer cannot be read"
    GATEWAY_UNAVAILABLE = "gateway_unavailable", "the gateway does not answer as documented"
    GATEWAY_ERROR = "gateway_error", "the gateway reported an error"
    TASK_UNKNOWN = "task_unknown", "the gateway does not know the task"
    RESULT_MISSING = "result_missing", "finished without a link"
    GENERATED = "generated", "generated"
    CANCELLING = "cancelling", "waiting for the gateway to cancel it"
    NO_FRESH_LINK = "no_fresh_link", "the gateway gives no fresh link; the known one is tried again"
    CANCEL_TOO_LATE = "cancel_too_late", "too late to cancel free of charge"

    # Transferring.
    DOWNLOAD_FAILED = "download_failed", "the download failed"
    STORE_UNAVAILABLE = "store_unavailable", "the object store does not accept the video"
    WRONG_CONTENT = "wrong_content", "the download is not a video"
    URL_REFUSED = "url_refused", "its link was refused; a fresh one is requested"
    URL_NOT_PUBLIC = "url_not_public", "its link leads to a private address"
    VIDEO_EXPIRING = "video_expiring", "its link expires soon"
    LAST_FRAME_FAILED = "last_frame_failed", "its last frame could not be copied"
    LAST_FRAME_REFUSED = "last_frame_refused", "the link of its last frame was refused"

    # Ended.
    STORED = "stored", "stored and verified"
    FOUND_STORED = "found_stored", "its video was found in the bucket after a restore"
    APPROVED = "approved", "its video was approved"
    REJECTED = "rejected", "its video was rejected"
    CANCELLED = "cancelled", "cancelled before it was submitted"
    CANCELLED_UPSTREAM = "cancelled_upstream", "cancelled at the gateway"
    DISCARDED = "discarded", "discarded; it is billed if it was generated"
    INVALID_REQUEST = "invalid_request", "the gateway refuses the request"
    INPUT_GONE = "input_gone", "one of its files is no longer in the bucket"
    MODERATION_BLOCKED = "moderation_blocked", "refused for its content"
    ASSET_FAILED = "asset_failed", "the gateway could not process one of its files"
    DEADLINE_EXCEEDED = "deadline_exceeded", "the deadline passed"
    DRAFT_EXPIRED = "draft_expired", "its draft is too old for a final"
    GENERATION_TIMEOUT = "generation_timeout", "generating took too long"
    GENERATION_FAILED = "generation_failed", "the generation failed"
    EXPIRED_UPSTREAM = "expired_upstream", "the task expired at the gateway"
    GATEWAY_LOST = "gateway_lost", "the gateway lost its upstream task"
    TASK_LOST = "task_lost", "the gateway lost the task"
    VIDEO_EXPIRED = "video_expired", "its link expired before the video was copied"


OBSTACLES = frozenset(
    {
        Reason.ACCOUNT_MISSING,
        Reason.NO_ACCOUNT,
        Reason.MODEL_CLOSED,
        Reason.OVER_BUDGET,
        Reason.KEPT_BACK,
        Reason.NO_PRICE,
    }
)
"""Reasons of queued jobs that wait for people: they end when the configuration, a key or a budget is changed, or the
campaign is resumed."""


OWN_WORDS = frozenset(
    {Reason.ABANDONED, Reason.DEADLINE_EXCEEDED, Reason.DRAFT_EXPIRED, Reason.GENERATION_TIMEOUT, Reason.VIDEO_EXPIRED}
)
"""Error codes whose message is reelq's own: no gateway said it."""


TRIED_BEFORE = (
    Reason.ACCOUNT_PROBLEM,
    Reason.INPUT_NOT_READY,
    Reason.MODEL_PROBLEM,
    Reason.NOT_SENT,
    Reason.NOT_SERVED,
    Reason.THROTTLED,
)
"""Reasons of queued jobs that were tried before and came back to the queue. An index keeps these jobs apart."""
