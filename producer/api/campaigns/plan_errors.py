"""`/v1/campaigns/plan/errors`: check a sheet, and return a copy with the reason beside each bad row."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.campaign_rows.forms import Asked, ErrorsForm, SheetFormat
from producer.api.campaign_rows.uploads import Upload, uploaded
from producer.api.campaigns.plans import Fetch, PlanName, checked_upload
from producer.api.campaigns.results import TYPES
from producer.api.campaigns.routes import remembered_options
from producer.api.openapi.document import also, file_content, problems, rows_body
from producer.api.request_bodies import CampaignRows
from producer.api.row_options import CampaignOptions
from producer.api.run_options import RunOptions
from producer.campaigns.names import check_name
from producer.campaigns.planning.written_errors import write_errors_of
from producer.client import Producer
from producer.http.piece_streams import FileBlocks, PieceStream
from producer.http.service import Service
from seedance.problems import InvalidInput, Problem

_NO_COPY = ("json", "yaml", "yml")


def plan_error_routes(service: Service) -> APIRouter:
    """The route of sheets with errors."""
    router = APIRouter(tags=["campaigns"])

    @router.post(
        "/v1/campaigns/plan/errors",
        response_class=Response,
        response_description="The sheet. Its first column has the reasons; it is empty for good rows.",
        responses=also(200, "The sheet.", content=file_content(*(kind.split(";")[0] for kind in TYPES.values())))
        | problems(413, 415, 422, 429, 503),
        openapi_extra=rows_body(CampaignRows, ErrorsForm),
    )
    async def plan_errors(
        request: Request,
        options: CampaignOptions,
        run: RunOptions,
        form: Annotated[
            SheetFormat | None,
            Query(alias="format", description="The kind of file; by default JSONL for JSONL, a workbook for a table."),
        ] = None,
        name: PlanName = None,
        fetch: Fetch = False,
    ) -> Response:
        """Check every row of a body, and return a copy with the reason beside each bad row. The copy can be corrected
        and sent: the column of reasons is not read. Nothing is stored or sent."""
        if name is not None:
            check_name(name)
        by_query = Asked(name, options, fetch=fetch, defaults=run.defaults, proof=run.proof, sheet_format=form)
        producer = service.producer_for(request)
        async with uploaded(request, service, by_query, ErrorsForm) as upload:
            wanted = _format_of(upload)
            copy = await service.run_batch(lambda: _copy(producer, upload, wanted))
        headers = {"Content-Disposition": f'attachment; filename="errors.{wanted}"', "Cache-Control": "no-store"}
        return PieceStream(FileBlocks(copy), TYPES[wanted], headers)

    return router


def _format_of(upload: Upload) -> SheetFormat:
    kind, wanted = upload.format.kind, upload.asked.sheet_format
    if kind in _NO_COPY:
        raise InvalidInput([Problem("", f"the reasons are written into a table or JSONL, not into {kind.upper()}")])
    if wanted is None:
        return "jsonl" if kind == "jsonl" else "xlsx"
    allowed = ("jsonl",) if kind == "jsonl" else ("xlsx", "csv")
    if wanted not in allowed:
        raise InvalidInput([Problem("format", f"must be {' or '.join(allowed)} for this body")])
    return wanted


def _copy(producer: Producer, upload: Upload, wanted: SheetFormat) -> BinaryIO:
    """The copy, open; its file is gone as soon as it is closed."""
    checked, _, _ = checked_upload(producer, upload)
    options = remembered_options(producer, upload.asked)
    with TemporaryDirectory(prefix="reelq-errors-") as directory:
        target = Path(directory) / f"errors.{wanted}"
        upload.file.seek(0)
        write_errors_of(upload.name, upload.file, upload.format.kind, options, checked.bad, target)
        return target.open("rb")
