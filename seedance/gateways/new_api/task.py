"""new-api's own task object, `TaskDto`: AnyFast's answer to a query, and an entry of new-api's list of tasks.

Sources: QuantumNous/new-api, dto/task.go, relay/relay_task.go, service/task_polling.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedance.gateways import ark_task
from seedance.gateways.answers import (
    first_url,
    object_of,
    percent_of,
    seed_of,
    text_of,
    unix_time_of,
    usage_of,
    word_of,
)
from seedance.gateways.ark_codes import is_ark_code
from seedance.gateways.base import TaskFailure, TaskReport, TaskStatus
from seedance.gateways.new_api import errors
from seedance.gateways.statuses import status_in

STATUSES = {
    "": TaskStatus.QUEUED,
    "NOT_START": TaskStatus.QUEUED,
    "SUBMITTED": TaskStatus.QUEUED,
    "QUEUED": TaskStatus.QUEUED,
    "UNKNOWN": TaskStatus.QUEUED,
    "IN_PROGRESS": TaskStatus.RUNNING,
    "SUCCESS": TaskStatus.SUCCEEDED,
    "FAILURE": TaskStatus.FAILED,
}


def report_of(task: Mapping[str, Any]) -> TaskReport | None:
    """A task as a report; None if it has no status."""
    if not isinstance(task.get("status"), str):
        return None
    inner = object_of(task.get("data"))
    status, failure = _outcome(task, inner)
    succeeded = status is TaskStatus.SUCCEEDED
    return TaskReport(
        status=status,
        raw_status=f"{word_of(task['status'])}/{word_of(inner.get('status')) or '-'}",
        progress=percent_of(task.get("progress")),
        video_url=_video_url(task, inner) if succeeded else None,
        last_frame_url=ark_task.last_frame_url_of(inner) if succeeded else None,
        usage=usage_of(inner.get("usage")),
        seed=seed_of(inner.get("seed")),
        failure=failure,
        finished_at=_finished_at(task, inner) if succeeded else None,
    )


def _finished_at(task: Mapping[str, Any], inner: Mapping[str, Any]) -> int | None:
    """The gateway notices an end later than Ark does, so the earlier time counts."""
    within = ark_task.finished_at(inner) if ark_task.status_of(inner) is TaskStatus.SUCCEEDED else None
    return min((at for at in (unix_time_of(task.get("finish_time")), within) if at is not None), default=None)


def _outcome(task: Mapping[str, Any], inner: Mapping[str, Any]) -> tuple[TaskStatus, TaskFailure | None]:
    """The outer status, unless the inner one is more exact: the gateway shows Ark's `expired` as in progress."""
    word = word_of(task["status"]).upper()
    outer = STATUSES.get(word) or status_in(STATUSES, word, _video_url(task, inner))
    within = ark_task.status_of(inner)
    if outer is TaskStatus.SUCCEEDED or (within is TaskStatus.SUCCEEDED and ark_task.video_url_of(inner)):
        return TaskStatus.SUCCEEDED, None
    if within is not None and (ended := ark_task.ended_early(within)) is not None:
        return within, ended
    if TaskStatus.FAILED in (outer, within):
        failure = ark_task.failure_of(inner) or errors.failure_of(text_of(task.get("fail_reason")))
        unseen = within in (TaskStatus.QUEUED, TaskStatus.RUNNING) and failure.code == "generation_failed"
        if failure.code == "gateway_lost" or (unseen and not is_ark_code(failure.gateway_code)):
            # Ark never said that it failed: the gateway only lost its upstream task.
            return TaskStatus.LOST, TaskFailure("gateway_lost", failure.message, failure.gateway_code, retryable=True)
        return TaskStatus.FAILED, failure
    return outer, None


def _video_url(task: Mapping[str, Any], inner: Mapping[str, Any]) -> str | None:
    """AnyFast still copies the URL into `fail_reason` for older clients, so that field comes last."""
    return first_url(task.get("result_url"), ark_task.video_url_of(inner), task.get("fail_reason"))
