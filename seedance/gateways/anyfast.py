"""AnyFast: a QuantumNous/new-api deployment in front of ByteDance Ark.

Sources: AnyFast's Seedance 2.0 manual and asset page,
https://docs.anyfast.ai/guides/model-api/bytedance/seedance-task-query, and new-api's
relay/channel/task/doubao/adaptor.go, dto/task.go, service/task_polling.go.
"""

from __future__ import annotations

from urllib.parse import quote

from seedance.gateways import ark_task, new_api_list, new_api_task
from seedance.gateways.answers import object_of, read_json
from seedance.gateways.base import AttemptOptions, TaskReport, WireAnswer, WireCall
from seedance.gateways.capabilities import Capabilities
from seedance.gateways.new_api_dialect import NewApiDialect
from seedance.request import GenerationRequest


class AnyFast(NewApiDialect):
    """AnyFast's `/v1/video/generations`: takes Ark's content array, returns new-api's task object."""

    name = "anyfast"
    default_base_url = "https://www.anyfast.com.cn"
    video_life_s = 12 * 3600.0  # the asset page says 12 h, the manual 24 h: the shorter one is safe
    refresh_s = 10.0
    facts = Capabilities(gateway="anyfast", advised_prompt=(500, 1000), list_limits=new_api_list.LIMITS, assets=True)

    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        body = ark_task.create_body(self.row_for(request), self.settled(request), attempt)
        return WireCall("POST", "/v1/video/generations", body)

    def query_call(self, task_id: str) -> WireCall:
        return WireCall("GET", f"/v1/video/generations/{quote(task_id, safe='')}")

    def read_report(self, answer: WireAnswer) -> TaskReport:
        report = new_api_task.report_of(object_of(object_of(read_json(answer.body)).get("data")))
        if report is None:
            raise self.bad_answer(answer)
        return report
