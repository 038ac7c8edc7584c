"""ByteDance Ark itself (Volcengine Ark, BytePlus ModelArk), which the other gateways wrap.

Sources: `byteplus-python-sdk-v2`, byteplussdkarkruntime/resources/content_generation/tasks.py and
types/content_generation/; https://www.volcengine.com/docs/82379/1299023 (error codes)
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from simulator.dialects.ark_drafts import DRAFT_TASK, complete_final
from simulator.dialects.ark_rules import ModelRules, read_order, rules_2_5
from simulator.dialects.ark_view import WORDS, ark_task
from simulator.dialects.base import Dialect, Route, View, json_object
from simulator.dialects.callback_urls import CallbackRules, bad_callback_url
from simulator.tasks.limits import AccountLimits
from simulator.tasks.task import Order, Phase, Task
from simulator.wire.answers import Answer, Call, Refused, json_answer
from simulator.wire.ark_error import ArkError, error_body, invalid, missing, moderation_message

PATH = "/api/v3/contents/generations/tasks"
PLAN_PATH = "/api/plan/v3/contents/generations/tasks"
_FAST_SIZES = ("480p", "720p")
_SIZES = (*_FAST_SIZES, "1080p", "4k")
_STANDARD = ("doubao-seedance-2-0-260128", "dreamina-seedance-2-0-260128")
_FAST = (
    "doubao-seedance-2-0-fast-260128",
    "dreamina-seedance-2-0-fast-260128",
    "doubao-seedance-2-0-mini-260615",
    "dreamina-seedance-2-0-mini-260615",
)
MODELS = {name: ModelRules(name, _SIZES) for name in _STANDARD} | {
    name: ModelRules(name, _FAST_SIZES) for name in _FAST
}
MODELS |= {
    f"{brand}-seedance-2-5-260628": rules_2_5(f"{brand}-seedance-2-5-260628", _SIZES, drafts=True)
    for brand in ("doubao", "dreamina")
}
MODELS["dreamina-seedance-2-5-flash-261115"] = rules_2_5(
    "dreamina-seedance-2-5-flash-261115", _FAST_SIZES, output_formats=()
)
# The Agent Plan, a subscription in China, takes names without a date only.
PLAN_MODELS = {
    "doubao-seedance-2.0": ModelRules("doubao-seedance-2-0-260128", _SIZES),
    "doubao-seedance-2.0-fast": ModelRules("doubao-seedance-2-0-fast-260128", _FAST_SIZES),
    "doubao-seedance-2.0-mini": ModelRules("doubao-seedance-2-0-mini-260615", _FAST_SIZES),
    "doubao-seedance-2.5": rules_2_5("doubao-seedance-2-5-260628", _SIZES, drafts=True),
}
EXTRA_FIELDS = frozenset({"callback_url", "safety_identifier", "execution_expires_after", "priority"})
MIN_EXPIRY_S, MAX_EXPIRY_S = 3600, 259_200
MAX_PAGE = 500
_FILTERS = ("page_num", "page_size", "filter.status", "filter.model", "filter.service_tier", "filter.task_ids")
_CODES = {
    400: ("InvalidParameter", "One or more parameters are not valid."),
    401: ("AuthenticationError", "The API key or AK/SK in the request is missing or invalid."),
    403: ("AccessDenied", "The request is denied."),
    404: ("NotFound", "The specified resource is not found."),
    429: ("ServerOverloaded", "The service is currently unable to handle additional requests."),
    500: ("InternalServiceError", "The service encountered an unexpected internal error."),
}


class Ark(Dialect):
    """Create, get, list, and cancel or delete."""

    name = "ark"
    limits_4k = AccountLimits(requests_per_minute=15, max_in_flight=1)
    callbacks = CallbackRules(
        frozenset({Phase.QUEUED, Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED, Phase.EXPIRED}), 5.0, (1.0, 1.0, 1.0)
    )

    def route(self, method: str, path: str) -> Route | None:
        if path.startswith(PLAN_PATH):
            path = PATH + path.removeprefix(PLAN_PATH)
        if path == PATH:
            operations = {"POST": Route("create"), "GET": Route("list")}
            return operations.get(method)
        task_id = path.removeprefix(f"{PATH}/")
        if task_id == path or not task_id or "/" in task_id:
            return None
        return {"GET": Route("query", task_id), "DELETE": Route("delete", task_id)}.get(method)

    def read_order(self, call: Call) -> Order:
        try:
            return _order(call.body, plan=call.path.startswith(PLAN_PATH))
        except ArkError as exc:
            raise Refused(self.rejected(exc), str(exc)) from exc

    def complete(self, order: Order, find: Callable[[str], Task | None], now: float) -> Order:
        task_id = order.extra.get(DRAFT_TASK)
        if task_id is None:
            return order
        try:
            return complete_final(order, find(task_id), now)
        except ArkError as exc:
            raise Refused(self.rejected(exc), str(exc)) from exc

    def new_id(self) -> str:
        return f"cgt-{time.strftime('%Y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"

    def created(self, task: Task) -> Answer:
        shown = {"id": task.id}
        if identifier := task.order.extra.get("safety_identifier"):
            shown["safety_identifier"] = identifier
        return json_answer(200, shown)

    def shown(self, task: Task, view: View) -> Answer:
        shown = _shown(task, view)
        if task.order.version == "2.5" and "duration" in shown:
            shown["duration"] = str(shown["duration"])  # seen so in this call, as a number in lists
        return json_answer(200, shown)

    def listed(self, call: Call, tasks: Sequence[Task], now: float, view: Callable[[Task], View]) -> Answer:
        try:
            number, size = (_page(call, name, default) for name, default in (("page_num", 1), ("page_size", 10)))
            found = _filtered(call, tasks, now)
        except ArkError as exc:
            return json_answer(exc.status, exc.body())
        found.reverse()  # newest first
        page = found[(number - 1) * size : number * size]
        return json_answer(200, {"total": len(found), "items": [_shown(task, view(task)) for task in page]})

    def deletion(self, task: Task, phase: Phase) -> Answer:
        if phase is Phase.RUNNING:
            message = f"The task {task.id} is running and cannot be deleted."
            return json_answer(409, error_body(409, "InvalidAction.RunningTaskDeletion", message))
        return json_answer(200, {})

    def unknown_task(self, task_id: str) -> Answer:
        return json_answer(404, error_body(404, "NotFound.Task", f"The specified task {task_id} is not found."))

    def not_found(self, call: Call) -> Answer:
        return json_answer(404, error_body(404, "NotFound", f"Path {call.path} is not found."))

    def unauthorized(self) -> Answer:
        return self.failure(401, "", "")

    def no_money(self) -> Answer:
        return self.failure(403, "AccountOverdueError", "The account has an overdue balance.")

    def rate_limited(self, per_minute: int) -> Answer:
        message = f"The requests per minute (RPM) limit of {per_minute} for your account has been exceeded."
        return self.failure(429, "APIAccountRpmRateLimitExceeded", message)

    def busy(self) -> Answer:
        return self.failure(429, "", "")

    def too_big(self) -> Answer:
        return self.failure(413, "RequestBodyTooLarge", "The request body is larger than the limit allowed.")

    def moderated(self, code: str, message: str) -> Answer:
        return self.failure(400, code, message or moderation_message(code))

    def failure(self, status: int, code: str, message: str) -> Answer:
        usual = _CODES.get(status, _CODES[500 if status >= 500 else 400])
        return json_answer(status, error_body(status, code or usual[0], message or usual[1]))


def _order(raw: bytes, *, plan: bool) -> Order:
    body = json_object(raw)
    if body is None:
        raise ArkError("InvalidParameter", "The request body is not a JSON object.")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise missing("model")
    if plan and model not in PLAN_MODELS:
        raise ArkError("UnsupportedModel", f"The model {model} is not supported by the plan.", status=404)
    rules = PLAN_MODELS[model] if plan else ModelRules(model, _SIZES) if model.startswith("ep-") else MODELS.get(model)
    if rules is None:
        message = f"The model or endpoint {model} does not exist or you do not have access to it."
        raise ArkError("InvalidEndpointOrModel.NotFound", message, status=404)
    order = read_order(body, rules, EXTRA_FIELDS)
    callback = body.get("callback_url")
    if callback is not None and (why := bad_callback_url(callback, https_only=False)):
        raise invalid("callback_url", why)
    expiry = body.get("execution_expires_after")
    if expiry is not None and (type(expiry) is not int or not MIN_EXPIRY_S <= expiry <= MAX_EXPIRY_S):
        raise invalid("execution_expires_after", f"must be an integer in [{MIN_EXPIRY_S}, {MAX_EXPIRY_S}]")
    priority = body.get("priority")
    if priority is not None and (type(priority) is not int or not 0 <= priority <= 9):
        raise invalid("priority", "must be an integer in [0, 9]")
    identifier = body.get("safety_identifier")
    if identifier is not None and not isinstance(identifier, str):
        raise invalid("safety_identifier", "must be a string")
    extra = {"priority": priority or 0, "safety_identifier": identifier}
    if expiry is not None:
        extra["execution_expires_after"] = expiry
    return replace(order, callback_url=callback, extra={**order.extra, **extra})


def _shown(task: Task, view: View) -> dict[str, Any]:
    shown = {"error": None, "priority": task.order.extra.get("priority", 0), **ark_task(task, view, task.id)}
    if identifier := task.order.extra.get("safety_identifier"):
        shown["safety_identifier"] = identifier
    if view.word is not None:
        shown["status"] = view.word
    return shown


def _page(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PAGE):
        raise invalid(name, f"must be an integer in [1, {MAX_PAGE}]")
    return int(text)


def _filtered(call: Call, tasks: Sequence[Task], now: float) -> list[Task]:
    for name in call.query:
        if name not in _FILTERS:
            raise invalid(name, "no such parameter")
    status, model = call.query.get("filter.status"), call.query.get("filter.model")
    tier = call.query.get("filter.service_tier", "default")
    ids = frozenset(call.query.getall("filter.task_ids", []))
    if status is not None and status not in WORDS.values():
        raise invalid("filter.status", f"must be one of {', '.join(sorted(set(WORDS.values())))}")
    if tier not in ("default", "flex"):
        raise invalid("filter.service_tier", "must be default or flex")
    return [
        task
        for task in tasks
        if (not ids or task.id in ids)
        and (status is None or WORDS[task.phase(now)] == status)
        and (model is None or task.order.upstream_model == model)
        and tier == "default"
    ]
