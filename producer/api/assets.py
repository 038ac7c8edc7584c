"""`/v1/assets`: files that gateways keep for accounts. All routes need the scope admin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from producer.api.accounts import managed_by
from producer.api.openapi.document import form_or_bytes_body, problems
from producer.api.request_bodies import NewUploadForm
from producer.api.resources.assets import AssetList, AssetResource, AssetUpload
from producer.api.uploads import file_of, modality_by
from producer.http.answers import answer
from producer.http.bodies import media_type
from producer.http.doors.auth import Principal, require_scope
from producer.http.problems import ApiProblem
from producer.http.service import Service
from producer.intake.asset_uploads import LocalAsset, account_for_assets, check_asset, upload_all
from producer.intake.job_spec import MAX_ACCOUNT_CHARS
from producer.intake.media_check import Probe
from producer.intake.uploads import inspect
from producer.operator_actions.assets import known_assets, managed_accounts
from producer.operator_actions.remote_assets import remote_assets
from seedance.errors import GatewayError
from seedance.problems import InvalidInput, Problem
from storage.assets import asset_key
from storage.tenants.keys import Scope
from storage.uploads.tenant_assets import ASSET, give_assets

MAX_WAIT_S = 60.0
AccountName = Annotated[
    str | None, Query(max_length=MAX_ACCOUNT_CHARS, description="The account; not needed if only one takes assets.")
]


def asset_routes(service: Service) -> APIRouter:
    """The routes of assets."""
    router = APIRouter(tags=["assets"])

    @router.get(
        "/v1/assets",
        response_model=AssetList,
        response_description="The assets, oldest first.",
        responses=problems(409, 422, 503),
    )
    async def list_assets(
        request: Request,
        account: AccountName = None,
        remote: Annotated[bool, Query(description="Ask the gateway of one account instead of the database.")] = False,
    ) -> Response:
        """List the assets of accounts: of all for an admin of tenant default, else of those that serve only the
        tenant. Without `remote`, only assets that reelq uploaded."""
        principal = require_scope(request, Scope.ADMIN)
        settings = service.settings
        managed = managed_accounts(settings, managed_by(principal))
        if remote:
            chosen = account_for_assets(managed, account)

            def ask() -> list[dict[str, Any]]:
                with _gateway_answers():
                    return remote_assets(settings, chosen)

            found = await service.run_batch(ask)
        else:
            operator = principal.operator
            found = await service.read(lambda conn: known_assets(conn, account, managed, others=operator))
        return answer(AssetList(data=[AssetResource(**_named(row)) for row in found]))

    _upload_route(router, service)
    return router


def _upload_route(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/assets",
        response_model=AssetUpload,
        response_description="The result.",
        responses=problems(409, 413, 415, 422, 503),
        openapi_extra=form_or_bytes_body(NewUploadForm, "image/*", "video/*", "audio/*"),
    )
    async def upload_asset(
        request: Request,
        account: AccountName = None,
        group: Annotated[str, Query(min_length=1, max_length=64, description="The group of a new asset.")] = "reelq",
        name: Annotated[str | None, Query(max_length=200, description="The file's name, for the gateway.")] = None,
        wait: Annotated[
            float, Query(ge=0, le=MAX_WAIT_S, allow_inf_nan=False, description="Seconds until it must be usable.")
        ] = 30.0,
    ) -> Response:
        """Upload a picture, video or sound as an asset of an account, and wait until it can be used. The gateway bills
        each upload; a file that the account already has is not uploaded again."""
        principal = require_scope(request, Scope.ADMIN)
        chosen = account_for_assets(managed_accounts(service.settings, managed_by(principal)), account)
        async with file_of(request, service, name) as file:
            kind = media_type(request)

            def work() -> AssetUpload:
                asset = _checked(file.path, kind, name or "file", principal)
                database, settings = service.producer.database, service.settings
                with _gateway_answers():
                    [done] = upload_all(database, settings, chosen, [asset], group, wait)
                if done.asset is not None:
                    with database.begin() as conn:
                        give_assets(conn, principal.tenant, [done.asset.removeprefix(ASSET)])
                shown = asdict(done)
                return AssetUpload(**{part: shown[part] for part in AssetUpload.__dataclass_fields__})

            return answer(await service.run_batch(work))


def _checked(path: Path, kind: str, name: str, principal: Principal) -> LocalAsset:
    """A file that may become an asset of a tenant.

    Raises:
        InvalidInput: it may not.
    """
    try:
        if path.stat().st_size == 0:
            raise ValueError("the body is empty; send the file itself")
        modality = modality_by(path, kind)
        with closing(Probe()) as probe:
            upload, facts = inspect(path, modality, probe)
    except ValueError as exc:
        raise InvalidInput([Problem("file", str(exc).replace(str(path), "the file"))]) from exc
    if problems_found := check_asset("file", modality, facts):
        raise InvalidInput(problems_found)
    sha256 = upload.reference.removeprefix("upload://").partition(".")[0]
    return LocalAsset(path, modality, asset_key(principal.tenant, sha256), name)


@contextmanager
def _gateway_answers() -> Iterator[None]:
    """What a gateway refuses, as an answer.

    Raises:
        ApiProblem: it failed, or another process creates the group and has not finished in time.
    """
    try:
        yield
    except GatewayError as exc:
        advice = "Nothing is lost: the same file again is uploaded once."
        raise ApiProblem(409, "gateway_failed", f"{exc.gateway}: {exc}", advice=advice) from exc
    except TimeoutError as exc:
        raise ApiProblem(503, "group_busy", str(exc), headers={"Retry-After": "5"}) from exc


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return {part: row.get(part) for part in AssetResource.__dataclass_fields__}
