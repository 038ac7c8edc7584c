"""Take the next step for a file that an account needs as an asset: create it, find it again, or query it.

The upload is billed, so its row is committed before the POST. A worker that takes a row over first asks the gateway by
the asset's unique name whether it was created; see `storage.assets`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from seedance.asset_client import AssetClient, Source, not_offered
from seedance.assets import DEFAULT_GROUP, AssetStatus, ListedAsset, asset_name
from seedance.boot_clock import boottime_s
from seedance.client import GatewayClient
from seedance.errors import (
    AccountProblem,
    GatewayError,
    InputGone,
    InputNotReady,
    NotSent,
    NotServed,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unavailable,
)
from seedance.request import Modality
from storage import assets
from storage.assets import AssetRow, asset_key
from storage.bucket.requests import MAX_LINK_S
from worker.runtime import Runtime
from worker.submitting.inputs import InlineSlots, read_object

log = logging.getLogger("reelq.assets")

GROUP = DEFAULT_GROUP
GIVE_UP_S = 1800.0
"""An asset that is not usable after this time never will be."""
NOT_OFFERED = {"not_offered": True}
"""In a row's error: the key may not create assets, so files are sent another way."""
NOT_OFFERED_S = 3600.0
"""How long that counts for the account as a whole."""
NEW_GROUP_S = 600.0
"""A group is billed, so one that was made within this time is not made again."""
WAIT_FIRST_S, WAIT_CAP_S = 1.0, 15.0


@dataclass(frozen=True, slots=True)
class AssetFile:
    """A stored file that an account needs as an asset. `object_key`: where it lies; `tenant`: whose it is."""

    reference: str
    modality: Modality
    object_key: str
    tenant: str

    @property
    def filename(self) -> str:
        return self.reference.removeprefix("upload://")

    @property
    def sha256(self) -> str:
        """The key of its row. The asset is the tenant's own: whether another tenant has the same file, and has made
        it an asset, must not be seen from how long a job waits."""
        return asset_key(self.tenant, self.filename.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a file cannot be used: `error`: no asset was created; `failed`: the gateway's final reason."""

    error: GatewayError | None = None
    failed: str = ""


Step = float | Trouble
"""Seconds until the next step, or the problem."""


class _GroupGone(Exception):
    """The gateway refused the upload, and does not list the group that it was for. `refusal`: its answer."""

    def __init__(self, group_id: str, refusal: Rejected) -> None:
        super().__init__(group_id)
        self.group_id, self.refusal = group_id, refusal


def group_of(runtime: Runtime, client: GatewayClient) -> str | Step:
    """The id of the account's group, created if there is none."""
    account, key = client.account.name, assets.group_key(GROUP)
    may_post = _until(runtime)
    with runtime.database.begin() as conn:
        known = assets.get(conn, account, [key]).get(key)
        if known is not None and known.status == "active":
            return known.asset_id or ""
        row = assets.claim(
            conn,
            account,
            key,
            assets.GROUP,
            GROUP,
            lease_s=runtime.settings.lease_seconds,
            failed_s=NOT_OFFERED_S,
        )
    if row is None:
        if known is not None and known.status == "failed":
            return Trouble(failed=str((known.error or {}).get("message") or "the gateway gave no reason"))
        return WAIT_FIRST_S  # another worker is creating it
    try:
        group_id = runtime.start(AssetClient(client).bring_group(GROUP, may_post)).result()
    except GatewayError as exc:
        return _not_made(runtime, row, exc)
    with runtime.database.begin() as conn:
        assets.record(conn, row, "active", asset_id=group_id)
    log.info("asset.group account=%s group_id=%s", account, group_id)
    return group_id


def take_steps(runtime: Runtime, client: GatewayClient, group_id: str, files: Sequence[AssetFile]) -> dict[str, Step]:
    """Take one step for each file, concurrently; returns the results by SHA-256."""
    may_post = _until(runtime)
    account, lease_s = client.account.name, runtime.settings.lease_seconds
    with runtime.database.begin() as conn:
        claims = {
            key: assets.claim(conn, account, key, modality, asset_name(key), lease_s=lease_s)
            for key, modality in sorted((file.sha256, file.modality) for file in files)  # sorted: no deadlocks
        }
        steps: dict[str, Step] = {key: _wait_s(row) for key, row in assets.get(conn, account, claims).items()}
    claimed = [(file, row) for file in files if (row := claims[file.sha256]) is not None]

    async def step_all() -> list[ListedAsset | BaseException]:
        return await asyncio.gather(
            *(_step(runtime, client, group_id, file, row, may_post) for file, row in claimed), return_exceptions=True
        )

    for (file, row), result in zip(claimed, runtime.start(step_all()).result(), strict=True):
        steps[file.sha256] = _write(runtime, row, result)
    return steps


async def _step(
    runtime: Runtime, client: GatewayClient, group_id: str, file: AssetFile, row: AssetRow, may_post: Callable[[], bool]
) -> ListedAsset:
    gateway = AssetClient(client)
    if row.asset_id is not None:
        return await gateway.look(row.asset_id, row.name, row.group_id or group_id)

    async def link() -> Source:
        url = await asyncio.to_thread(runtime.objects.link, file.object_key, MAX_LINK_S)
        return Source(file.filename, url)

    async def content() -> Source:
        return Source(file.filename, content=await read_object(runtime, client, file.object_key))

    try:
        if runtime.settings.bucket_reachable_by(client.account):
            return await gateway.bring(group_id, row.name, file.modality, link, may_post)
        async with runtime.part(InlineSlots).slots:  # a form contains the whole file
            return await gateway.bring(group_id, row.name, file.modality, content, may_post)
    except Rejected as exc:
        # A list may be late or empty, and a new group is billed: the refusal must speak of the group, too.
        if "group" in f"{exc.code} {exc.message}".lower() and await gateway.has_lost_group(GROUP, group_id):
            raise _GroupGone(group_id, exc) from exc
        raise


def _write(runtime: Runtime, row: AssetRow, result: ListedAsset | BaseException) -> Step:
    """Store the result of one step."""
    if isinstance(result, _GroupGone):
        return _without_group(runtime, row, result)
    if isinstance(result, BaseException):
        if isinstance(result, GatewayError) and row.asset_id is None:
            return _not_made(runtime, row, result)
        log.warning("asset.not_asked account=%s sha256=%s error=%r", row.account, row.sha256, result)
        return _wait_s(row)  # asking again is harmless
    status, why = result.status, result.error or "the gateway gave no reason"
    if status is AssetStatus.PROCESSING and row.age_s > GIVE_UP_S:
        status, why = AssetStatus.FAILED, f"not usable {row.age_s:.0f} s after it was uploaded"
    error = {"message": why} if status is AssetStatus.FAILED else None
    with runtime.database.begin() as conn:
        assets.record(conn, row, status.value, asset_id=result.id, group_id=result.group_id, error=error)
    log.info("asset.%s account=%s sha256=%s asset_id=%s", status.value, row.account, row.sha256, result.id)
    if status is AssetStatus.FAILED:
        return Trouble(failed=why)
    return 0.0 if status is AssetStatus.ACTIVE else _wait_s(row)


def _without_group(runtime: Runtime, row: AssetRow, gone: _GroupGone) -> Step:
    """Make the group again, unless it is new: then it is the file that was refused, by a gateway whose list is late."""
    key = assets.group_key(GROUP)
    with runtime.database.begin() as conn:
        group = assets.get(conn, row.account, [key]).get(key)
        if group is None or group.asset_id != gone.group_id or group.age_s > NEW_GROUP_S:
            log.warning("asset.group_gone account=%s group_id=%s", row.account, gone.group_id)
            assets.forget_group(conn, row.account, GROUP, gone.group_id)
            assets.forget(conn, row)
            return WAIT_FIRST_S
    return _not_made(runtime, row, gone.refusal)


def _not_made(runtime: Runtime, row: AssetRow, error: GatewayError) -> Step:
    """Store an upload that created no asset; returns the next step for its jobs."""
    log.warning("asset.not_made account=%s sha256=%s code=%s %s", row.account, row.sha256, error.code, error.message)
    with runtime.database.begin() as conn:
        if isinstance(error, OutcomeUnknown) and row.age_s <= GIVE_UP_S:
            # The row stays: after its lease, the gateway is asked before anything is sent.
            return min(WAIT_CAP_S, runtime.settings.lease_seconds)
        if isinstance(error, InputGone):  # if a later job stores the file again, it may be uploaded
            assets.forget(conn, row)
            return Trouble(failed=error.message)
        lasting: dict[str, Any] | None = None
        if not_offered(error):
            lasting = error.as_dict() | NOT_OFFERED
        elif isinstance(error, Rejected | OutcomeUnknown):
            lasting = error.as_dict()
        if lasting is not None:
            assets.record(conn, row, "failed", asset_id="", error=lasting)
            return Trouble(failed=error.message)
        assets.forget(conn, row)
    if isinstance(error, NotSent | NotServed | Throttled | InputNotReady | Unavailable | AccountProblem):
        return Trouble(error)
    return Trouble(Unavailable(error.message, gateway=error.gateway, status=error.status))


def _until(runtime: Runtime) -> Callable[[], bool]:
    """A check whether there is still time for a POST under a claim that begins now."""
    end = boottime_s() + runtime.settings.lease_seconds - runtime.settings.submit_timeout_seconds
    return lambda: boottime_s() < end


def _wait_s(row: AssetRow) -> float:
    return min(max(row.age_s / 4, WAIT_FIRST_S), WAIT_CAP_S)
