"""What a shared link opens, without a key: a page with a campaign's finished videos, and their files."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from producer.campaigns.results.posters import without_posters
from producer.campaigns.results.sharing import PATH, file_key, links_below, shared
from producer.campaigns.results.wall import as_wall, content_security_policy
from producer.errors import CampaignNotFound
from producer.http.object_streams import StoredFile
from producer.http.piece_streams import PieceStream
from producer.http.problems import ApiProblem
from producer.web.language import LANGUAGES, catalogue, choose
from producer.web.site import Site
from storage.campaigns.shares import Share, share_of

FILES = ("video", "poster")
LINK_S = 3600.0


def shared_routes(site: Site) -> APIRouter:
    """The routes of shared links."""
    router = APIRouter(route_class=site.route_class(), include_in_schema=False)
    service = site.service

    async def find(token: str) -> Share:
        found = await service.read(lambda conn: share_of(conn, token))
        if found is None:
            raise ApiProblem(404, "not_found", "this link does not exist, has expired or was revoked")
        return found

    @router.get(PATH + "{token}")
    async def page(request: Request, token: str) -> Response:
        share = await find(token)
        language = choose(None, request.headers.get("accept-language", ""))
        results = await service.run(lambda: shared(service.producer.database, share))
        languages = {code: catalogue(code) for code in LANGUAGES}
        pieces = as_wall(
            share.campaign, without_posters(results), languages, links_below(request.url.path), language=language
        )

        headers = {
            "Content-Security-Policy": content_security_policy(),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",  # the path is the token
            "X-Robots-Tag": "noindex",
            "Cache-Control": "private, no-store",
        }
        return PieceStream((piece.encode("utf-8", "replace") for piece in pieces), "text/html", headers)

    @router.get(PATH + "{token}/{row_id}/{what}")
    async def file(request: Request, token: str, row_id: UUID, what: str) -> Response:
        share = await find(token)
        as_link = request.method != "HEAD" and await service.reach.links_work(request)

        def look() -> StoredFile | str | None:
            result = next(iter(shared(service.producer.database, share, row_id)), None)
            key = None if result is None or what not in FILES else file_key(result, what)
            if key is None:
                return None
            if as_link:
                return service.objects.link(key, LINK_S)
            service.objects.get_ready()
            return StoredFile(key, f"{row_id}.{key.rpartition('.')[2]}")

        try:
            found = await service.run(look)
        except CampaignNotFound:
            found = None
        if found is None:
            raise ApiProblem(404, "not_found", "this link shows no such file")
        if isinstance(found, str):
            return RedirectResponse(
                found, 302, {"Cache-Control": "private, max-age=300", "Referrer-Policy": "no-referrer"}
            )
        return await service.streams.answer(request, found)

    return router
