"""Writing answers as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from producer.http.problems import as_json


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer, written by orjson. Routes return the finished answer: FastAPI would validate and copy it again,
    and tests already check each answer against the model that its route declares."""
    return Response(as_json(body), status, dict(headers or {}), "application/json")
