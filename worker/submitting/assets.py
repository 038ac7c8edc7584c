"""Jobs whose files must become assets before they can be submitted.

Such a job goes back to the queue, where it holds neither a slot nor a thread, and is checked again when its files may
be usable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedance.client import GatewayClient
from seedance.delivery import Delivery, delivery_of, uses_assets
from seedance.lanes import lane_of, model_of
from seedance.media import MediaKind, media_kind
from seedance.problems import InvalidInput
from seedance.request import MAX_REFERENCES, parse_request
from storage import assets
from storage.admission.circuit_breaker import WHOLE_ACCOUNT
from storage.assets import AssetRow
from storage.jobs import transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker.decisions import NO_ACCOUNT, Decision, fail
from worker.runtime import Runtime
from worker.submitting.asset_steps import (
    GROUP,
    NOT_OFFERED,
    WAIT_FIRST_S,
    AssetFile,
    Step,
    Trouble,
    group_of,
    take_steps,
)
from worker.submitting.circuit_breaker import Outcome, report
from worker.submitting.decisions import decide_assets, refusals_of
from worker.submitting.elsewhere import elsewhere
from worker.submitting.input_files import InputFiles

_MEDIA_FIELDS = ("first_frame", "last_frame", *MAX_REFERENCES)


@dataclass(frozen=True, slots=True)
class JobWithAssets:
    """A job that cannot be submitted now, and its files; `step`: as known from the table."""

    work: Work
    files: Sequence[AssetFile]
    step: Step = WAIT_FIRST_S


@dataclass(frozen=True, slots=True)
class Sorted:
    """Jobs grouped by whether their files are usable. `usable` maps references to `asset://ID`; a file of a ready job
    that is missing there is sent another way."""

    ready: Sequence[Work]
    waiting: Sequence[JobWithAssets]
    usable: Mapping[str, str]


def sort_by_assets(runtime: Runtime, client: GatewayClient, held: Sequence[Work], stored: InputFiles) -> Sorted:
    """Find the jobs that have all their files as assets, by the table alone."""
    if not uses_assets(client.account):
        return Sorted(held, (), {})
    needed = {work.id: _files_of(runtime, client, work, stored) for work in held}
    keys = {file.sha256 for files in needed.values() for file in files}
    if not keys:
        return Sorted(held, (), {})
    group = assets.group_key(GROUP)
    with runtime.database.begin() as conn:
        rows = assets.get(conn, client.account.name, [*keys, group])
    if _goes_another_way(client, rows.get(group)):
        return Sorted(held, (), {})
    ready: list[Work] = []
    waiting: list[JobWithAssets] = []
    usable: dict[str, str] = {}
    for work in held:
        files = [file for file in needed[work.id] if not _goes_another_way(client, rows.get(file.sha256))]
        states = {file: rows.get(file.sha256) for file in files}
        failed = next((row for row in states.values() if row is not None and row.status == "failed"), None)
        if failed is not None:
            waiting.append(JobWithAssets(work, files, Trouble(failed=_message_of(failed))))
        elif all(row is not None and row.status == "active" for row in states.values()):
            ready.append(work)
            usable |= {file.reference: f"asset://{row.asset_id}" for file, row in states.items() if row is not None}
        else:
            waiting.append(JobWithAssets(work, files))
    return Sorted(ready, waiting, usable)


def bring_assets(runtime: Runtime, client: GatewayClient, waiting: Sequence[JobWithAssets]) -> None:
    """Take the next step for every file that these jobs wait for, and requeue the jobs until the step after it."""
    if not waiting:
        return
    files = {file.sha256: file for item in waiting if not isinstance(item.step, Trouble) for file in item.files}
    steps: Mapping[str, Step] = {}
    if files:
        group = group_of(runtime, client)
        steps = dict.fromkeys(files, group) if not isinstance(group, str) else {}
        if isinstance(group, str):
            steps = take_steps(runtime, client, group, list(files.values()))
    troubles = [_trouble(item, steps) for item in waiting]
    failed = [
        Outcome(item.work.id, None, model, trouble.error)
        for item, trouble in zip(waiting, troubles, strict=True)
        if trouble is not None and trouble.error is not None
        for model in [model_of(client.dialect, lane_of(item.work.request)) or WHOLE_ACCOUNT]
    ]
    moves = [
        _decision(runtime, client, item, steps, trouble).move(item.work)
        for item, trouble in zip(waiting, troubles, strict=True)
    ]
    with runtime.database.begin() as conn:
        report(conn, client.account, failed)
        transitions.move(conn, moves)


def _trouble(item: JobWithAssets, steps: Mapping[str, Step]) -> Trouble | None:
    found = [item.step, *(steps[file.sha256] for file in item.files if file.sha256 in steps)]
    return next((step for step in found if isinstance(step, Trouble)), None)


def _decision(
    runtime: Runtime,
    client: GatewayClient,
    item: JobWithAssets,
    steps: Mapping[str, Step],
    trouble: Trouble | None,
) -> Decision:
    if trouble is None:
        found = [steps[file.sha256] for file in item.files if file.sha256 in steps]
        later = max((step for step in found if isinstance(step, float)), default=WAIT_FIRST_S)
        return Decision(JobState.QUEUED, Reason.ASSET_PROCESSING, later, NO_ACCOUNT)
    if trouble.error is not None:
        return decide_assets(trouble.error, refusals_of(item.work, trouble.error))
    why = f"a file could not become an asset of {client.account.name}: {trouble.failed}"
    if _not_offered(runtime, client, item):
        if client.account.assets is None:
            return Decision(JobState.QUEUED, Reason.ASSET_NOT_OFFERED, 0.0, NO_ACCOUNT)
        if (other := elsewhere(runtime.settings, item.work, why)) is not None:
            return other
    return fail(Reason.ASSET_FAILED, why)


def _not_offered(runtime: Runtime, client: GatewayClient, item: JobWithAssets) -> bool:
    """Whether the only failure is that this key may not create assets."""
    keys = [file.sha256 for file in item.files]
    with runtime.database.begin() as conn:
        rows = assets.get(conn, client.account.name, [*keys, assets.group_key(GROUP)])
    failed = [row for row in rows.values() if row.status == "failed"]
    return bool(failed) and all(_is_not_offered(row) for row in failed)


def _goes_another_way(client: GatewayClient, row: AssetRow | None) -> bool:
    return client.account.assets is None and _is_not_offered(row)


def _is_not_offered(row: AssetRow | None) -> bool:
    return row is not None and row.status == "failed" and NOT_OFFERED.items() <= (row.error or {}).items()


def _files_of(runtime: Runtime, client: GatewayClient, work: Work, stored: InputFiles) -> list[AssetFile]:
    if not any("upload://" in str(work.request.get(field, "")) for field in _MEDIA_FIELDS):
        return []  # most jobs: avoid parsing them
    try:
        request = parse_request(work.request)
    except InvalidInput:  # the submit reports it
        return []
    account = client.account
    row = client.dialect.row_of(request)
    if row is None:
        return []
    reachable = runtime.settings.bucket_reachable_by(account)
    return [
        AssetFile(value, modality, stored.key(work.id, value), stored.tenant(work.id, value))
        for _, modality, value in request.media()
        if media_kind(value) is MediaKind.UPLOAD
        and delivery_of(account, row, modality, reachable=reachable) is Delivery.ASSET
    ]


def _message_of(row: AssetRow) -> str:
    return str((row.error or {}).get("message") or "the gateway gave no reason")
