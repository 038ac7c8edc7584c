"""What OpenAPI says of the routes of webhooks."""

from __future__ import annotations

from typing import Any

from producer.api.documents import json_body, problems
from producer.operator_actions.webhooks import EVENTS, MAX_OVERLAP_S

_WHEN = {"type": ["string", "null"], "format": "date-time"}
_ID = {"type": "string", "format": "uuid"}
_EVENTS = {"type": "array", "items": {"enum": list(EVENTS)}, "description": "Empty: all of them."}
_URL = {"type": "string", "maxLength": 2048}
_ENDPOINT = {
    "id": _ID,
    "url": _URL,
    "events": _EVENTS,
    "previous_until": _WHEN | {"description": "Until then there is a signature of the former secret as well."},
    "disabled_at": _WHEN,
    "disabled_reason": {"type": ["string", "null"]},
    "created_at": {"type": "string", "format": "date-time"},
}
_SECRET = {"secret": {"type": "string", "description": "Shown this once."}}
_MESSAGE = {
    "id": {"type": "string", "description": "The `webhook-id` of every attempt."},
    "type": {"type": "string"},
    "state": {"enum": ["pending", "retrying", "delivered", "dead"]},
    "job_id": {"type": ["string", "null"]},
    "endpoint_id": {"type": ["string", "null"], "description": "Null: it goes to the `webhook_url` of its job."},
    "url": {"type": ["string", "null"], "description": "Null: its endpoint was removed."},
    "attempts": {"type": "integer"},
    "replays": {"type": "integer"},
    "last_status": {"type": ["integer", "null"]},
    "last_error": {"type": ["string", "null"]},
    "last_answer": {"type": ["string", "null"], "description": "The beginning of the body, where it was not taken."},
    "created_at": {"type": "string", "format": "date-time"},
    "due_at": _WHEN | {"description": "When it is sent next."},
    "last_attempt_at": _WHEN,
    "delivered_at": _WHEN,
    "dead_at": _WHEN,
}


def _schema(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _answer(status: int, said: str, schema: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": said, "content": {"application/json": {"schema": schema}}}}


def _body(properties: dict[str, Any], examples: dict[str, Any], *required: str, empty: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    named = {name: {"value": value} for name, value in examples.items()}
    return json_body(schema, named, required=not empty)


def _list_of(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return _schema({"data": {"type": "array", "items": _schema(properties)}} | more)


_REFUSED = (400, 403, 408, 413, 415, 422, 503)

ENDPOINTS: dict[str, Any] = {"responses": _answer(200, "every endpoint", _list_of(_ENDPOINT)) | problems(503)}
ADD_ENDPOINT: dict[str, Any] = {
    "responses": _answer(201, "made", _schema(_ENDPOINT | _SECRET)) | problems(*_REFUSED),
    "openapi_extra": _body(
        {"url": _URL, "events": _EVENTS},
        {
            "all": {"url": "https://shop.example/hooks/reelq"},
            "ends": {"url": "https://shop.example/hooks/reelq", "events": ["job.succeeded", "job.failed"]},
        },
        "url",
    ),
}
ENDPOINT: dict[str, Any] = {"responses": _answer(200, "the endpoint", _schema(_ENDPOINT)) | problems(404, 422, 503)}
CHANGE_ENDPOINT: dict[str, Any] = {
    "responses": _answer(200, "as it is now", _schema(_ENDPOINT)) | problems(404, *_REFUSED),
    "openapi_extra": _body(
        {"events": _EVENTS | {"type": ["array", "null"]}, "disabled": {"type": ["boolean", "null"]}},
        {"enable": {"disabled": False}, "events": {"events": ["campaign.finished"]}},
    ),
}
REMOVE_ENDPOINT: dict[str, Any] = {
    "responses": {204: {"description": "removed"}} | problems(403, 404, 422, 503),
}
ROTATE: dict[str, Any] = {
    "responses": _answer(200, "the new secret", _schema(_ENDPOINT | _SECRET)) | problems(404, *_REFUSED),
    "openapi_extra": _body(
        {"overlap_seconds": {"type": "number", "minimum": 0, "maximum": MAX_OVERLAP_S, "default": 86400}},
        {"at once": {"overlap_seconds": 0}, "a day": {}},
        empty=True,
    ),
}
SECRET: dict[str, Any] = {
    "responses": _answer(200, "the secrets", _schema({"secrets": {"type": "array", "items": {"type": "string"}}}))
    | problems(403)
}
MESSAGES: dict[str, Any] = {
    "responses": _answer(200, "a page", _list_of(_MESSAGE, next_cursor={"type": ["string", "null"]}))
    | problems(422, 503)
}
MESSAGE: dict[str, Any] = {"responses": _answer(200, "the message", _schema(_MESSAGE)) | problems(404, 503)}
REPLAY_ONE: dict[str, Any] = {
    "responses": _answer(202, "it will be sent again", _schema(_MESSAGE)) | problems(403, 404, 409, 503)
}
REPLAY_MANY: dict[str, Any] = {
    "responses": _answer(202, "they will be sent again", _schema({"replayed": {"type": "integer"}}))
    | problems(*_REFUSED),
    "openapi_extra": _body(
        {"dead": {"type": "boolean"}, "since": {"type": "string", "format": "date-time"}, "endpoint_id": _ID},
        {"given up": {"dead": True}, "since": {"since": "2030-01-31T18:00:00Z"}},
    ),
}
TEST: dict[str, Any] = {
    "responses": _answer(200, "what came back", _schema(_MESSAGE))
    | _answer(202, "not sent within half a minute; look at the message later", _schema(_MESSAGE))
    | problems(404, *_REFUSED),
    "openapi_extra": _body({"url": _URL, "endpoint_id": _ID}, {"url": {"url": "https://shop.example/hooks/reelq"}}),
}
