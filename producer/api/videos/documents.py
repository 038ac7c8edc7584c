"""What OpenAPI says of `/v1/videos`."""

from __future__ import annotations

from typing import Any

from starlette.responses import RedirectResponse

from producer.api.documents import problems
from producer.api.videos.shape import EXAMPLE_ID, TEXT, TEXT_OR_NULL, VIDEO_EXAMPLE

_VIDEO = {"application/json": {"schema": {"$ref": "#/components/schemas/Video"}, "example": VIDEO_EXAMPLE}}
_VIDEO_ANSWER: dict[int | str, dict[str, Any]] = {200: {"description": "the video", "content": _VIDEO}}
_FILE = {"type": "string", "format": "binary"}
_ASKED: dict[str, Any] = {
    "prompt": {"type": "string", "maxLength": 20_000},
    "model": {"type": "string", "description": "Such as seedance-2.0-fast; sora-2 and sora-2-pro stand for a tier."},
    "seconds": {"type": "string", "pattern": "^([4-9]|1[0-5]|-1)$", "description": "4 to 15; 4 if left out."},
    "size": {"type": "string", "pattern": "^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$", "description": "720x1280 if left out."},
}
_IMAGE_URL = {"type": "object", "required": ["image_url"], "properties": {"image_url": TEXT}}
_VIDEO_ID = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "format": "uuid"}}}
_FOX = {"prompt": "a red fox runs through fresh snow", "model": "seedance-2.0-fast", "seconds": "4", "size": "1280x720"}
_OF = {"prompt": "the same at night", "video": {"id": EXAMPLE_ID}}


def _body(
    required: list[str], of_json: dict[str, Any], of_form: dict[str, Any], example: dict[str, Any]
) -> dict[str, Any]:
    def schema(more: dict[str, Any]) -> dict[str, Any]:
        return {"type": "object", "required": required, "properties": _ASKED | more}

    content = {"application/json": {"schema": schema(of_json), "example": example}}
    if of_form:
        content["multipart/form-data"] = {"schema": schema(of_form), "example": example}
    return {"requestBody": {"required": True, "content": content}}


_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
    "description": "The same key and request again is the same video.",
}


def _making(
    required: list[str], of_json: dict[str, Any], of_form: dict[str, Any], example: dict[str, Any], *more: int
) -> dict[str, Any]:
    return {
        "responses": _VIDEO_ANSWER | problems(400, 408, 413, 415, 422, 429, 503, *more),
        "openapi_extra": {"parameters": [_KEY]} | _body(required, of_json, of_form, example),
    }


CREATE = _making(["prompt"], {"input_reference": _IMAGE_URL}, {"input_reference": _FILE}, _FOX)
EDIT = _making(["prompt", "video"], {"video": _VIDEO_ID}, {"video": _FILE}, _OF, 404, 409)
EXTEND = _making(
    ["prompt", "seconds", "video"], {"video": _VIDEO_ID}, {"video": _FILE}, _OF | {"seconds": "4"}, 404, 409
)
REMIX = _making(["prompt"], {}, {}, {"prompt": "the same at night"}, 404, 409)
CHARACTER: dict[str, Any] = {"responses": problems(404), "include_in_schema": False}
GET: dict[str, Any] = {"responses": _VIDEO_ANSWER | problems(404, 422, 503)}
_PAGE = {
    "type": "object",
    "required": ["object", "data", "has_more", "first_id", "last_id"],
    "properties": {
        "object": {"const": "list"},
        "data": {"type": "array", "items": {"$ref": "#/components/schemas/Video"}},
        "has_more": {"type": "boolean"},
        "first_id": TEXT_OR_NULL,
        "last_id": TEXT_OR_NULL,
    },
}
LIST: dict[str, Any] = {
    "responses": {200: {"description": "a page", "content": {"application/json": {"schema": _PAGE}}}}
    | problems(404, 422, 503)
}
_DELETED = {
    "type": "object",
    "required": ["id", "object", "deleted"],
    "properties": {"id": TEXT, "object": {"const": "video.deleted"}, "deleted": {"const": True}},
}
DELETE: dict[str, Any] = {
    "responses": {200: {"description": "it is gone", "content": {"application/json": {"schema": _DELETED}}}}
    | problems(404, 409, 422, 503)
}
CONTENT: dict[str, Any] = {
    "response_class": RedirectResponse,
    "responses": {302: {"description": "a link to the file"}} | problems(404, 409, 422, 503),
}
