"""The shared part of the dialects of new-api deployments: errors, the query and the list of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from seedance.gateways.answers import object_of, read_json
from seedance.gateways.base import Dialect, TaskPage, TaskReport, WireAnswer, WireCall
from seedance.gateways.new_api import task, task_list
from seedance.gateways.new_api.errors import FORM


class NewApiDialect(Dialect):
    """A gateway that runs QuantumNous/new-api or compatible software."""

    errors = FORM

    def query_call(self, task_id: str) -> WireCall:
        return WireCall("GET", f"/v1/video/generations/{quote(task_id, safe='')}")

    def read_report(self, answer: WireAnswer) -> TaskReport:
        report = task.report_of(object_of(object_of(read_json(answer.body)).get("data")))
        if report is None:
            raise self.bad_answer(answer)
        return report

    def content_path(self, task_id: str) -> str | None:
        """Sources: QuantumNous/new-api, controller/video_proxy.go; relay/channel/task/taskcommon/helpers.go:
        `BuildProxyURL` makes links with it, below the installation's `ServerAddress`."""
        return f"/v1/videos/{quote(task_id, safe='')}/content"

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
        return task_list.list_call(page, page_size, since, until)

    def user_headers(self, token: str, user_id: str) -> Mapping[str, str]:
        return task_list.user_headers(token, user_id)

    def read_list(self, answer: WireAnswer) -> TaskPage:
        if (reason := task_list.refusal_of(answer.body)) is not None:
            raise self.bad_answer(answer, f"the list was refused ({reason}); check user_token and user_id", "list")
        page = task_list.read_page(answer.body)
        if page is None:
            raise self.bad_answer(answer, "not a list of tasks", "list")
        total, tasks, unreadable = page
        return TaskPage(total, tasks, unreadable)
