"""A tenant's files in the bucket: place them, and check those that its jobs name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import uuid_utils.compat

from seedance.problems import InvalidInput, Problem
from storage.bucket.keys import Keys
from storage.database import Database
from storage.settings import Settings
from storage.uploads.records import NewUpload, Placed, UploadLimits, finish_upload, place_uploads, unknown_uploads
from storage.uploads.tenant_assets import ASSET, unknown_assets

_PARALLEL = 8
GB = 10**9


@dataclass(frozen=True, slots=True)
class ShelfFile:
    """A file to keep; `put` stores it under a key of the bucket. `facts`: what it is, for people."""

    reference: str
    size_bytes: int
    name: str
    put: Callable[[str], None]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Shelf:
    """The files of one tenant. `objects` is imported late: boto3 takes long, and few jobs need it."""

    def __init__(self, database: Database, settings: Settings, tenant: str) -> None:
        self._database = database
        self._settings = settings
        self._tenant = tenant

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self._settings

    def check(self, given: Mapping[str, str]) -> None:
        """Check that the tenant may name these references, each with the field that it was given in. What other tenants
        have makes no difference.

        Raises:
            InvalidInput: the tenant does not have one of them.
        """
        if not given:
            return
        assets = {reference for reference in given if reference.startswith(ASSET)}
        with self._database.begin() as conn:
            unknown = unknown_uploads(conn, self._tenant, given.keys() - assets)
            unknown |= unknown_assets(conn, self._tenant, assets)
        if unknown:
            raise InvalidInput([_problem(name, reference) for reference, name in given.items() if reference in unknown])

    def keep(self, files: Sequence[ShelfFile]) -> Iterator[None]:
        """Store files, each once for the tenant; yields after each of them.

        Raises:
            UploadsFull: the tenant would have too many.
            StoreUnavailable: the object store does not answer, or refuses us.
        """
        from storage.bucket.objects import Objects

        by_reference = {file.reference: file for file in files}
        objects = Objects(self._settings)
        objects.check_bucket()
        new = [self._as_new(objects.keys, file) for file in by_reference.values()]
        limits = UploadLimits(self._settings.uploads_max_files, int(self._settings.uploads_max_gb * GB))
        with self._database.begin() as conn:
            placed = place_uploads(conn, self._tenant, new, limits)

        def store(place: Placed) -> None:
            file = by_reference[place.reference]
            key = place.object_key or objects.keys.input(place.reference)
            known = objects.head(key) if place.is_stored else None
            if known is not None and known.size_bytes == file.size_bytes:
                return
            file.put(key)
            with self._database.begin() as conn:
                finish_upload(conn, place.id)

        with ThreadPoolExecutor(min(_PARALLEL, max(len(placed), 1)), thread_name_prefix="upload") as pool:
            yield from pool.map(store, placed)

    def _as_new(self, keys: Keys, file: ShelfFile) -> NewUpload:
        upload_id = uuid_utils.compat.uuid7()
        key = keys.upload(self._tenant, upload_id, file.reference.rpartition(".")[2])
        return NewUpload(upload_id, file.reference, key, file.size_bytes, file.name, dict(file.facts))


def _problem(name: str, reference: str) -> Problem:
    if reference.startswith(ASSET):
        return Problem(name, f"{reference} is unknown; the operator can make it yours with `reelq assets give`")
    return Problem(name, f"{reference} is unknown, or has expired; upload the file")


def drain(steps: Iterable[None]) -> int:
    """Take every step; returns their number."""
    return sum(1 for _ in steps)
