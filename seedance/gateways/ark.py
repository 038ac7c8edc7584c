"""Ark, ByteDance's own API (Volcengine Ark in China, BytePlus ModelArk elsewhere), which the other gateways wrap.

Keys and model names belong to one platform (`models/offers/ark.toml`). Ark lists tasks and cancels queued ones.

Source: byteplus-python-sdk-v2, resources/content_generation/tasks.py; https://www.volcengine.com/docs/82379/1520757
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from seedance.gateways import ark_task
from seedance.gateways.answers import count_of, object_of, read_json, text_of, unix_time_of, word_of
from seedance.gateways.ark_codes import FORM
from seedance.gateways.base import (
    AttemptOptions,
    Dialect,
    ListedTask,
    TaskPage,
    TaskReport,
    TaskStatus,
    WireAnswer,
    WireCall,
)
from seedance.gateways.capabilities import Capabilities, ListLimits, Mark, Option
from seedance.models.rows import MB, ModelRow
from seedance.request import GenerationRequest

PATH = "/contents/generations/tasks"
_MODEL_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_EXPIRES = "execution_expires_after"
_TIER = "service_tier"
_OPTIONS = {
    "model": Option(kind="text", pattern=_MODEL_NAME),
    "safety_identifier": Option(kind="text", pattern=r"\S{1,256}"),
    # Seedance 2.x has no flex tier and refuses the field; drafts and frame counts are not options.
    _TIER: Option(kind="text", values=("default",)),
    _EXPIRES: Option(kind="integer", minimum=3600, maximum=259_200),
    "priority": Option(kind="integer", minimum=0, maximum=9),
}


class Ark(Dialect):
    """Ark's `/contents/generations/tasks`: create, query, list, cancel."""

    name = "ark"
    default_base_url = "https://ark.cn-beijing.volces.com/api/v3"
    errors = FORM

    facts = Capabilities(
        gateway="ark",
        advised_prompt=(500, 1000),
        max_body_bytes=64 * MB,
        options=_OPTIONS,
        callbacks=True,
        cancel=True,
        list_limits=ListLimits(
            page_size=500,
            max_pages=500,
            max_tasks=10_000,
            window_s=7 * 86_400.0,
            flex_apart=True,
            proves_absence=True,
        ),
        list_ids=100,  # pages may have 500, but the ids are in the URL
        marks=frozenset({"seed", "expires_after"}),
    )

    def row_of(self, request: GenerationRequest) -> ModelRow | None:
        """The option `model` replaces a model that the account sells; it opens no tier: its lane stays closed."""
        sold = super().row_of(request)
        named = self.options(request).get("model")
        if sold is not None and isinstance(named, str) and not _OPTIONS["model"].problem(named):
            return self.catalog.row_for_id(named, request.tier)
        return sold

    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        row = self.row_for(request)
        body = ark_task.create_body(row, self.settled(request), attempt)
        expires_after = attempt.mark if attempt.mark is not None else attempt.expires_after_s
        if expires_after is not None:
            low, high = _OPTIONS[_EXPIRES].minimum, _OPTIONS[_EXPIRES].maximum
            body[_EXPIRES] = min(max(math.ceil(expires_after), low), high)
        body |= {name: value for name, value in self.options(request).items() if name not in ("model", *row.never_sent)}
        if attempt.callback_url is not None:
            body["callback_url"] = attempt.callback_url
        return WireCall("POST", PATH, body)

    def query_call(self, task_id: str) -> WireCall:
        return WireCall("GET", f"{PATH}/{quote(task_id, safe='')}")

    def read_report(self, answer: WireAnswer) -> TaskReport:
        report = ark_task.report_of(object_of(read_json(answer.body)))
        if report is None:
            raise self.bad_answer(answer)
        return report

    def callback_is_unfinished(self, body: bytes) -> bool:
        """Ark calls at each change of a task's state, with the body of a query's answer."""
        report = ark_task.report_of(object_of(read_json(body)))
        return report is not None and report.status in (TaskStatus.QUEUED, TaskStatus.RUNNING)

    def cancel_call(self, task_id: str) -> WireCall:
        """A DELETE cancels a queued task, is refused for a running one, and removes the record of an ended one."""
        return WireCall("DELETE", f"{PATH}/{quote(task_id, safe='')}")

    def marks(self, request: GenerationRequest) -> frozenset[Mark]:
        marks = super().marks(request)
        if _EXPIRES in self.options(request):
            marks -= {"expires_after"}
        return marks

    def list_call(
        self,
        *,
        page: int = 1,
        page_size: int = 100,
        since: float | None = None,
        until: float | None = None,
        flex: bool = False,
        task_ids: Sequence[str] = (),
    ) -> WireCall:
        """Tasks of the last seven days, newest first. Ark does not filter by time, and lists flex tasks separately."""
        params: dict[str, str | Sequence[str]] = {"page_num": str(page), "page_size": str(page_size)}
        if flex:
            params["filter.service_tier"] = "flex"
        if task_ids:
            params["filter.task_ids"] = list(task_ids)
        return WireCall("GET", PATH, params=params)

    def read_list(self, answer: WireAnswer) -> TaskPage:
        page = object_of(read_json(answer.body))
        items = page.get("items")
        if not isinstance(items, list):
            raise self.bad_answer(answer, "not a list of tasks", "list")
        read = [_listed(object_of(item)) for item in items]
        tasks = tuple(task for task in read if task is not None)
        return TaskPage(count_of(page.get("total")), tasks, len(read) - len(tasks))


def _listed(item: Mapping[str, Any]) -> ListedTask | None:
    task_id, report = text_of(item.get("id")).strip(), ark_task.report_of(item)
    if not task_id or report is None:
        return None
    created_at = unix_time_of(item.get("created_at"))
    return ListedTask(task_id, created_at, word_of(item.get("model")), report, **ark_task.echoed(item))
