"""Rows of one file that ask for the same: said, because each of them is generated and billed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from producer.intake.intake import Prepared

_SHOWN_GROUPS, _SHOWN_ROWS = 10, 10


def notes_on_duplicates(jobs: Iterable[Prepared]) -> Iterator[str]:
    """One line for each request that several rows make, with their places. Rows that share an `idempotency_key` are
    one job, and no duplicates."""
    groups: dict[str, dict[str, str]] = {}
    for place, job in enumerate(jobs):
        groups.setdefault(job.request_hash, {}).setdefault(job.idempotency_key or f" {place}", job.where)
    doubled = [list(places.values()) for places in groups.values() if len(places) > 1]
    for places in doubled[:_SHOWN_GROUPS]:
        named, _, _ = places[0].rpartition(" ")  # "jobs.csv row"
        *numbers, last = [place.rpartition(" ")[2] for place in places]
        if len(numbers) >= _SHOWN_ROWS:
            numbers, last = numbers[:_SHOWN_ROWS], f"{len(places) - _SHOWN_ROWS} more"
        yield f"{named}s {', '.join(numbers)} and {last} make the same request; each is generated and billed"
    if len(doubled) > _SHOWN_GROUPS:
        yield f"… and {len(doubled) - _SHOWN_GROUPS} more requests that several rows make"
