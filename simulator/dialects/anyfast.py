"""AnyFast: new-api in front of Ark. Requests carry Ark's content array, answers new-api's task object.

Sources: AnyFast's Seedance 2.0 manual; https://docs.anyfast.ai/guides/model-api/bytedance/seedance-task-query;
QuantumNous/new-api router/video-router.go, relay/relay_task.go, relay/channel/task/doubao/adaptor.go, dto/task.go
"""

from __future__ import annotations

from simulator.dialects.anyfast_assets import ACTIONS, PREFIX
from simulator.dialects.ark_rules import ModelRules, read_order, rules_2_5
from simulator.dialects.base import Dialect, Route, View, random_id
from simulator.dialects.new_api.answers import NewApiAnswers, content_of, read_create, request_id
from simulator.dialects.new_api.task_list import list_route, task_object
from simulator.tasks.task import Order, Task
from simulator.wire.answers import Answer, Call, Refused, json_answer
from simulator.wire.ark_error import ArkError

PATH = "/v1/video/generations"
_SIZES = ("480p", "720p")
MODELS = {
    "seedance": ModelRules("doubao-seedance-2-0-260128", _SIZES, roles_needed=True),
    "seedance-fast": ModelRules("doubao-seedance-2-0-fast-260128", _SIZES, video_audio_search=False, roles_needed=True),
    "seedance-2.0-mini": ModelRules("doubao-seedance-2-0-mini-260615", _SIZES, roles_needed=True),
    "seedance-2.5": rules_2_5("doubao-seedance-2-5-260628", _SIZES, roles_needed=True, output_formats=()),
}
VIDEO_INPUT_RATIO = 0.6086


class AnyFast(NewApiAnswers, Dialect):
    """Models `seedance` and `seedance-fast` at `/v1/video/generations`, assets at `/volc/asset/`."""

    name = "anyfast"

    def file_of(self, call: Call) -> str | None:
        return content_of(call)

    def route(self, method: str, path: str) -> Route | None:
        if method == "POST" and path == PATH:
            return Route("create")
        if method == "GET" and path.startswith(f"{PATH}/") and "/" not in path[len(PATH) + 1 :]:
            return Route("query", path[len(PATH) + 1 :])
        action = path.removeprefix(PREFIX)
        if method == "POST" and action != path and action in ACTIONS:
            return Route("asset", action=action)
        return list_route(method, path)

    def read_order(self, call: Call) -> Order:
        body, model = read_create(call, MODELS)
        try:
            return read_order(body, MODELS[model])
        except ArkError as exc:
            raise Refused(self.rejected(exc), str(exc)) from exc

    def new_id(self) -> str:
        return f"asyntask_{random_id(32)}"

    def created(self, task: Task) -> Answer:
        shown = {
            "id": task.id,
            "task_id": task.id,
            "object": "video",
            "model": task.order.model,
            "status": "",
            "progress": 0,
            "created_at": int(task.created_at),
        }
        if task.order.input_video_s:
            return json_answer(200, shown, X_New_Api_Other_Ratios=f'{{"video_input":{VIDEO_INPUT_RATIO}}}')
        return json_answer(200, shown)

    def shown(self, task: Task, view: View) -> Answer:
        shown = task_object(task, view) | {"request_id": request_id()}
        return json_answer(200, {"code": "success", "message": "", "data": shown})
