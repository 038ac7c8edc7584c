"""What OpenAPI says beyond what FastAPI derives from the routes: errors, and the bodies that routes read themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from starlette.responses import StreamingResponse

from producer.api.account_bodies import ACCOUNT_BODIES
from producer.api.batches.resources import BATCH_BODIES
from producer.api.campaign_rows.bodies import ROW_BODIES
from producer.api.campaign_rows.forms import CampaignForm, ErrorsForm, PlanForm
from producer.api.examples import CSV_EXAMPLE, EVENT_EXAMPLE, JOB_EXAMPLES, LINES_EXAMPLE, PROBLEM_EXAMPLE
from producer.api.openapi.bounds import OF_MEMBERS, OF_PARAMETERS, bound
from producer.api.openapi.code_samples import add_code_samples
from producer.api.request_bodies import BODIES, FORMS
from producer.api.videos.request_bodies import VIDEO_BODIES, ImageUrl
from producer.campaigns.decisions.carry_out import MAX_OPERATION_CHARS
from producer.http.problem_details import MEDIA_TYPE, ProblemDetails
from producer.intake.job_spec import MAX_KEY_CHARS, JobSpec

_WORKBOOKS = (
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.ms-excel",
    "application/vnd.oasis.opendocument.spreadsheet",
)
_OWN_BODIES: tuple[type[BaseModel], ...] = (
    *BODIES,
    *FORMS,
    *ACCOUNT_BODIES,
    *ROW_BODIES,
    CampaignForm,
    PlanForm,
    ErrorsForm,
    *VIDEO_BODIES,
    *BATCH_BODIES,
)
"""Bodies that routes read themselves."""
_SCHEMAS = "#/components/schemas/{model}"
_ERRORS = {
    400: "The request is not valid HTTP or not valid JSON.",
    401: "A key is needed, or the key is unknown or revoked.",
    402: "The jobs cost more than the purse of the key still has.",
    403: "The key may not do this, or a page of another site sent the request.",
    404: "Nothing of the tenant has that id or name.",
    408: "The body arrives too slowly.",
    409: "Not possible in the current state; `detail` says why.",
    413: "The body is too large.",
    415: "The body has an unsupported type.",
    416: "The file has no such range; `Content-Range` says its length.",
    422: "A field or a parameter is not valid.",
    429: "Too many jobs or requests of the tenant, or too many wrong keys from the address; retry after `Retry-After`.",
    503: "The database or the object store does not answer; retry after `Retry-After`.",
}
_BEFORE_EVERY_ROUTE = (400, 401, 403, 422, 429)
_BEFORE_EVERY_BODY = (402, 408)
_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key: rq_…"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
"""How a key is sent; a program on the server's own machine needs none."""

# Headers that routes read themselves: as parameters of FastAPI they would cost the hot routes 4 % more CPU.
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": MAX_KEY_CHARS},
    "description": "The same as `idempotency_key` in the body. The same key with the same request is the same job.",
}
OPERATION_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_OPERATION_CHARS},
    "description": "The same as `operation` in the body: the same request with the same key does nothing, and gets the "
    "same answer; another request with it is refused.",
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The `ETag` of the version that you know.",
}

Responses = dict[int | str, dict[str, Any]]


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


class JsonLines(StreamingResponse):
    """One JSON object per line."""

    media_type = "application/x-ndjson"


# --- what routes declare ---------------------------------------------------------------------------------------------


def problems(*statuses: int) -> Responses:
    """Errors that a route may answer with. Those that come before every route are added to each."""
    content = {MEDIA_TYPE: {"schema": _ref(ProblemDetails)}}
    return {status: {"description": _ERRORS[status], "content": content} for status in statuses}


def also(status: int, description: str, **more: Any) -> Responses:
    """Another answer of a route; `more` is its `model` or its `content`."""
    return {status: {"description": description, **more}}


def headers(*parameters: dict[str, Any]) -> dict[str, Any]:
    """Headers that a route reads itself."""
    return {"parameters": list(parameters)}


def json_body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """A JSON body that the route reads itself; the model must be one of the `_OWN_BODIES`."""
    return _body({"application/json": {"schema": _ref(model)}}, required=required)


def job_body() -> dict[str, Any]:
    """A job as a body, with examples."""
    return _body({"application/json": {"schema": _ref(JobSpec), "examples": JOB_EXAMPLES}})


def rows_body(rows: type, form: type | None = None) -> dict[str, Any]:
    """A body of many jobs, one per row; `rows` is the type of a JSON array of them, `form` that of a form with a sheet;
    both are among the bodies that routes read themselves."""
    text = {"type": "string"}
    return _body(
        ({} if form is None else {"multipart/form-data": {"schema": _ref(form)}})
        | {
            "application/json": {"schema": _ref(rows)},
            JsonLines.media_type: {"schema": text, "example": LINES_EXAMPLE},
            "text/csv": {"schema": text, "example": CSV_EXAMPLE},
            **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in _WORKBOOKS},
        }
    )


def form_or_json_body(of_json: type[BaseModel], of_form: type[BaseModel] | None = None) -> dict[str, Any]:
    """A body that may be JSON or a form; both must be `VIDEO_BODIES`."""
    content = {"application/json": {"schema": _ref(of_json)}}
    if of_form is not None:
        content["multipart/form-data"] = {"schema": _ref(of_form)}
    return _body(content)


def form_body(model: type[BaseModel]) -> dict[str, Any]:
    """A body that is a form."""
    return _body({"multipart/form-data": {"schema": _ref(model)}})


def form_or_bytes_body(model: type[BaseModel], *kinds: str) -> dict[str, Any]:
    """A body that is a file of one of these types, or a form with it; the model must be one of the `BODIES`."""
    return _body(file_content(*kinds) | {"multipart/form-data": {"schema": _ref(model)}})


def any_body() -> dict[str, Any]:
    """A body that may be anything, or missing."""
    return _body(
        {"application/json": {"schema": {}, "examples": {"any": {"value": {"id": "task_123"}}}}}, required=False
    )


def event_stream(example: str = EVENT_EXAMPLE) -> dict[str, Any]:
    """The content of a stream of events."""
    return {EventStream.media_type: {"schema": {"type": "string"}, "example": example}}


def file_content(*kinds: str) -> dict[str, Any]:
    """The content of a file of one of these types."""

    def schema(kind: str) -> dict[str, str]:
        is_text = kind.startswith("text/") or kind == JsonLines.media_type
        return {"type": "string"} if is_text else {"type": "string", "format": "binary"}

    return {kind: {"schema": schema(kind)} for kind in kinds}


def _body(content: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"requestBody": {"required": required, "content": content}}


def _ref(model: type) -> dict[str, str]:
    return {"$ref": _SCHEMAS.format(model=model.__name__)}


# --- the document ----------------------------------------------------------------------------------------------------


def install(app: FastAPI) -> None:
    """Let the application describe itself, with the schemas that bodies and errors refer to."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign] # how FastAPI wants it replaced


def _document(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=app.title, version=app.version, routes=app.routes, description=app.description, tags=app.openapi_tags
    )
    for path, operation in _operations(found):
        for parameter in operation.get("parameters", ()):
            bound(parameter["schema"], OF_PARAMETERS.get(parameter["name"], {}))
        responses = operation["responses"]
        if "422" in responses:  # FastAPI announces errors of its own form, which are never sent
            responses |= _as_text(problems(422))
        if path.startswith("/v1/"):
            always = _BEFORE_EVERY_ROUTE + (_BEFORE_EVERY_BODY if "requestBody" in operation else ())
            operation["responses"] = _as_text(problems(*always)) | responses
    schemas = found["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= _read_by_routes()
    add_code_samples(found)
    found["components"]["securitySchemes"] = _KEYS
    found["security"] = [{"bearer": []}, {"header": []}, {}]
    return found


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def _as_text(responses: Responses) -> dict[str, Any]:
    return {str(status): answer for status, answer in responses.items()}


def _read_by_routes() -> dict[str, Any]:
    """The schemas of what FastAPI does not see: bodies, and errors."""
    models: list[type] = [JobSpec, *_OWN_BODIES, ProblemDetails]
    adapters: list[tuple[type, Literal["validation"], TypeAdapter[Any]]] = [
        (model, "validation", TypeAdapter(model)) for model in models
    ]
    _, found = TypeAdapter.json_schemas(adapters, ref_template=_SCHEMAS)
    schemas: dict[str, Any] = found["$defs"]
    job = schemas[JobSpec.__name__]
    # A final has its draft's prompt, and must not repeat it. Generators skip `if`; an `anyOf` without types lets them
    # generate a body that may be anything.
    job |= {"if": {"required": ["draft_of"]}, "else": {"required": job.pop("required")}}
    job["properties"] = {name: _or_null(schema) for name, schema in job["properties"].items()}
    bodies: list[type] = [*_OWN_BODIES, ImageUrl, JobSpec]
    for body in bodies:
        for name, schema in schemas[body.__name__].get("properties", {}).items():
            bound(schema, OF_MEMBERS.get(name, {}))
    schemas[ProblemDetails.__name__]["examples"] = [PROBLEM_EXAMPLE]
    return schemas


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Null is the same as leaving a field out, except for the prompt."""
    if schema.get("title") == "Prompt" or {"type": "null"} in schema.get("anyOf", ()):
        return schema
    about = {name: schema[name] for name in ("title", "description", "default") if name in schema}
    return about | {
        "anyOf": [{name: item for name, item in schema.items() if name not in about}, {"type": "null"}],
    }
