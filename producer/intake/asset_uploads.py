"""Upload files as assets of an account by hand: each file once, also while a worker uploads the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from producer.intake.media_check import MediaFacts, Probe, broken_limits
from producer.intake.uploads import inspect
from seedance.account import Account, account_named
from seedance.asset_client import AssetClient, Source
from seedance.assets import LIMITS, AssetStatus, ListedAsset, asset_name
from seedance.client import GatewayClient
from seedance.errors import GatewayError, OutcomeUnknown, Rejected
from seedance.media import MEDIA_TYPES
from seedance.problems import InvalidInput, Problem
from seedance.request import Modality
from storage import assets
from storage.assets import AssetRow
from storage.database import Database
from storage.settings import Settings

PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class LocalAsset:
    """A local file that can become an asset. `name`: as the gateway sees it; `sha256`: of the content."""

    path: Path
    modality: Modality
    sha256: str
    name: str


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The result for a file. `is_new` is false if the account had it already; `asset` is how requests name it."""

    path: Path
    account: str
    sha256: str
    status: str
    asset: str | None
    is_new: bool
    error: str | None = None


def account_for_assets(accounts: Sequence[Account], name: str | None) -> Account:
    """The account with that name; without a name, the only one of them that takes assets.

    Raises:
        InvalidInput: there is no such account, it takes no assets, or several do and none was named.
    """
    able = [account for account in accounts if account.dialect.capabilities().assets]
    names = ", ".join(account.name for account in able) or "none"
    if name is None:
        if len(able) != 1:
            raise InvalidInput([Problem("account", f"name an account that takes assets: {names}")])
        return able[0]
    account = account_named(name, accounts)
    if account not in able:
        message = f"{account.gateway} takes no assets through its API; accounts that do: {names}"
        raise InvalidInput([Problem("account", message)])
    return account


def read_files(paths: Sequence[Path]) -> list[LocalAsset]:
    """Check files before anything is sent.

    Raises:
        InvalidInput: names every file that cannot become an asset, and why.
    """
    found, problems = [], []
    with closing(Probe()) as probe:
        for path in paths:
            try:
                modality = _modality_of(path)
                upload, facts = inspect(path, modality, probe)
            except ValueError as exc:
                problems.append(Problem("", str(exc)))
                continue
            problems += check_asset(str(path), modality, facts)
            sha256 = upload.reference.removeprefix("upload://").partition(".")[0]
            found.append(LocalAsset(path, modality, sha256, path.name))
    if problems:
        raise InvalidInput(problems)
    return found


def check_asset(name: str, modality: Modality, facts: MediaFacts) -> list[Problem]:
    """Why gateways would not take a file as an asset."""
    return [Problem(name, f"an asset must have {wanted}; {facts}") for wanted in broken_limits(LIMITS[modality], facts)]


def _modality_of(path: Path) -> Modality:
    suffix = path.suffix.lower().removeprefix(".")
    for modality in get_args(Modality):
        if suffix in MEDIA_TYPES[modality]:
            return modality  # type: ignore[no-any-return] # a member of Modality
    raise ValueError(f"{path} is not a picture, video or sound in a format that gateways accept")


def upload_all(
    database: Database, settings: Settings, account: Account, files: Sequence[LocalAsset], group: str, timeout_s: float
) -> Iterator[Uploaded]:
    """Upload each file as an asset and wait until it can be used, at most `timeout_s` for each.

    Raises:
        GatewayError: the group could not be created.
        TimeoutError: another process is creating the group, and has not finished in time.
    """
    with asyncio.Runner() as runner:
        client = GatewayClient(
            account,
            account.dialect,
            submit_timeout_s=settings.submit_timeout_seconds,
            query_timeout_s=settings.query_timeout_seconds,
            outbound=settings.outbound(),
        )
        uploader = _Uploader(database, settings, account, AssetClient(client), group, timeout_s)
        try:
            for file in files:
                yield runner.run(uploader.upload(file))
        finally:
            runner.run(client.aclose())


class _Uploader:
    def __init__(
        self,
        database: Database,
        settings: Settings,
        account: Account,
        client: AssetClient,
        group: str,
        timeout_s: float,
    ) -> None:
        self._database = database
        self._lease_s = settings.lease_seconds
        self._post_s = settings.lease_seconds - settings.submit_timeout_seconds
        self._account = account.name
        self._client = client
        self._group_name = group
        self._timeout_s = timeout_s

    async def _group(self) -> str:
        """The group's id. The group is created when the first file needs it, because groups are billed too."""
        name = self._group_name
        key = assets.group_key(name)
        until = time.monotonic() + self._timeout_s
        while True:
            post_before = time.monotonic() + self._post_s
            with self._database.begin() as conn:
                known = assets.get(conn, self._account, [key]).get(key)
                if known is not None and known.status == "active":
                    return known.asset_id or ""
                row = assets.claim(conn, self._account, key, assets.GROUP, name, lease_s=self._lease_s, failed_s=0.0)
            if row is not None:
                break
            await self._pause(until, f"another process is still creating the group {name!r}; try again in a minute")
        try:
            group_id = await self._client.bring_group(name, lambda: time.monotonic() < post_before)
        except GatewayError as exc:
            if not isinstance(exc, OutcomeUnknown):
                with self._database.begin() as conn:
                    assets.forget(conn, row)
            raise
        with self._database.begin() as conn:
            assets.record(conn, row, "active", asset_id=group_id)
        return group_id

    async def upload(self, file: LocalAsset) -> Uploaded:
        """Upload one file as an asset and wait until it can be used."""
        until = time.monotonic() + self._timeout_s
        is_new = False
        failed_s = 0.0  # a file that failed is tried again, once
        while True:
            post_before = time.monotonic() + self._post_s
            with self._database.begin() as conn:
                row = assets.claim(
                    conn,
                    self._account,
                    file.sha256,
                    file.modality,
                    asset_name(file.sha256),
                    lease_s=self._lease_s,
                    failed_s=failed_s,
                )
                known = row or assets.get(conn, self._account, [file.sha256]).get(file.sha256)
            failed_s = assets.NEVER_S
            if known is not None and known.status in ("active", "failed"):
                return self._result(file, known, is_new)
            if row is not None:
                is_new = is_new or row.asset_id is None
                try:
                    await self._step(file, row, post_before)
                except OutcomeUnknown as exc:
                    doubt = f"{exc.message}; the asset may exist: upload the file again, which checks that first"
                    return Uploaded(file.path, self._account, file.sha256, "unknown", None, False, doubt)
                except GatewayError as exc:
                    return Uploaded(file.path, self._account, file.sha256, "failed", None, False, exc.message)
            try:
                await self._pause(until)
            except TimeoutError:
                return Uploaded(file.path, self._account, file.sha256, "processing", None, is_new, "not usable yet")

    async def _step(self, file: LocalAsset, row: AssetRow, post_before: float) -> None:
        """Create the asset, or query it, and store its status."""

        async def source() -> Source:
            return Source(file.name, content=await asyncio.to_thread(file.path.read_bytes))

        try:
            if row.asset_id is None:
                found = await self._client.bring(
                    await self._group(), row.name, file.modality, source, lambda: time.monotonic() < post_before
                )
            else:
                found = await self._client.look(row.asset_id, row.name, row.group_id or "")
        except GatewayError as exc:
            if row.asset_id is None and not isinstance(exc, OutcomeUnknown):
                self._record_failure(row, exc)
            raise
        self._record(row, found)

    def _record(self, row: AssetRow, found: ListedAsset) -> None:
        why = {"message": found.error or "the gateway gave no reason"} if found.status is AssetStatus.FAILED else None
        with self._database.begin() as conn:
            assets.record(conn, row, found.status.value, asset_id=found.id, group_id=found.group_id, error=why)

    def _record_failure(self, row: AssetRow, error: GatewayError) -> None:
        with self._database.begin() as conn:
            if isinstance(error, Rejected):
                assets.record(conn, row, "failed", asset_id="", error=error.as_dict())
            else:
                assets.forget(conn, row)

    def _result(self, file: LocalAsset, row: AssetRow, is_new: bool) -> Uploaded:
        asset = f"asset://{row.asset_id}" if row.status == "active" else None
        error = str((row.error or {}).get("message")) if row.status == "failed" else None
        return Uploaded(file.path, self._account, file.sha256, row.status, asset, is_new, error)

    async def _pause(self, until: float, what: str = "") -> None:
        if time.monotonic() >= until:
            raise TimeoutError(what)
        await asyncio.sleep(PAUSE_S)
