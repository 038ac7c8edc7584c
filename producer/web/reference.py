"""The page of the API: Swagger UI on `/openapi.json`, with nothing from another host."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from producer.web.site import Site


def reference_routes(site: Site) -> APIRouter:
    """`/docs`."""
    router = APIRouter(include_in_schema=False, route_class=site.route_class())

    @router.get("/docs")
    async def reference(request: Request) -> Response:
        # The arrows of Swagger UI's style are data URIs.
        return site.page(request, "reference.html", headers={"Content-Security-Policy": site.policy("data:")})

    return router
