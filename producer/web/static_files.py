"""The page's static files. Each name changes with the content, so that browsers may cache it for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from producer.http.problems import ApiProblem

PREFIX = "/static/"
SWAGGER_UI = "swagger-ui"
"""The folder of Swagger UI: not ours, unchanged, with its licence."""
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is served."""

    url: str
    kind: str
    content: bytes


def load() -> Mapping[str, StaticFile]:
    """Every file by its plain name."""
    found = {}
    folder = files("producer.web").joinpath("static")
    for item in [*folder.iterdir(), *folder.joinpath(SWAGGER_UI).iterdir()]:
        stem, _, suffix = item.name.rpartition(".")
        if suffix in _TYPES:
            content = item.read_bytes()
            digest = hashlib.blake2b(content, digest_size=6).hexdigest()
            found[item.name] = StaticFile(f"{PREFIX}{stem}.{digest}.{suffix}", _TYPES[suffix], content)
    return found


def static_routes(known: Mapping[str, StaticFile]) -> APIRouter:
    """The route that serves them."""
    router = APIRouter(include_in_schema=False)
    by_url = {item.url: item for item in known.values()}

    @router.get(PREFIX + "{name}")
    async def static_file(name: str) -> Response:
        item = by_url.get(PREFIX + name)
        if item is None:
            raise ApiProblem(404, "no_such_route", "there is no such file")
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(item.content, headers=headers, media_type=item.kind)

    return router
