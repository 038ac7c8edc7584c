"""The objects of the journal: segments of a few hundred entries each, below `journal/<lineage>/`.

A process writes segments of its own, and writes the whole segment again with each new entry: stores cannot append. The
key begins with the time of the first entry, by the database's clock, so that a reader can leave out older segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from storage.bucket.objects import Objects
from storage.journal.entries import Entry, Unreadable, parse

TYPE = "application/x-ndjson"
SPAN = timedelta(hours=1)
"""The longest time between the first and the last POST of a segment."""
MOST_ENTRIES = 250
MARGIN = timedelta(minutes=30)
"""Added to `SPAN`: answers and videos come later than the entry that opened their segment."""
RETENTION = timedelta(days=90)
"""How long segments are kept: an older backup cannot be compared with them."""
_AT_ONCE = 8
_STAMP = "%Y%m%dT%H%M%S"


@dataclass(frozen=True, slots=True)
class Found:
    """The segments of one lineage, oldest first."""

    lineage: UUID
    keys: tuple[str, ...]

    def since(self, moment: datetime) -> list[str]:
        """Those that may hold entries from this moment on."""
        return [key for key in self.keys if opened_at(key) >= _oldest(moment).replace(microsecond=0)]

    @property
    def first_at(self) -> datetime:
        """When the oldest segment was opened."""
        return opened_at(self.keys[0])


def key_of(objects: Objects, lineage: UUID, opened: datetime, writer: str, number: int) -> str:
    """The key of a segment. `writer` names the process; `number` counts its segments."""
    return f"{_prefix(objects, lineage)}{opened.astimezone(UTC):{_STAMP}}-{writer}-{number}.jsonl"


def opened_at(key: str) -> datetime:
    """When a segment was opened, from its key."""
    return datetime.strptime(key.rpartition("/")[2].partition("-")[0], _STAMP).replace(tzinfo=UTC)


def of_lineage(objects: Objects, lineage: UUID, since: datetime | None) -> Found | None:
    """The segments of a lineage that may hold entries from `since` on; None: the bucket may not be listed.

    Raises:
        StoreUnavailable: the store does not respond.
    """
    prefix = _prefix(objects, lineage)
    after = "" if since is None else f"{prefix}{_oldest(since):{_STAMP}}"
    keys = objects.keys_below(prefix, after)
    return None if keys is None else Found(lineage, tuple(_segments(keys)))


def of_every_lineage(objects: Objects) -> list[Found] | None:
    """The segments of every database that has a journal in this bucket; None: the bucket may not be listed.

    Raises:
        StoreUnavailable: the store does not respond.
    """
    keys = objects.keys_below(objects.keys.journal)
    if keys is None:
        return None
    by_lineage: dict[UUID, list[str]] = {}
    for key in _segments(keys):
        by_lineage.setdefault(UUID(key.rsplit("/", 2)[1]), []).append(key)
    return [Found(lineage, tuple(own)) for lineage, own in by_lineage.items()]


def entries(objects: Objects, keys: Iterable[str]) -> tuple[list[Entry], list[Unreadable]]:
    """The entries of these segments, and the segments that are not what was written. Their texts name them.

    Raises:
        StoreUnavailable: the store does not respond.
    """
    found: list[Entry] = []
    damaged: list[Unreadable] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for own in pool.map(lambda key: _read(objects, key), keys):
            if isinstance(own, Unreadable):
                damaged.append(own)
            else:
                found += own
    return found, damaged


def delete_old(objects: Objects, now: datetime) -> int:
    """Delete the segments, of every database, that are older than `RETENTION`; returns how many. Where the bucket may
    not be listed, nothing is deleted: its lifecycle rules can do it.

    Raises:
        StoreUnavailable: the store does not respond.
    """
    found = of_every_lineage(objects) or []
    old = [key for one in found for key in one.keys if opened_at(key) < now - RETENTION]
    objects.delete(old)
    return len(old)


def _read(objects: Objects, key: str) -> list[Entry] | Unreadable:
    try:
        return parse(b"".join(objects.chunks(key)))
    except Unreadable as exc:
        return Unreadable(f"{key}: {exc}", key)


def _oldest(since: datetime) -> datetime:
    return (since - SPAN - MARGIN).astimezone(UTC)


def _prefix(objects: Objects, lineage: UUID) -> str:
    return f"{objects.keys.journal}{lineage}/"


def _segments(keys: Iterable[str]) -> Iterator[str]:
    """The keys of segments; other objects below the prefix are left out."""
    for key in keys:
        try:
            opened_at(key), UUID(key.rsplit("/", 2)[1])
        except (ValueError, IndexError):
            continue
        yield key
