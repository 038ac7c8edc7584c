"""`GET /v1/campaigns/{name}/videos`: the videos of a campaign as one ZIP file."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.campaign_rows.pages import Keys, Numbers, Reasons, Reviews, States, chosen_rows
from producer.api.openapi.document import also, file_content, problems
from producer.campaigns.results.archive import archive_pieces
from producer.campaigns.results.download import FromBucket
from producer.campaigns.results.names import NamePattern, distinct
from producer.campaigns.results.results import Result, Results
from producer.http.doors.auth import principal_of
from producer.http.piece_streams import PieceStream
from producer.http.problems import ApiProblem
from producer.http.service import Service
from seedance.problems import InvalidInput, Problem
from storage.campaigns.rows import RowFilter

MAX_VIDEOS = 10_000
ZIP = "application/zip"


def campaign_video_routes(service: Service) -> APIRouter:
    """The route of the ZIP file."""
    router = APIRouter(tags=["campaigns"])

    @router.get(
        "/v1/campaigns/{name:path}/videos",
        response_class=Response,
        response_description="The ZIP file.",
        responses=also(200, "The ZIP file.", content=file_content(ZIP)) | problems(404, 409, 422, 503),
    )
    async def videos(
        request: Request,
        name: str,
        states: States = None,
        reviews: Reviews = None,
        reasons: Reasons = None,
        keys: Keys = None,
        numbers: Numbers = None,
        file_name: Annotated[
            str | None,
            Query(
                max_length=500,
                description='The name of each file, such as "{sku}_{ratio}.mp4": columns, fields, {row}, {key}, '
                '{variant}, {job}; "/" makes folders.',
            ),
        ] = None,
    ) -> Response:
        """Return the videos of a campaign as one ZIP file, while it is made. An archive without its end is not
        complete: the store failed, ask again."""
        wanted = chosen_rows(states, reviews, reasons, keys, numbers)
        tenant = principal_of(request).tenant
        named = await service.run_batch(lambda: _named(service, tenant, name, wanted, file_name))
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(f'{name}.zip', safe='')}",
            "Cache-Control": "no-store",
        }
        return PieceStream(archive_pieces(FromBucket(service.objects), named), ZIP, headers)

    return router


def _named(
    service: Service, tenant: str, name: str, wanted: RowFilter, pattern: str | None
) -> list[tuple[str, Result]]:
    """The videos with the names of their files.

    Raises:
        InvalidInput: a name cannot be made by the pattern.
        ApiProblem: there is no video, or there are too many.
    """
    results = Results(service.producer.database, tenant, name, wanted)
    try:
        names = NamePattern(pattern, results.columns, name, results)
    except InvalidInput as exc:
        raise InvalidInput([Problem("file_name", problem.message) for problem in exc.problems]) from None
    found: list[tuple[str, Result]] = []
    for result in results:
        if not result.has_video:
            continue
        if len(found) == MAX_VIDEOS:
            detail = f"more than {MAX_VIDEOS:,} videos match; choose fewer with numbers, state or review"
            raise ApiProblem(409, "not_possible", detail)
        found.append((names.name(result), _small(result)))
    if not found:
        raise ApiProblem(409, "not_possible", "no chosen row has a video yet")
    return distinct(found)


def _small(result: Result) -> Result:
    """The result without what its file does not need: thousands wait in memory until they are sent."""
    job = replace(result.shown, request={}, metadata={}, error=None, estimate=None, tags=[])
    return replace(result, row=replace(result.row, cells=[]), job=job, cells=(), earlier=None)
