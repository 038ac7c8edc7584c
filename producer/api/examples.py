"""Examples that OpenAPI shows. Tests send the jobs."""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

PROBLEM_EXAMPLE: dict[str, Any] = {
    "type": "urn:reelq:problem:invalid_request",
    "title": "Unprocessable Content",
    "status": 422,
    "detail": "duration: must be 4 to 30 seconds, or -1 for automatic, not 3",
    "code": "invalid_request",
    "instance": "/v1/jobs",
    "advice": "Correct the fields named in `errors`. Nothing was stored.",
    "errors": [{"field": "duration", "message": "must be 4 to 30 seconds, or -1 for automatic, not 3"}],
    "error": {
        "message": "duration: must be 4 to 30 seconds, or -1 for automatic, not 3",
        "type": "invalid_request_error",
        "code": "invalid_request",
        "param": "duration",
    },
}
JOB_EXAMPLES: dict[str, Any] = {
    "shortest": {"summary": "Only what is required", "value": {"prompt": "a red fox runs through fresh snow"}},
    "product": {
        "summary": "A product clip from a picture",
        "value": {
            "prompt": "the bottle turns slowly, soft morning light",
            "tier": "fast",
            "resolution": "720p",
            "ratio": "9:16",
            "duration": 5,
            "audio": False,
            "first_frame": "https://example.com/bottle.png",
            "idempotency_key": "spring-bottle-1",
            "tags": ["spring"],
            "metadata": {"sku": "B-17"},
        },
    },
}
LINES_EXAMPLE = (
    '{"prompt": "a red fox in the snow", "duration": 5, "idempotency_key": "fox-1"}\n'
    '{"prompt": "a lighthouse at dusk", "duration": 10, "idempotency_key": "lighthouse-1"}\n'
)
ROWS_EXAMPLE: list[JsonValue] = [
    {"prompt": "a red fox in the snow", "duration": 5, "idempotency_key": "fox-1"},
    {"prompt": "a lighthouse at dusk", "duration": 10, "idempotency_key": "lighthouse-1"},
]
CSV_EXAMPLE = 'prompt,duration\n"a red fox in the snow",5\n'
WHOLE_EVENT_EXAMPLE = (
    "id: 7\n"
    'data: {"id": 7, "target": "succeeded", "job": {"state": "succeeded", "campaign": "spring", "tags": ["fox"]}}\n\n'
)
EVENT_EXAMPLE = 'id: 7\ndata: {"id": 7, "target": "generating"}\n\n'
