"""fal's queue: a path for each model and mode, a status, a result and a cancel for each request.

Sources: https://fal.ai/docs/api-reference/inference-api, …/documentation/model-apis/{inference/queue,errors,
request-errors,webhooks}; fal-ai/fal, projects/fal_client/src/fal_client/client.py. The real queue checks an input only
when it runs, and answers then; here a wrong input is refused at once, in the same form, so that a rehearsal shows it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson

from simulator.dialects.base import REFERENCE_VIDEO_S, Callback, Route, View, json_object
from simulator.dialects.callback_urls import CallbackRules, bad_callback_url
from simulator.dialects.fal_input import BASES, PATHS, read_input
from simulator.dialects.fields import BadField
from simulator.dialects.plain import PlainDialect
from simulator.faults.kinds import Where
from simulator.tasks.task import Order, Phase, Task
from simulator.wire.answers import Answer, Call, Refused, json_answer
from simulator.wire.webhook_signer import WebhookSigner

_TASK = re.compile(r"/([^/]+/[^/]+)/requests/([^/]+)(/status|/cancel|/response)?")
_SUBMIT = re.compile(r"/[\w.-]+/[\w.-]+(?:/[\w.-]+)*")
PAGES = "https://docs.fal.ai/errors/#"
WORDS = {
    Phase.NOT_STARTED: "IN_QUEUE",
    Phase.SUBMITTED: "IN_QUEUE",
    Phase.QUEUED: "IN_QUEUE",
    Phase.RUNNING: "IN_PROGRESS",
}
# How a request ends that fal itself ends: status, error type, text.
ENDS = {
    Phase.EXPIRED: (504, "request_timeout", "Request timed out"),
    Phase.CANCELLED: (499, "client_cancelled", "Request was cancelled by the client"),
}
LOST = (503, "runner_disconnected", "Runner disconnected")
USER = "user-simulated"


class Fal(PlainDialect):
    """Submit, status, result, cancel."""

    name = "fal"
    create_path = ""
    query_path = ""
    key_scheme = "key"
    deletes_records = False
    callbacks = CallbackRules(
        frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.EXPIRED, Phase.CANCELLED}), 15.0, (1.0, 2.0, 4.0)
    )

    def route(self, method: str, path: str) -> Route | None:
        if found := _TASK.fullmatch(path):
            app, task_id, action = found[1], found[2], (found[3] or "/response")[1:]
            operations: dict[tuple[str, str], Where] = {
                ("GET", "status"): "query",
                ("GET", "response"): "query",
                ("PUT", "cancel"): "delete",
            }
            operation = operations.get((method, action))
            known = app in {base.rpartition("/fast")[0] or base for base in BASES}
            return Route(operation, task_id, action) if operation and known else None
        return Route("create") if method == "POST" and _SUBMIT.fullmatch(path) else None

    def public(self, call: Call, signer: WebhookSigner) -> Answer | None:
        return json_answer(200, signer.jwks()) if call.path == "/.well-known/jwks.json" else None

    def read_order(self, call: Call) -> Order:
        base, _, mode = call.path[1:].rpartition("/")
        if base not in BASES or mode not in PATHS:
            raise Refused(_detail(404, f"Application '{call.path[1:]}' not found"), "no_application: unknown")
        given = json_object(call.body)
        try:
            if given is None:
                raise BadField("body", "is not a JSON object")
            order = read_input({name: value for name, value in given.items() if value is not None}, base, mode)
            webhook = call.query.get("fal_webhook")
            if webhook is not None and (why := bad_callback_url(webhook, https_only=False)):
                raise BadField("fal_webhook", why)
        except BadField as exc:
            raise Refused(_invalid(exc), str(exc)) from exc
        app = "/".join(base.split("/")[:2])
        extra = {"url": f"{call.base_url}/{self.name}/{app}/requests"}
        return replace(order, callback_url=webhook, extra=extra, input_video_s=order.input_video_s * REFERENCE_VIDEO_S)

    def order_of(self, body: dict[str, Any]) -> Order:
        raise NotImplementedError  # `read_order` needs the path

    def new_id(self) -> str:
        return str(uuid4())

    def created(self, task: Task) -> Answer:
        return json_answer(200, {"status": "IN_QUEUE"} | _urls(task) | {"queue_position": 0})

    def shown(self, task: Task, view: View) -> Answer:
        """The status. The result of a request that has ended is read apart."""
        word = view.word or ("COMPLETED" if view.lost else WORDS.get(view.phase, "COMPLETED"))
        shown = {"status": word, "request_id": task.id, "response_url": _urls(task)["response_url"]}
        if word == "IN_QUEUE":
            return json_answer(202, shown | {"queue_position": 0})
        if word != "COMPLETED":
            return json_answer(202, shown | {"logs": None})
        ending = LOST if view.lost else ENDS.get(view.phase)
        if ending is not None:
            shown |= {"error": ending[2], "error_type": ending[1]}
        return json_answer(200, shown | {"logs": None, "metrics": {"inference_time": task.total_s}})

    def shown_at(self, task: Task, view: View, action: str) -> Answer:
        if action == "status":
            return self.shown(task, view)
        if view.lost or view.phase in ENDS:
            return _request_error(*(LOST if view.lost else ENDS[view.phase]))
        if view.phase is Phase.FAILED:
            return _failed(task)
        if view.phase is Phase.SUCCEEDED:
            return json_answer(200, _result(task, view), x_fal_request_id=task.id)
        return json_answer(400, {"detail": "Request is still in progress"}, x_fal_request_id=task.id)

    def called_back(self, task: Task, view: View, signer: WebhookSigner, now: float) -> Callback:
        ended_well = view.phase is Phase.SUCCEEDED
        answer = self.shown_at(task, view, "response")
        body = {
            "request_id": task.id,
            "gateway_request_id": task.id,
            "status": "OK" if ended_well else "ERROR",
            "payload": orjson.loads(answer.body),
        }
        if not ended_well:
            body["error"] = f"Invalid status code: {answer.status}"
        raw, time = orjson.dumps(body), str(int(now))
        signed = f"{task.id}\n{USER}\n{time}\n{hashlib.sha256(raw).hexdigest()}"
        given = {"Request-Id": task.id, "User-Id": USER, "Timestamp": time}
        given["Signature"] = signer.ed25519(signed.encode()).hex()
        return Callback(raw, {f"X-Fal-Webhook-{name}": value for name, value in given.items()})

    def deletion(self, task: Task, phase: Phase) -> Answer:
        if phase in (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.EXPIRED):
            return json_answer(400, {"status": "ALREADY_COMPLETED"})
        return json_answer(202, {"status": "CANCELLATION_REQUESTED"})

    def unknown_task(self, task_id: str) -> Answer:
        return json_answer(404, {"status": "NOT_FOUND"})

    def not_found(self, call: Call) -> Answer:
        return _detail(404, "Not Found")

    def no_money(self) -> Answer:
        return self.failure(403, "", "")

    def moderated(self, code: str, message: str) -> Answer:
        return _model_error(422, "content_policy_violation", message or "flagged by a content checker", "prompt")

    def failure(self, status: int, code: str, message: str) -> Answer:
        match status:
            case 401:
                return _detail(401, message or "No user found for Key ID and Secret")
            case 402 | 403:
                locked = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
                return _detail(403, message or locked)
            case 400:
                return _request_error(400, "bad_request", message or "Malformed request")
            case _ if status >= 500:
                return _request_error(status, code or "internal_error", message or "Internal error")
        return _detail(status, message or "Not Found" if status == 404 else message or "Too Many Requests")


def _urls(task: Task) -> dict[str, str]:
    url = f"{task.order.extra['url']}/{task.id}"
    return {
        "request_id": task.id,
        "gateway_request_id": task.id,
        "response_url": url,
        "status_url": f"{url}/status",
        "cancel_url": f"{url}/cancel",
    }


def _result(task: Task, view: View) -> dict[str, Any]:
    if view.links is None:
        return {"seed": task.seed}
    name = view.links.video.partition("?")[0].rpartition("/")[2]
    return {"video": {"url": view.links.video, "content_type": "video/mp4", "file_name": name}, "seed": task.seed}


def _failed(task: Task) -> Answer:
    if "SensitiveContent" in task.fate.code:
        return _model_error(422, "content_policy_violation", task.fate.message)
    return _model_error(500, "internal_server_error", task.fate.message or "Internal server error")


def _invalid(error: BadField) -> Answer:
    kind = "missing" if error.why == "is required" else "one_of"
    return _model_error(422, kind, error.why, error.field)


def _model_error(status: int, kind: str, message: str, field: str = "") -> Answer:
    place = ["body", field] if field else ["body"]
    item = {"loc": place, "msg": message, "type": kind, "url": f"{PAGES}{kind}", "input": {}}
    return json_answer(status, {"detail": [item]}, X_Fal_Retryable=str(status >= 500).lower())


def _request_error(status: int, kind: str, message: str) -> Answer:
    return json_answer(status, {"detail": message, "error_type": kind}, X_Fal_Error_Type=kind)


def _detail(status: int, message: str) -> Answer:
    return json_answer(status, {"detail": message})
