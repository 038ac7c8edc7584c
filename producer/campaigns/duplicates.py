"""Report rows of one file with the same request, because each of them is generated and billed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from producer.intake.intake import Prepared

_SHOWN_GROUPS, _SHOWN_ROWS = 10, 10


class Duplicates:
    """Finds rows with the same request. Rows that share an `idempotency_key` are one job; the variants that a template
    makes of one row are meant."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str | int, int]] = {}

    def add(self, job: Prepared) -> None:
        """Note a job."""
        number = job.row.number
        self._groups.setdefault(job.request_hash, {}).setdefault(job.spec.idempotency_key or number, number)

    def rows(self) -> list[list[int]]:
        """The numbers of the rows of each request that several rows make."""
        return [list(numbers.values()) for numbers in self._groups.values() if len(numbers) > 1]


def notes_on_duplicates(jobs: Iterable[Prepared]) -> Iterator[str]:
    """One line for each request that several rows make, with their row numbers."""
    named = ""
    duplicates = Duplicates()
    for job in jobs:
        named = named or job.where.partition(f" {job.row.number}")[0]  # "jobs.csv row"
        duplicates.add(job)
    doubled = duplicates.rows()
    for places in doubled[:_SHOWN_GROUPS]:
        *numbers, last = [str(place) for place in places]
        if len(numbers) >= _SHOWN_ROWS:
            numbers, last = numbers[:_SHOWN_ROWS], f"{len(places) - _SHOWN_ROWS} more"
        yield f"{named}s {', '.join(numbers)} and {last} make the same request; each is generated and billed"
    if len(doubled) > _SHOWN_GROUPS:
        yield f"… and {len(doubled) - _SHOWN_GROUPS} more requests that several rows make"
