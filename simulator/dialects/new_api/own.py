"""An installation of QuantumNous/new-api of one's own: the prompt beside `metadata`, which has Ark's fields.

Sources: QuantumNous/new-api, relay/channel/task/doubao/adaptor.go (`convertToRequestPayload`: the texts of `content`
are dropped, the prompt is appended, a positive `duration` of the body wins), relay/common/relay_utils.go.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simulator.dialects.anyfast import AnyFast
from simulator.dialects.ark_rules import ModelRules, read_order, rules_2_5
from simulator.dialects.base import Route, random_id, refuse
from simulator.dialects.new_api.answers import invalid_body, read_create
from simulator.tasks.task import Order
from simulator.wire.answers import Call, Refused
from simulator.wire.ark_error import ArkError

MODELS = {
    "doubao-seedance-2-0-260128": ModelRules("doubao-seedance-2-0-260128", ("480p", "720p", "1080p", "4k")),
    "doubao-seedance-2-0-fast-260128": ModelRules("doubao-seedance-2-0-fast-260128", ("480p", "720p")),
    "doubao-seedance-2-0-mini-260615": ModelRules("doubao-seedance-2-0-mini-260615", ("480p", "720p")),
    # The adaptor forwards neither the task's type nor the format of the output.
    "doubao-seedance-2-5-260628": rules_2_5(
        "doubao-seedance-2-5-260628", ("480p", "720p", "1080p", "4k"), task_types=False, output_formats=()
    ),
}
# The fields of `requestPayload`, without those of the body.
METADATA = frozenset(
    {
        "content",
        "generate_audio",
        "ratio",
        "duration",
        "tools",
        "resolution",
        "seed",
        "watermark",
        "return_last_frame",
        "service_tier",
        "safety_identifier",
        "priority",
        "execution_expires_after",
    }
)
_FORWARDED = frozenset({"safety_identifier", "priority", "execution_expires_after"})


class NewApi(AnyFast):
    """The same answers as AnyFast's, another request."""

    name = "new-api"

    def route(self, method: str, path: str) -> Route | None:
        found = super().route(method, path)
        return None if found is not None and found.operation == "asset" else found

    def read_order(self, call: Call) -> Order:
        body, model = read_create(call, MODELS)
        if not isinstance(body.get("prompt"), str) or not body["prompt"].strip():
            raise refuse(400, invalid_body("prompt is required"), "prompt: missing")
        try:
            return replace(read_order(_forwarded(body), MODELS[model], _FORWARDED), body=body)
        except ArkError as exc:
            raise Refused(self.rejected(exc), str(exc)) from exc

    def new_id(self) -> str:
        return f"task_{random_id(32)}"


def _forwarded(body: dict[str, Any]) -> dict[str, Any]:
    """The body that goes to Ark, with the prompt first, as Ark's rules here want it; the real software appends it. It
    also drops what it does not know; here that is refused."""
    metadata, duration = body.get("metadata") or {}, body.get("duration")
    content = (metadata.get("content") or []) if isinstance(metadata, dict) else None
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise refuse(400, invalid_body("metadata cannot be read"), "metadata: another type")
    if not isinstance(duration, int | None):
        raise refuse(400, invalid_body("duration cannot be read"), "duration: another type")
    unknown = [f"metadata.{name}" for name in metadata if name not in METADATA]
    unknown += [name for name in body if name not in ("model", "prompt", "duration", "metadata")]
    if unknown:
        message = f"{unknown[0]} is not forwarded"
        raise refuse(400, invalid_body(message), f"dropped: {unknown[0]}")
    content = [item for item in content if item.get("type") != "text"]
    forwarded = {"model": body["model"], **metadata, "content": [{"type": "text", "text": body["prompt"]}, *content]}
    return forwarded | ({"duration": duration} if duration is not None and duration > 0 else {})
