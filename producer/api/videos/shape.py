"""What a video looks like, for OpenAPI."""

from __future__ import annotations

from typing import Any

EXAMPLE_ID = "01a1f7c0-5b1e-7c3a-9d6f-2b8e4f7a1c90"
TEXT = {"type": "string"}
TEXT_OR_NULL = {"type": ["string", "null"]}
_TIME = {"type": ["integer", "null"], "description": "Unix seconds."}
VIDEO_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "A job as OpenAI's clients know a video.",
    "required": ["id", "object", "created_at", "status", "progress", "model", "seconds", "size", "error"],
    "properties": {
        "id": {"type": "string", "format": "uuid", "description": "The job's own."},
        "object": {"const": "video"},
        "created_at": {"type": "integer", "description": "Unix seconds."},
        "completed_at": _TIME,
        "expires_at": {"type": "null", "description": "Files stay until they are deleted."},
        "status": {"enum": ["queued", "in_progress", "completed", "failed"]},
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "model": {"type": "string", "description": "seedance-2.0, seedance-2.0-fast or seedance-2.0-mini."},
        "prompt": TEXT_OR_NULL,
        "seconds": {"type": "string", "description": "`auto` where the model chooses."},
        "size": {"type": "string", "description": "`auto` where the gateway chooses."},
        "remixed_from_video_id": TEXT_OR_NULL,
        "error": {
            "type": ["object", "null"],
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "description": "`cancelled`, or why it failed."},
                "message": TEXT,
            },
        },
        "state": {"type": "string", "description": "The job's state."},
        "metadata": {"type": "object"},
    },
}
VIDEO_EXAMPLE: dict[str, Any] = {
    "id": EXAMPLE_ID,
    "object": "video",
    "created_at": 1795238400,
    "completed_at": None,
    "expires_at": None,
    "status": "in_progress",
    "progress": 40,
    "model": "seedance-2.0-fast",
    "prompt": "a red fox runs through fresh snow",
    "seconds": "4",
    "size": "720x1280",
    "remixed_from_video_id": None,
    "error": None,
    "state": "generating",
    "metadata": {},
}
