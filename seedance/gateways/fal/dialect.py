"""fal: a queue in front of many models. One path per model and mode, `Authorization: Key …`.

How sure each fact is: [D] fal's pages https://fal.ai/docs/api-reference/inference-api and
…/documentation/model-apis/{inference/queue,errors,request-errors,webhooks}; [S] its own client, fal-ai/fal,
projects/fal_client; [3p] third parties' notes on the schemas of the models' pages; [I] an inference.

* "Status, result, and cancel URLs use only the owner and the app" of the model [D]: `bytedance/seedance-2.5` of
  `bytedance/seedance-2.5/text-to-video`. So a task's handle is owner, app and request id, and its calls go to the
  account's own address, whatever host an answer names: decisions/0031.
* COMPLETED is the end of failures too [D]; the newer form of the status has `error` and `error_type` then [S]. The
  result is read at `response_url` [D], which is with or without a final `/response` [D], [S].
* `duration` is text, "auto" for the model's choice; `aspect_ratio` "auto" for the first frame's [3p].
* A webhook repeats 10 times in 2 h and is signed with Ed25519 [D]. Its body names the request id only.
* A cancel answers 202 `CANCELLATION_REQUESTED`, and a running task may still end and be billed [D].
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

from seedance.errors import OutcomeUnknown
from seedance.gateways.answers import excerpt, id_of, object_of, read_json, seed_of, text_of, url_of, word_of
from seedance.gateways.base import (
    AttemptOptions,
    Callback,
    CallbackProof,
    Dialect,
    Submitted,
    TaskReport,
    TaskStatus,
    WireAnswer,
    WireCall,
)
from seedance.gateways.capabilities import Capabilities
from seedance.gateways.fal.errors import CANCELLED, FORM, OF_ANY_REQUEST, failure_of, request_failure
from seedance.gateways.signatures import UNSIGNED, ed25519_forgery, from_hex, stale
from seedance.models.catalog import OwnModels
from seedance.problems import InvalidInput, Problem, shorten
from seedance.request import AUTO_DURATION, RANDOM_SEED, GenerationRequest

ENDED = "COMPLETED"
STATUSES = {"IN_QUEUE": TaskStatus.QUEUED, "IN_PROGRESS": TaskStatus.RUNNING, ENDED: TaskStatus.RUNNING}
_AUTO = "auto"
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_MODEL = re.compile(rf"{_PART}/{_PART}(?:/.*)?")
_HANDLE = re.compile(rf"({_PART}/{_PART})/([^/]+)")
_BESIDE_THE_ID = ("gateway_request_id", "response_url", "status_url")
_RESPONSE = re.compile(r"/response/?(?:\?|$)")


class Fal(Dialect):
    """fal's queue."""

    name = "fal"
    default_base_url = "https://queue.fal.run"
    errors = FORM
    accepted_statuses = frozenset({200, 202})
    callback_proof = CallbackProof.PUBLISHED
    facts = Capabilities(gateway="fal", callbacks=True, cancel=True)
    callback_keys_url = "https://rest.alpha.fal.ai/.well-known/jwks.json"

    def with_models(self, models: OwnModels, *, base_url: str | None = None, default_model: str | None = None) -> Self:
        for name, value in models.items():
            own_id = value if isinstance(value, str) else value.get("id")
            if isinstance(own_id, str) and not _MODEL.fullmatch(own_id):
                message = f"must begin with OWNER/APPLICATION, by which fal finds its tasks, not {shorten(own_id)}"
                raise InvalidInput([Problem(f"models.{name}", message)])
        return super().with_models(models, base_url=base_url, default_model=default_model)

    def key_headers(self, key: str) -> Mapping[str, str]:
        return {"Authorization": f"Key {key}"}

    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        row, request = self.row_for(request), self.settled(request)
        seed = request.seed if request.seed is not None else attempt.seed
        reference = request.mode == "reference"
        optional = {
            "image_url": request.first_frame,
            "end_image_url": request.last_frame,
            "image_urls": list(request.reference_images) if reference else None,
            "video_urls": list(request.reference_videos) or None,
            "audio_urls": list(request.reference_audios) or None,
            "duration": _duration(request.duration),
            "resolution": request.resolution,
            "aspect_ratio": _AUTO if request.ratio == "adaptive" else request.ratio,
            "generate_audio": request.audio,
            "seed": seed if "seed" in row.flags and seed != RANDOM_SEED else None,
        }
        body: dict[str, Any] = {"prompt": request.prompt}
        body |= {name: value for name, value in optional.items() if value not in (None, [])}
        params = {} if attempt.callback_url is None else {"fal_webhook": attempt.callback_url}
        return WireCall("POST", f"/{row.model_of(request.use, request.resolution)}", body, params=params)

    def read_submitted(self, answer: WireAnswer) -> Submitted:
        """The answer also has a `gateway_request_id`, which changes when fal tries again, and URLs of the request. One
        of them must be there: what stands in between numbers its own requests, often under the name `request_id`."""
        data = object_of(read_json(answer.body))
        own = answer.status in self.accepted_statuses and "detail" not in data
        own = own and any(text_of(data.get(name)) for name in _BESIDE_THE_ID)
        if own and (named := _id_of(data)):
            return Submitted(named)
        raise OutcomeUnknown(
            f"accepted without a request id: {excerpt(answer.body)}", gateway=self.name, status=answer.status
        )

    def task_handle(self, named: str, model: str) -> str:
        """`bytedance/seedance-2.5/<request id>`."""
        app = "/".join(model.split("/")[:2])
        return named if named.startswith(f"{app}/") else f"{app}/{named}"

    def query_call(self, task_id: str) -> WireCall:
        return WireCall("GET", f"{_path(task_id)}/status")

    def cancel_call(self, task_id: str) -> WireCall:
        return WireCall("PUT", f"{_path(task_id)}/cancel")

    def read_report(self, answer: WireAnswer) -> TaskReport:
        """The status. An ended task without an error of the queue's counts as running until its result is read."""
        task = object_of(read_json(answer.body))
        word = word_of(task.get("status"))
        if not word:
            raise self.bad_answer(answer)
        code = word_of(task.get("error_type"))
        if word != ENDED or not (code or text_of(task.get("error"))):
            return TaskReport(STATUSES.get(word, TaskStatus.UNKNOWN), word)
        failure = request_failure(code, text_of(task.get("error")))
        status = TaskStatus.CANCELLED if code == CANCELLED else TaskStatus.FAILED
        return TaskReport(status, word, failure=failure)

    def result_call(self, task_id: str, answer: WireAnswer) -> WireCall | None:
        task = object_of(read_json(answer.body))
        if word_of(task.get("status")) != ENDED:
            return None
        ending = "/response" if _RESPONSE.search(text_of(task.get("response_url"))) else ""
        return WireCall("GET", f"{_path(task_id)}{ending}")

    def read_result(self, answer: WireAnswer) -> TaskReport:
        if 200 <= answer.status < 300:
            result = object_of(read_json(answer.body))
            if (url := url_of(object_of(result.get("video")).get("url"))) is None:
                raise self.bad_answer(answer, "a result without a video")
            return TaskReport(TaskStatus.SUCCEEDED, ENDED, video_url=url, seed=seed_of(result.get("seed")))
        by_queue = "x-fal-request-id" in answer.headers or "x-fal-error-type" in answer.headers
        failure = failure_of(answer.status, answer.body, by_queue=by_queue)
        if failure is None:
            raise self.read_error("query", answer)
        if failure.gateway_code in OF_ANY_REQUEST:
            # Perhaps only this call failed, and the video is there: ended without a video, until it repeats for long.
            return TaskReport(TaskStatus.SUCCEEDED, f"{ENDED}/{failure.gateway_code}")
        status = TaskStatus.CANCELLED if failure.code == "cancelled_upstream" else TaskStatus.FAILED
        return TaskReport(status, ENDED, failure=failure)

    def read_callback(self, body: bytes) -> str:
        return _id_of(object_of(read_json(body)))

    def callback_forgery(self, callback: Callback, keys: Sequence[str], now: float) -> str | None:
        """Ed25519 over request id, user id, time and the SHA-256 of the body, one a line."""
        names = ("request-id", "user-id", "timestamp", "signature")
        request, user, time, signature = (callback.headers.get(f"x-fal-webhook-{name}", "") for name in names)
        if not (request and user and signature):
            return UNSIGNED
        signed = f"{request}\n{user}\n{time}\n{hashlib.sha256(callback.body).hexdigest()}"
        return stale(time, now) or ed25519_forgery(signed.encode(), from_hex(signature), keys)


def _duration(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    return _AUTO if seconds == AUTO_DURATION else str(seconds)


def _path(handle: str) -> str:
    """The path of a task, from its handle. An id alone is taken for one of Seedance 2.5."""
    found = _HANDLE.fullmatch(handle)
    app, request = found.groups() if found else ("bytedance/seedance-2.5", handle)
    return f"/{app}/requests/{quote(request, safe='')}"


def _id_of(data: Mapping[str, Any]) -> str:
    named = id_of(data.get("request_id"))
    return named if len(named) <= 200 else ""
