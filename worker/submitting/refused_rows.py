"""What becomes of a queued job whose row the database refuses, as another program may have stored it."""

from __future__ import annotations

import logging

import psycopg

from storage.jobs import attempts, transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from storage.logs.context import about
from worker.decisions import Decision, fail
from worker.runtime import Runtime
from worker.submitting.decisions import UNCONFIRMED_CHECK_S
from worker.submitting.earlier import settle_earlier

log = logging.getLogger("reelq.submit")


def end_refused(runtime: Runtime, work: Work, exc: psycopg.Error) -> None:
    """End a job that cannot be submitted: it fails, unless an earlier attempt may have been accepted. Then it waits for
    the task of that attempt, as an unconfirmed job: the video may be paid for."""
    because = exc.diag.message_primary  # the rest of the text holds the row, and in it the prompt
    log.error("submit.row_refused job_id=%s error=%s", work.id, because, extra=about(work.story))
    message = f"the database refuses an attempt of this job: {because}"
    with runtime.database.begin() as conn:
        if work.id in settle_earlier(conn, [work]).settled:
            return
        doubt = attempts.return_to_doubt(conn, work.id, work.claim)
        if doubt is None:
            transitions.move(conn, [fail(Reason.INVALID_REQUEST, message).move(work)])
            return
        # Under the policy `resubmit` the job comes back here each time, because no attempt can be made.
        by_policy = runtime.settings.unconfirmed_policy == "resubmit"
        check_in_s = runtime.settings.unconfirmed_grace_seconds if by_policy else UNCONFIRMED_CHECK_S
        patch = {"account": doubt.account, "gateway": doubt.gateway, "model": doubt.model}
        detail = {"message": f"{message}; the gateway may have accepted attempt {doubt.number}"}
        held = Decision(JobState.UNCONFIRMED, Reason.OUTCOME_UNKNOWN, check_in_s, patch, detail)
        transitions.move(conn, [held.move(work)])
