"""The limits that OpenAPI shows for values that are checked elsewhere, from the constants of those checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from producer.campaigns.names import MAX_NAME_CHARS
from producer.http.bodies import MAX_BATCH_BYTES
from producer.intake.job_spec import MAX_ACCOUNT_CHARS, MAX_DEADLINE_S, MAX_KEY_CHARS, MAX_TAG_CHARS
from producer.intake.webhook_urls import MAX_URL_CHARS
from seedance.request import AUTO_DURATION, MAX_DURATION_S, MAX_REFERENCES, MAX_SEED, RANDOM_SEED
from storage.campaigns.reviews import Review
from storage.jobs.states import JobState
from storage.tenants.keys import MAX_NAME_CHARS as MAX_TENANT_CHARS

Bounds = Mapping[str, Any]

_ID_CHARS = 64
_MODEL_CHARS = 200
_MEDIA: Final[Bounds] = {"maxLength": MAX_BATCH_BYTES}
"""A URL, or a data URI that a body still has room for."""
_JOB_ID: Final[Bounds] = {"format": "uuid"}
_JOB_KEY: Final[Bounds] = {"maxLength": MAX_KEY_CHARS}
_MODEL: Final[Bounds] = {"maxLength": _MODEL_CHARS}

OF_PARAMETERS: Final[Mapping[str, Bounds]] = {
    "job_id": _JOB_ID,
    "video_id": {"maxLength": _ID_CHARS},
    "message_id": {"maxLength": _ID_CHARS},
    "key_id": {"maxLength": _ID_CHARS},
    "upload_id": {"maxLength": _ID_CHARS},
    "file_id": {"maxLength": _ID_CHARS},
    "batch_id": {"maxLength": _ID_CHARS},
    "model": _MODEL,
    "name": {"maxLength": MAX_NAME_CHARS},
    "campaign": {"maxLength": MAX_NAME_CHARS},
    "tag": {"maxLength": MAX_TAG_CHARS},
    "account": {"maxLength": MAX_ACCOUNT_CHARS},
    "idempotency_key": _JOB_KEY,
    "map": {"maxLength": _MODEL_CHARS},
    "state": {"maxItems": len(JobState)},
    "review": {"maxItems": len(Review)},
    "gateway": {"maxLength": _ID_CHARS},
    "token": {"maxLength": _ID_CHARS},
}
"""By the name of a parameter, which means the same everywhere."""

OF_MEMBERS: Final[Mapping[str, Bounds]] = {
    "duration": {"minimum": AUTO_DURATION, "maximum": MAX_DURATION_S},
    "seed": {"minimum": RANDOM_SEED, "maximum": MAX_SEED},
    "priority": {"minimum": 0, "maximum": 9},
    "deadline": {"exclusiveMinimum": 0, "maximum": MAX_DEADLINE_S},
    "first_frame": _MEDIA,
    "last_frame": _MEDIA,
    "image_url": _MEDIA,
    **{name: {"maxItems": limit, **_MEDIA} for name, limit in MAX_REFERENCES.items()},
    "model": _MODEL,
    "account": {"maxLength": MAX_ACCOUNT_CHARS},
    "idempotency_key": _JOB_KEY,
    "webhook_url": {"maxLength": MAX_URL_CHARS},
    "tags": {"maxLength": MAX_TAG_CHARS},
    "tenant": {"maxLength": MAX_TENANT_CHARS},
    "input_file_id": {"maxLength": _ID_CHARS},
}
"""By the name of a member of a body."""

_KEYWORDS: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset({"maxLength", "format"}),
    "integer": frozenset({"minimum", "exclusiveMinimum", "maximum"}),
    "number": frozenset({"minimum", "exclusiveMinimum", "maximum"}),
    "array": frozenset({"maxItems"}),
}


def bound(schema: dict[str, Any], limits: Bounds) -> None:
    """Add those limits to a schema that fit its type and that it does not have; the same for its items and choices."""
    for choice in schema.get("anyOf", ()):
        bound(choice, limits)
    if isinstance(items := schema.get("items"), dict):
        bound(items, limits)
    if {"enum", "const", "pattern", "$ref"} & schema.keys():
        return
    for keyword in _KEYWORDS.get(schema.get("type", ""), frozenset()) & limits.keys():
        if not (keyword == "maxLength" and "format" in schema):
            schema.setdefault(keyword, limits[keyword])
