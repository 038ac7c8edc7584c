"""Examples that OpenAPI shows, and the shape of a problem. Tests send the examples."""

from __future__ import annotations

from typing import Any

PROBLEM_EXAMPLE: dict[str, Any] = {
    "type": "urn:reelq:problem:invalid_request",
    "title": "Unprocessable Content",
    "status": 422,
    "detail": "duration: must be 4 to 15 seconds, or -1 for auto, not 3",
    "code": "invalid_request",
    "instance": "/v1/jobs",
    "advice": "Correct the fields named in `errors`; docs/jobs.md describes each of them. Nothing was stored.",
    "errors": [{"field": "duration", "message": "must be 4 to 15 seconds, or -1 for auto, not 3"}],
    "error": {
        "message": "duration: must be 4 to 15 seconds, or -1 for auto, not 3",
        "type": "invalid_request_error",
        "code": "invalid_request",
        "param": "duration",
    },
}
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details; `error` is the same as OpenAI's clients read it.",
    "required": ["type", "title", "status", "detail", "code", "error"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable: for programs."},
        "instance": {"type": "string"},
        "advice": {"type": "string", "description": "What to do."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {"type": "string", "description": "As it was written, such as reference_images[3]."},
                    "message": {"type": "string"},
                    "where": {"type": "string", "description": "Which row, where there are many."},
                },
            },
        },
        "error": {
            "type": "object",
            "required": ["message", "type", "code", "param"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "code": {"type": "string"},
                "param": {"type": ["string", "null"]},
            },
        },
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
ROWS_EXAMPLE = (
    '{"prompt": "a red fox in the snow", "duration": 5, "idempotency_key": "fox-1"}\n'
    '{"prompt": "a lighthouse at dusk", "duration": 10, "idempotency_key": "lighthouse-1"}\n'
)
