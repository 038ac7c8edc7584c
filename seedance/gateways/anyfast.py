"""AnyFast: a QuantumNous/new-api deployment in front of ByteDance Ark.

Sources: AnyFast's Seedance 2.0 manual and asset page,
https://docs.anyfast.ai/guides/model-api/bytedance/seedance-task-query, and new-api's
relay/channel/task/doubao/adaptor.go, dto/task.go, service/task_polling.go.
"""

from __future__ import annotations

from seedance.gateways import ark_task
from seedance.gateways.base import AttemptOptions, WireCall
from seedance.gateways.capabilities import Capabilities
from seedance.gateways.new_api.dialect import NewApiDialect
from seedance.gateways.new_api.task_list import LIMITS
from seedance.request import GenerationRequest


class AnyFast(NewApiDialect):
    """AnyFast's `/v1/video/generations`: takes Ark's content array, returns new-api's task object."""

    name = "anyfast"
    default_base_url = "https://www.anyfast.com.cn"
    video_life_s = 12 * 3600.0  # the asset page says 12 h, the manual 24 h: the shorter one is safe
    refresh_s = 10.0
    facts = Capabilities(gateway="anyfast", advised_prompt=(500, 1000), list_limits=LIMITS, assets=True)

    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        body = ark_task.create_body(self.row_for(request), self.settled(request), attempt)
        return WireCall("POST", "/v1/video/generations", body)
