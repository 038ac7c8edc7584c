"""Refuse unknown query parameters: a misspelt filter would otherwise give the wrong jobs without a word."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from typing import Any

from fastapi import FastAPI, Request

from producer.http.problems import ApiProblem


async def check_query_names(request: Request) -> None:
    """A dependency of every route.

    Raises:
        ApiProblem: the route of the API has no such query parameter.
    """
    if not request.scope.get("query_string") or not request.scope["path"].startswith("/v1/"):
        return
    path = getattr(request.scope.get("route"), "path_format", "")
    known = _known(request.app, path, "get" if request.method == "HEAD" else request.method.lower())
    if known is not None and (unknown := [name for name in request.query_params if name not in known]):
        raise _unknown(unknown[0], known)


@cache
def _known(app: FastAPI, path: str, method: str) -> tuple[str, ...] | None:
    """The query parameters of a route, as OpenAPI has them; None: it does not show the route."""
    operation: dict[str, Any] | None = app.openapi()["paths"].get(path, {}).get(method)
    if operation is None:
        return None
    return tuple(item["name"] for item in operation.get("parameters", ()) if item["in"] == "query")


def _unknown(name: str, known: tuple[str, ...]) -> ApiProblem:
    shown = repr(name[:40])
    close = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    takes = f"it takes {', '.join(known)}" if known else "it takes none"
    hint = f"; did you mean {close[0]}?" if close else f"; {takes}"
    return ApiProblem(
        422,
        "unknown_parameter",
        f"{shown} is not a query parameter of this route{hint}",
        advice="`GET /openapi.json` describes the parameters of every route.",
        param=name[:40],
    )
