"""`/v1/campaigns/{name}/export`, `…/sheet` and `…/shares`: what became of a campaign's rows."""

from __future__ import annotations

from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.campaign_rows.forms import SheetFormat
from producer.api.openapi.document import also, file_content, json_body, problems
from producer.api.request_bodies import ShareBody
from producer.api.resources.shares import NewShare, ShareList, ShareResource, as_share
from producer.campaigns.results.columns import Links
from producer.campaigns.results.posters import with_posters, without_posters
from producer.campaigns.results.results import Result, Results
from producer.campaigns.results.sharing import share_url
from producer.campaigns.results.tables import as_csv, as_jsonl
from producer.campaigns.results.wall import POSTER_FORM, as_wall, content_security_policy
from producer.campaigns.results.wall import POSTER_PX as WALL_PX
from producer.campaigns.results.workbook import POSTER_PX, write_workbook
from producer.campaigns.status import campaign_status
from producer.http import bodies
from producer.http.answers import answer
from producer.http.doors.auth import principal_of
from producer.http.piece_streams import FileBlocks, PieceStream
from producer.http.problems import ApiProblem
from producer.http.service import Service
from producer.web.language import LANGUAGES, catalogue
from storage import decisions
from storage.bucket.requests import MAX_LINK_S
from storage.campaigns import shares
from storage.campaigns.controls import subject_of
from storage.campaigns.reviews import Review
from storage.campaigns.rows import RowFilter
from storage.jobs.states import JobState

TYPES: dict[str, str] = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
}
MOST_POSTERS = 2_000
_IN_MEMORY = 8 * 2**20

Language = Annotated[Literal["en", "zh"], Query(description="The language of headings and reasons.")]
LinkSeconds = Annotated[int, Query(ge=60, le=MAX_LINK_S, description="How long the links work.")]
OfStates = Annotated[list[JobState] | None, Query(alias="state", description="Only rows in these states.")]
OfReviews = Annotated[
    list[Review] | None, Query(alias="review", max_length=len(Review), description="Only rows with these reviews.")
]


def campaign_result_routes(service: Service) -> APIRouter:
    """The routes of results and shared links."""
    router = APIRouter(tags=["campaigns"])
    _export_route(router, service)
    _sheet_route(router, service)
    _share_routes(router, service)
    return router


async def _results_for(
    service: Service, request: Request, name: str, wanted: RowFilter, seconds: int
) -> tuple[Results, Links]:
    tenant = principal_of(request).tenant
    results = await service.run(lambda: Results(service.producer.database, tenant, name, wanted))
    return results, await _links(service, request, seconds)


def _export_route(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/campaigns/{name:path}/export",
        response_class=Response,
        response_description="The sheet.",
        responses=also(200, "The sheet.", content=file_content(*(kind.split(";")[0] for kind in TYPES.values())))
        | problems(404, 422, 503),
    )
    async def export(
        request: Request,
        name: str,
        form: Annotated[SheetFormat, Query(alias="format", description="The kind of file.")] = "xlsx",
        states: OfStates = None,
        reviews: OfReviews = None,
        posters: Annotated[bool, Query(description="Put small pictures into a workbook of up to 2,000 rows.")] = True,
        language: Language = "en",
        link_seconds: LinkSeconds = MAX_LINK_S,
    ) -> Response:
        """Return the sheet of a campaign with the results beside each row. Its own columns come first, in their order;
        then state, reason, advice, cost, links, review and times."""
        wanted = RowFilter(states=states or None, reviews=reviews or None)
        results, links = await _results_for(service, request, name, wanted, link_seconds)
        words = catalogue(language)
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(f'{name}.{form}', safe='')}",
            "Cache-Control": "no-store",
        }
        if form == "csv":
            return PieceStream(as_csv(results, words, links), TYPES[form], headers)
        if form == "jsonl":
            return PieceStream(as_jsonl(results, links), TYPES[form], headers)

        def write() -> SpooledTemporaryFile[bytes]:
            file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the stream closes it
            with_pictures = posters and results.count() <= MOST_POSTERS
            rows = with_posters(results, service.objects, POSTER_PX) if with_pictures else without_posters(results)
            try:
                write_workbook(file, results.columns, results.layout, rows, words, links, name)
                file.seek(0)
            except BaseException:
                file.close()
                raise
            return file

        written = await service.run_batch(write)
        return PieceStream(FileBlocks(written), TYPES[form], headers)


def _sheet_route(router: APIRouter, service: Service) -> None:
    @router.get(
        "/v1/campaigns/{name:path}/sheet",
        response_class=Response,
        response_description="The page.",
        responses=also(200, "The page.", content=file_content("text/html")) | problems(404, 422, 503),
    )
    async def sheet(
        request: Request,
        name: str,
        states: OfStates = None,
        reviews: OfReviews = None,
        language: Language = "en",
        link_seconds: LinkSeconds = MAX_LINK_S,
    ) -> Response:
        """Return a page with all videos of a campaign. It opens from disk: posters are in it, videos play while their
        links work."""
        wanted = RowFilter(states=states or None, reviews=reviews or None)
        results, links = await _results_for(service, request, name, wanted, link_seconds)
        languages = {code: catalogue(code) for code in LANGUAGES}
        pieces = as_wall(
            name, with_posters(results, service.objects, WALL_PX, POSTER_FORM), languages, links, language=language
        )
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(f'{name}.html', safe='')}",
            "Content-Security-Policy": content_security_policy(),
            "Cache-Control": "no-store",
        }
        return PieceStream((piece.encode("utf-8", "replace") for piece in pieces), "text/html", headers)


def _share_routes(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/campaigns/{name:path}/shares",
        status_code=201,
        response_model=NewShare,
        response_description="The link. Its URL cannot be read again.",
        responses=problems(404, 413, 415, 422, 503),
        openapi_extra=json_body(ShareBody, required=False),
    )
    async def share(request: Request, name: str) -> Response:
        """Make a link to a page with a campaign's videos. It needs no key, can change nothing, and expires."""
        wanted = await bodies.json_body(request, ShareBody, empty=True)
        tenant = principal_of(request).tenant

        def make(conn: Any) -> tuple[shares.Share, str]:
            campaign_id = campaign_status(conn, tenant, name).id
            made, token = shares.create_share(conn, campaign_id, wanted.days, approved_only=wanted.approved_only)
            decisions.record(
                conn, tenant, "campaign.shared", subject_of(campaign_id), share=str(made.id), days=wanted.days
            )
            return made, token

        made, token = await service.read(make)
        base = service.settings.public_url or str(request.base_url)
        return answer(NewShare(**as_share(made), url=share_url(base, token)), 201)

    @router.get(
        "/v1/campaigns/{name:path}/shares",
        response_model=ShareList,
        response_description="All links, with those that have ended.",
        responses=problems(404, 422, 503),
    )
    async def list_shares(request: Request, name: str) -> Response:
        """List the links to a campaign, newest first, without their URLs."""
        tenant = principal_of(request).tenant
        found = await service.read(lambda conn: shares.shares_of(conn, campaign_status(conn, tenant, name).id))
        return answer(ShareList(data=[ShareResource(**as_share(item)) for item in found]))

    @router.delete(
        "/v1/campaigns/{name:path}/shares/{share_id}",
        status_code=204,
        response_class=Response,
        response_description="The link has ended.",
        responses=problems(404, 422, 503),
    )
    async def revoke(request: Request, name: str, share_id: UUID) -> Response:
        """End a link now."""
        tenant = principal_of(request).tenant

        def end(conn: Any) -> bool:
            campaign_id = campaign_status(conn, tenant, name).id
            if done := shares.revoke_share(conn, campaign_id, share_id):
                decisions.record(conn, tenant, "campaign.share_revoked", subject_of(campaign_id), share=str(share_id))
            return done

        if not await service.read(end):
            raise ApiProblem(404, "not_found", f"the campaign {name!r} has no link {share_id}")
        return Response(status_code=204)


async def _links(service: Service, request: Request, seconds: int) -> Links:
    """Links to the bucket where this client can reach it, else through this API, where they need the client's key."""
    if await service.reach.links_work(request):
        return Links(
            lambda result: service.objects.link(result.shown.object_key or "", seconds),
            lambda result: service.objects.link(result.shown.poster_key or "", seconds),
        )
    base = (service.settings.public_url or str(request.base_url)).rstrip("/")

    def below(what: str, result: Result) -> str:
        return f"{base}/v1/jobs/{result.shown.id}/{what}?proxy=1"

    return Links(lambda result: below("video", result), lambda result: below("poster", result))
