"""What OpenAPI says of the routes: bodies, answers, examples."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import RedirectResponse

from producer.api.examples import JOB_EXAMPLES, PROBLEM_EXAMPLE, PROBLEM_SCHEMA, ROWS_EXAMPLE
from producer.api.videos.shape import VIDEO_SCHEMA
from producer.http.resources import JobPage, JobResource
from producer.intake.job_spec import JobSpec

_PREFIX = "#/components/schemas/"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Errors that a route may answer with."""
    content = {"application/problem+json": {"schema": {"$ref": f"{_PREFIX}Problem"}, "example": PROBLEM_EXAMPLE}}
    said = {
        400: "not JSON, or not HTTP as it should be",
        401: "the key is unknown or revoked, or one is needed",
        403: "the key may not do this, or a page of another site asks",
        404: "there is none of that id or name",
        408: "the body comes too slowly",
        409: "not possible as it stands",
        413: "the body is too large",
        415: "the body is of another type",
        422: "a field or parameter breaks a rule",
        429: "the tenant has enqueued too many jobs; come again after `Retry-After`",
        503: "the database or the object store does not answer; try again",
    }
    return {status: {"description": said[status], "content": content} for status in statuses}


def job_answer(status: int, said: str) -> dict[int | str, dict[str, Any]]:
    """An answer that is a job."""
    return {status: {"description": said, "model": JobResource}}


def json_body(schema: dict[str, Any], examples: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """A JSON body."""
    content = {"application/json": {"schema": schema, "examples": examples}}
    return {"requestBody": {"required": required, "content": content}}


def rows_body() -> dict[str, Any]:
    """A body of many jobs."""
    text = {"type": "string"}
    content = {
        "application/x-ndjson": {"schema": text, "example": ROWS_EXAMPLE},
        "text/csv": {"schema": text, "example": 'prompt,duration\n"a red fox in the snow",5\n'},
    }
    return {"requestBody": {"required": True, "content": content}}


_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
    "description": "The same as `idempotency_key` in the body: the same key and request again is the same job.",
}
_NONE_MATCH = {"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}
JOB_BODY = json_body({"$ref": f"{_PREFIX}JobSpec"}, JOB_EXAMPLES)

ENQUEUE: dict[str, Any] = {
    "responses": job_answer(202, "stored, or known by its key: then with `Idempotency-Replayed: true`")
    | problems(400, 413, 415, 422, 429, 503),
    "openapi_extra": {"parameters": [_KEY]} | JOB_BODY,
}
LIST: dict[str, Any] = {"responses": {200: {"model": JobPage, "description": "a page"}} | problems(422, 503)}
GET: dict[str, Any] = {
    "responses": job_answer(200, "the job") | {304: {"description": "as it is known"}} | problems(404, 422, 503),
    "openapi_extra": {"parameters": [_NONE_MATCH]},
}
CANCEL: dict[str, Any] = {
    "responses": job_answer(200, "cancelled")
    | job_answer(202, "a worker asks its gateway")
    | problems(400, 404, 409, 415, 422, 503),
    "openapi_extra": json_body(
        {"type": "object", "properties": {"discard": {"type": "boolean"}}, "additionalProperties": False},
        {"keep": {"value": {}}, "discard": {"value": {"discard": True}}},
        required=False,
    ),
}
RETRY: dict[str, Any] = {"responses": job_answer(202, "the new job") | problems(404, 409, 422, 429, 503)}
RESOLVE: dict[str, Any] = {
    "responses": job_answer(200, "the job") | problems(400, 404, 409, 415, 422, 503),
    "openapi_extra": json_body(
        {
            "type": "object",
            "required": ["action"],
            "properties": {
                "action": {"enum": ["adopt", "resubmit", "abandon"]},
                "task_id": {"type": "string", "description": "Of the gateway, to adopt.", "maxLength": 200},
            },
            "additionalProperties": False,
        },
        {
            "adopt": {"summary": "The gateway has it", "value": {"action": "adopt", "task_id": "task_123"}},
            "resubmit": {"summary": "Send it again; may be paid twice", "value": {"action": "resubmit"}},
            "abandon": {"summary": "Give it up as failed", "value": {"action": "abandon"}},
        },
    ),
}
FILE: dict[str, Any] = {
    "response_class": RedirectResponse,
    "responses": {302: {"description": "a link to the file"}} | problems(404, 409, 503),
}
_EVENT = {
    "type": "object",
    "required": ["id", "job_id", "at", "source", "target", "reason", "detail"],
    "properties": {
        "id": {"type": "integer"},
        "job_id": {"type": "string", "format": "uuid"},
        "at": {"type": "string", "format": "date-time"},
        "source": {"type": ["string", "null"], "description": "The state before; null when the job was stored."},
        "target": {"type": "string", "description": "The state after."},
        "reason": {"type": "string"},
        "detail": {"type": ["object", "null"]},
    },
}
_SSE = {
    "text/event-stream": {"schema": {"type": "string"}, "example": 'id: 7\ndata: {"id": 7, "target": "generating"}\n\n'}
}
_EVENT_LIST = {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "items": _EVENT}}}
JOB_EVENTS: dict[str, Any] = {
    "responses": {
        200: {"description": "the timeline", "content": {"application/json": {"schema": _EVENT_LIST}} | _SSE},
        204: {"description": "the job is terminal and there is nothing more"},
    }
    | problems(404, 422, 503)
}
EVENTS: dict[str, Any] = {
    "responses": {200: {"description": "events without end", "content": _SSE}} | problems(422, 503)
}
_COUNTS = {
    "rows": {"type": "integer"},
    "created": {"type": "integer", "description": "Stored now."},
    "known": {"type": "integer", "description": "Stored before, under the same keys."},
}
_RESULT = {
    "type": "object",
    "required": ["line"],
    "properties": {
        "line": {"type": "integer"},
        "id": {"type": "string", "format": "uuid"},
        "created": {"type": "boolean"},
        "error": PROBLEM_SCHEMA["properties"]["error"],
        "errors": PROBLEM_SCHEMA["properties"]["errors"],
    },
}


def _object(said: str, properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {"description": said, "content": {"application/json": {"schema": schema}}}


_RESULTS = _COUNTS | {"results": {"type": "array", "items": _RESULT}}
_SOME_REFUSED = _object("some rows were refused", _RESULTS | {"refused": {"type": "integer"}})
BATCH: dict[str, Any] = {
    "responses": {202: _object("every row is stored", _RESULTS), 207: _SOME_REFUSED}
    | problems(413, 415, 422, 429, 503),
    "openapi_extra": rows_body(),
}
_ESTIMATES = {"estimates": {"type": "array", "items": {"type": "object"}}, "without_price": {"type": "integer"}}
_CAMPAIGN = {
    "name": {"type": "string"},
    "created_at": {"type": "string", "format": "date-time"},
    "counts": {"type": "object", "additionalProperties": {"type": "integer"}, "description": "Jobs by state."},
    "total": {"type": "integer"},
    "finished": {"type": "integer"},
    "costs": {"type": "array", "items": {"type": "object"}, "description": "Estimated and reported, by currency."},
    "weight": {"type": "integer", "description": "Jobs it gets in its turn."},
    "budget": {
        "type": ["object", "null"],
        "description": "`amount`, `spent` and `reserved` in `currency`; `held`: some jobs do not fit into the rest.",
    },
    "links": {"type": "object", "additionalProperties": {"type": "string"}},
}
CREATE_CAMPAIGN: dict[str, Any] = {
    "responses": {
        200: _object("a dry run: nothing was stored", {"campaign": {"type": "string"}} | _ESTIMATES),
        202: _object(
            "every row is stored",
            {"campaign": {"type": "string"}, "ids": {"type": "array", "items": {"type": "string"}}}
            | _COUNTS
            | _ESTIMATES,
        ),
    }
    | problems(413, 415, 422, 429, 503),
    "openapi_extra": rows_body(),
}
CAMPAIGNS: dict[str, Any] = {
    "responses": {
        200: _object(
            "a page",
            {
                "data": {"type": "array", "items": {"type": "object", "properties": _CAMPAIGN}},
                "next_cursor": {"type": ["string", "null"]},
            },
        )
    }
    | problems(422, 503)
}
CAMPAIGN: dict[str, Any] = {"responses": {200: _object("the campaign", _CAMPAIGN)} | problems(404, 422, 503)}
MANIFEST: dict[str, Any] = {
    "responses": {
        200: {"description": "one job a line", "content": {"application/x-ndjson": {"schema": {"type": "string"}}}}
    }
    | problems(404, 422, 503)
}
_HOW_MANY = {name: {"type": "integer"} for name in ("cancelled", "asked", "refused")}
CHANGE_CAMPAIGN: dict[str, Any] = {
    "responses": {200: _object("the campaign", _CAMPAIGN)} | problems(400, 404, 413, 415, 422, 503),
    "openapi_extra": json_body(
        {
            "type": "object",
            "properties": {
                "budget": {"type": ["string", "null"], "maxLength": 40},
                "weight": {"type": ["integer", "null"], "minimum": 1, "maximum": 100},
            },
            "additionalProperties": False,
        },
        {"raise": {"value": {"budget": "100 CNY"}}, "no limit": {"value": {"budget": None}}},
    ),
}
CANCEL_CAMPAIGN: dict[str, Any] = {
    "responses": {200: _object("what came of it", _HOW_MANY | {"campaign": {"type": "object"}})}
    | problems(400, 404, 415, 422, 503),
    "openapi_extra": CANCEL["openapi_extra"],
}
PAUSE_CAMPAIGN: dict[str, Any] = {
    "responses": {200: _object("the campaign", {"name": {"type": "string"}, "paused_at": {"type": ["string", "null"]}})}
    | problems(404, 422, 503)
}
_ACCOUNT_LIST = {"accounts": {"type": "array", "items": {"type": "object"}}}
ESTIMATE: dict[str, Any] = {
    "responses": {
        200: _object(
            "the estimates",
            {
                "chosen": {"type": "string"},
                "estimate": {"type": ["object", "null"], "description": "Null: no price known."},
            }
            | _ACCOUNT_LIST,
        )
    }
    | problems(400, 413, 415, 422, 503),
    "openapi_extra": JOB_BODY,
}
CALLBACK: dict[str, Any] = {
    "responses": {
        200: _object("thanks, the job is looked at", {"received": {"type": "boolean"}}),
        404: _object("no attempt has that token there", {"error": {"type": "string"}}),
        503: _object("come again", {"error": {"type": "string"}}),
    }
    | problems(400, 403, 408, 413),
    "openapi_extra": json_body({}, {"any": {"value": {"id": "task_123"}}}, required=False),
}
_READY = {"ready": {"type": "boolean"}, "missing": {"type": "object", "description": "What is missing, and why."}}
READY: dict[str, Any] = {
    "responses": {200: _object("jobs can run", _READY), 503: _object("something is missing", _READY)}
}
CAPABILITIES: dict[str, Any] = {"responses": {200: _object("by account", _ACCOUNT_LIST)}}
TENANT: dict[str, Any] = {
    "responses": {
        200: _object(
            "whose key this is",
            {
                "name": {"type": "string"},
                "scopes": {"type": "array", "items": {"type": "string"}},
                "weight": {"type": "integer"},
                "jobs_per_minute": {"type": ["integer", "null"]},
                "budget": _CAMPAIGN["budget"],
            },
        )
    }
    | problems(503)
}
ACCOUNTS: dict[str, Any] = {"responses": {200: _object("in the order they are tried", _ACCOUNT_LIST)} | problems(503)}


_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key: rq_…"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
"""How a key is shown; a program on the server's own machine needs none."""


def install(app: FastAPI) -> None:
    """Let the application describe itself with the schemas that its bodies and errors refer to."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(
                title=app.title,
                version=app.version,
                routes=app.routes,
                description=app.description,
                tags=app.openapi_tags,
            )
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            spec = JobSpec.model_json_schema(ref_template=_PREFIX + "{model}")
            spec["properties"] = {name: _or_null(schema) for name, schema in spec["properties"].items()}
            schemas |= spec.pop("$defs", {}) | {"JobSpec": spec, "Problem": PROBLEM_SCHEMA, "Video": VIDEO_SCHEMA}
            for path, methods in found["paths"].items():
                for operation in methods.values():
                    _drop_fastapis_own(operation["responses"])
                    if path.startswith("/v1/"):
                        _add_the_guards(operation)
            found["components"]["securitySchemes"] = _KEYS
            found["security"] = [{"bearer": []}, {"header": []}, {}]
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign] # how FastAPI wants it replaced


def _drop_fastapis_own(responses: dict[str, Any]) -> None:
    """Where FastAPI checks a parameter it announces errors in its own form, which are never sent."""
    if "422" in responses:
        responses["422"] = problems(422)[422]


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Null is the same as leaving a field out, except for the prompt."""
    if schema.get("title") == "Prompt" or {"type": "null"} in schema.get("anyOf", ()):
        return schema
    about = {name: schema[name] for name in ("title", "description", "default") if name in schema}
    return about | {
        "anyOf": [{name: item for name, item in schema.items() if name not in about}, {"type": "null"}],
    }


def _add_the_guards(operation: dict[str, Any]) -> None:
    """What may be answered before any route sees a request."""
    refusals = (400, 401, 403, 408) if "requestBody" in operation else (400, 401, 403)
    for status, answer in problems(*refusals).items():
        operation["responses"].setdefault(str(status), answer)
