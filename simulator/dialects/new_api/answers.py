"""The two error formats of QuantumNous/new-api, which several gateways run.

Source: QuantumNous/new-api service/error.go, dto/task.go, middleware/utils.go, middleware/rate-limit.go
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Container, Sequence
from typing import Any

import orjson

from simulator.dialects.base import View, json_object, refuse
from simulator.dialects.new_api.task_list import list_tasks
from simulator.tasks.task import Task
from simulator.wire.answers import Answer, Call, Refused, json_answer
from simulator.wire.ark_error import ArkError, error_body, moderation_message

SATURATED = "当前分组上游负载已饱和，请稍后再试"


def task_error(status: int, code: str, message: str) -> Answer:
    """Format A: a flat object."""
    return json_answer(status, {"code": code, "message": message, "data": None})


def middleware_error(status: int, message: str, code: str = "") -> Answer:
    """Format B: OpenAI's format."""
    return json_answer(status, middleware_body(message, code))


def middleware_body(message: str, code: str = "") -> dict[str, Any]:
    text = f"{message} (request id: {request_id()})"
    return {"error": {"message": text, "type": "new_api_error", "code": code}}


def invalid_body(message: str) -> dict[str, Any]:
    """Format A for a request that breaks a rule."""
    return {"code": "invalid_request", "message": message, "data": None}


_CONTENT = re.compile(r"/v1/videos/([^/]+)/content")


def content_of(call: Call) -> str | None:
    """The task whose video a request downloads with the gateway's own call (controller/video_proxy.go); None: none."""
    found = _CONTENT.fullmatch(call.path) if call.method == "GET" else None
    return None if found is None else found[1]


def read_create(call: Call, models: Container[str]) -> tuple[dict[str, Any], str]:
    """The body of a create, and its model, which is one of these.

    Raises:
        Refused: it is not JSON, or has no model or another one.
    """
    body = json_object(call.body)
    if body is None:
        raise refuse(400, invalid_body("invalid JSON body"), "invalid_request: JSON")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise refuse(400, middleware_body("未指定模型名称，模型名称不能为空"), "model: missing")
    if model not in models:
        raise unknown_model(model)
    return body, model


def unknown_model(model: object) -> Refused:
    """The refusal of a model that no channel of the gateway offers."""
    message = f"分组 default 下模型 {model} 无可用渠道（distributor）"
    return refuse(503, middleware_body(message, "model_not_found"), f"model_not_found: {model}")


def upstream_body(error: ArkError) -> dict[str, Any]:
    """Ark's error as a string inside format A."""
    return {"code": "fail_to_fetch_task", "message": orjson.dumps(error.body()).decode(), "data": None}


def request_id() -> str:
    return f"{time.strftime('%Y%m%d%H%M%S', time.gmtime())}{secrets.randbelow(10**9):09d}{secrets.token_hex(4)}"


class NewApiAnswers:
    """The answers that all new-api gateways share."""

    def not_found(self, call: Call) -> Answer:
        message = f"Invalid URL ({call.method} {call.path})"
        error = {"message": message, "type": "invalid_request_error", "param": "", "code": ""}
        return json_answer(404, {"error": error})

    def listed(self, call: Call, tasks: Sequence[Task], now: float, view: Callable[[Task], View]) -> Answer:
        return list_tasks(call, tasks, view)

    def unauthorized(self) -> Answer:
        return middleware_error(401, "无效的令牌")

    def no_money(self) -> Answer:
        return task_error(403, "insufficient_user_quota", "用户额度不足, 剩余额度: ＄0.000000")

    def rate_limited(self, per_minute: int) -> Answer:
        return middleware_error(429, f"您已达到请求数限制：1分钟内最多请求{per_minute}次")

    def busy(self) -> Answer:
        return task_error(429, "fail_to_fetch_task", SATURATED)

    def too_big(self) -> Answer:
        return task_error(413, "read_request_body_failed", "http: request body too large")

    def unknown_task(self, task_id: str) -> Answer:
        return task_error(400, "task_not_exist", "task_not_exist")

    def rejected(self, error: ArkError) -> Answer:
        return json_answer(error.status, upstream_body(error))

    def moderated(self, code: str, message: str) -> Answer:
        return json_answer(400, upstream_body(ArkError(code, message or moderation_message(code))))

    def failure(self, status: int, code: str, message: str) -> Answer:
        if not code and status == 429:
            return self.busy()
        if not code and status == 401:
            return self.unauthorized()
        if not code and status == 403:
            return self.no_money()
        if not code and status < 500:
            return task_error(status, "invalid_request", message or "invalid request")
        if not code:
            body = error_body(status, "InternalServiceError", message or "The service encountered an unexpected error.")
            return task_error(status, "fail_to_fetch_task", orjson.dumps(body).decode())
        return task_error(status, code, message or code)
