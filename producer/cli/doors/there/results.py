"""Results from elsewhere: of the API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast
from uuid import UUID

import reelq_client
from pydantic import TypeAdapter
from reelq_client import NotFound, Reelq
from reelq_client.models.results import ResultRow

from producer.campaigns.results.download import BLOCK, Videos
from producer.campaigns.results.results import Result
from producer.cli.doors.there.translated import translated
from producer.cli.doors.wanted import Wanted
from seedance.problems import InvalidInput, Problem
from storage.bucket.requests import StoreUnavailable
from storage.campaigns.reviews import Review
from storage.campaigns.rows import RowView
from storage.campaigns.shares import Share
from storage.jobs.records import JobView
from storage.jobs.states import JobState

_JOB = TypeAdapter(JobView)


class ResultsThere:
    """A door on a client."""

    def __init__(self, reelq: Reelq) -> None:
        self._reelq = reelq

    def lines(self, wanted: Wanted) -> Iterator[bytes]:
        """As `ResultsDoor`."""
        with TemporaryDirectory(prefix="reelq-export-") as folder:
            path = Path(folder) / "rows.jsonl"
            self._save(wanted, path, "jsonl", None)
            with path.open("rb") as file:
                yield from file

    def export(self, wanted: Wanted, to: Path, posters: bool | None) -> int:
        """As `ResultsDoor`."""
        kind = cast(Literal["xlsx", "csv", "jsonl"], to.suffix.lower().removeprefix("."))
        with _written(to):
            self._save(wanted, to, kind, posters)
        if kind == "jsonl":
            with to.open("rb") as file:
                return sum(1 for _ in file)
        return sum(1 for _ in self.lines(wanted))

    def sheet(self, wanted: Wanted, to: Path) -> None:
        """As `ResultsDoor`."""
        made = self._reelq.campaigns.sheet(wanted.name, **_chosen(wanted))
        with _written(to), translated(wanted.name):
            made.save(to)

    def results(self, wanted: Wanted) -> tuple[Sequence[str], Sequence[Result]]:
        """As `ResultsDoor`."""
        rows = cast(Any, {"state": _words(wanted.states), "review": _words(wanted.reviews)})
        with translated(wanted.name):
            found = self._reelq.campaigns.results(wanted.name, **rows)
        columns = list(dict.fromkeys(name for row in found for name in row.columns))
        return columns, [_result(row, columns) for row in found]

    def videos(self) -> Videos:
        """As `ResultsDoor`."""
        return _FromApi(self._reelq)

    def share(self, name: str, days: float, *, approved_only: bool) -> tuple[Share, str]:
        """As `ResultsDoor`."""
        with translated(name):
            made = self._reelq.campaigns.share(name, days=days, approved_only=approved_only)
        return _share(made, name), made.url

    def shares(self, name: str) -> Sequence[Share]:
        """As `ResultsDoor`."""
        with translated(name):
            return [_share(item, name) for item in self._reelq.campaigns.shares(name)]

    def revoke_share(self, name: str, share_id: UUID) -> bool:
        """As `ResultsDoor`."""
        try:
            self._reelq.campaigns.revoke_share(name, share_id)
        except NotFound as exc:
            if exc.code == "not_found":
                return False
            with translated(name):
                raise
        return True

    def _save(self, wanted: Wanted, to: Path, kind: Literal["xlsx", "csv", "jsonl"], posters: bool | None) -> None:
        with translated(wanted.name):
            self._reelq.campaigns.export(wanted.name, kind, posters=posters, **_chosen(wanted)).save(to)


class _FromApi:
    """The videos, through the API or by its links into the bucket."""

    def __init__(self, reelq: Reelq) -> None:
        self._reelq = reelq

    def read(self, result: Result, begin: int, size: int) -> bytes:
        """As `Videos`."""
        try:
            return self._reelq.jobs.video(result.shown.id).read(begin, size)
        except reelq_client.ReelqError as exc:
            raise StoreUnavailable(str(exc)) from exc

    def chunks(self, result: Result) -> Iterator[bytes]:
        """As `Videos`."""
        size = result.shown.size_bytes or 0
        for begin in range(0, size, BLOCK):
            yield self.read(result, begin, min(BLOCK, size - begin))


def _chosen(wanted: Wanted) -> Any:
    return {
        "state": _words(wanted.states),
        "review": _words(wanted.reviews),
        "language": wanted.language,
        "links_for": timedelta(seconds=wanted.link_s),
    }


def _words(values: Sequence[JobState | Review] | None) -> list[str] | None:
    return [value.value for value in values] if values else None


@contextmanager
def _written(to: Path) -> Iterator[None]:
    if to.is_dir():
        raise InvalidInput([Problem("--to", f"{to} is a folder; give the name of a file")])
    try:
        yield
    except OSError as exc:
        raise InvalidInput([Problem("--to", f"{to} cannot be written: {exc.strerror or exc}")]) from exc


def _result(row: ResultRow, columns: Sequence[str]) -> Result:
    cells = [row.columns.get(name) for name in columns]
    review = row.review
    view = RowView(
        id=row.id,
        sheet=row.sheet,
        number=row.row,
        label=row.variant,
        key=row.key,
        cells=cells,
        job_id=row.id,
        newest_job_id=row.id,
        versions=row.versions,
        state=JobState(row.state),
        reason=cast(Any, row).reason,
        review=Review(review.state),
        reviewed_at=review.at,
        reviewed_by=review.by,
        review_comment=review.comment,
        edited=False,
    )
    job = _JOB.validate_python(json.loads(row.model_dump_json()))
    shown = getattr(row, "video_job_id", None)  # a server of an older release does not name it
    earlier = None if shown in (None, str(row.id)) else replace(job, id=UUID(shown), state=JobState.SUCCEEDED)
    return Result(view, job, cells, earlier=earlier)


def _share(item: Any, campaign: str) -> Share:
    names = ("id", "approved_only", "created_at", "created_by", "expires_at", "revoked_at")
    shown = {name: getattr(item, name) for name in names}
    return Share(campaign_id=item.id, tenant="", campaign=campaign, **shown)
