"""`/v1/campaigns/{name}/export`, `/sheet` and `/shares`: what became of a campaign's rows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from reelq_client.core.binding import call, stored
from reelq_client.core.errors import ConfigurationError
from reelq_client.core.requests import Flow, Request, Save, StoredFile, given, unknown
from reelq_client.models.results import NewShare, ResultRow, Share, ShareList
from reelq_client.models.words import JobState, Review
from reelq_client.routes.jobs import video_of

ExportFormat = Literal["xlsx", "csv", "jsonl"]
Language = Literal["en", "zh"]
States = JobState | Sequence[JobState] | None
Reviews = Review | Sequence[Review] | None
_ONE = "/v1/campaigns/{name}"
_LONG_S = 600.0
_BLOCK = 1024 * 1024


class ResultRoutes:
    """The results of campaigns."""

    @stored
    def export(
        self,
        name: str,
        format: ExportFormat = "xlsx",
        *,
        state: States = None,
        review: Reviews = None,
        posters: bool | None = None,
        language: Language | None = None,
        links_for: timedelta | None = None,
    ) -> StoredFile:
        """The campaign's sheet with the results beside each row: `.save(path)`. `links_for`: how long the links in it
        work; None: a week. `posters`: small pictures in a workbook; None: up to 2,000 rows."""
        query = _results(state, review, language, links_for) | given(format=format, posters=posters)
        return _made("campaigns_export", f"{_ONE}/export", name, query)

    @stored
    def sheet(
        self,
        name: str,
        *,
        state: States = None,
        review: Reviews = None,
        language: Language | None = None,
        links_for: timedelta | None = None,
    ) -> StoredFile:
        """A page with all videos of the campaign, which opens from disk: `.save(path)`."""
        return _made("campaigns_sheet", f"{_ONE}/sheet", name, _results(state, review, language, links_for))

    @call
    def results(self, name: str, *, state: States = None, review: Reviews = None) -> Flow[Sequence[ResultRow]]:
        """Every row with the job that stands for it, in the order of the sheet."""
        return _rows(name, state, review)

    @call
    def download(
        self,
        name: str,
        folder: str | os.PathLike[str],
        *,
        file_name: Callable[[ResultRow], str] | None = None,
        state: States = None,
        review: Reviews = None,
    ) -> Flow[Sequence[Path]]:
        """Download every video of a campaign into a folder. Files that are there and whole are kept, so the same call
        again continues. `file_name`: the name of a row's video, such as
        `lambda row: f"{row.columns['sku']}.mp4"`; None: the row's key, else its number.

        Raises:
            ConfigurationError: a name leads out of the folder, or two rows have the same one.
        """
        rows = yield from _rows(name, state, review)
        named = _named([row for row in rows if row.video_url is not None], Path(folder), file_name or _plain_name)
        for path, row in named.items():
            if not _is_there(path, row):
                yield Save(video_of(row.id), path)
        return [*named]

    @call
    def share(self, name: str, *, days: float | None = None, approved_only: bool = False) -> Flow[NewShare]:
        """Make a link to a page with the campaign's videos. It needs no key, can change nothing, and expires; `days`
        None: after a week."""
        body = given(days=days, approved_only=approved_only or None)
        answer = yield Request("campaigns_share", "POST", f"{_ONE}/shares", at={"name": name}, json=body)
        return answer.read(NewShare)

    @call
    def shares(self, name: str) -> Flow[Sequence[Share]]:
        """The links of a campaign, newest first, without their URLs."""
        answer = yield Request("campaigns_shares", "GET", f"{_ONE}/shares", at={"name": name})
        return answer.read(ShareList).data

    @call
    def revoke_share(self, name: str, share_id: UUID | str) -> Flow[None]:
        """End a link now."""
        at = {"name": name, "share_id": str(share_id)}
        yield Request("campaigns_revoke_share", "DELETE", f"{_ONE}/shares/{{share_id}}", at=at)


def _results(state: States, review: Reviews, language: Language | None, links_for: timedelta | None) -> dict[str, Any]:
    seconds = None if links_for is None else int(links_for.total_seconds())
    return given(state=state, review=review, language=language, link_seconds=seconds)


def _made(operation: str, route: str, name: str, query: dict[str, Any]) -> StoredFile:
    request = Request(operation, "GET", route, at={"name": name}, query=query, timeout_s=_LONG_S)
    return StoredFile(request, unknown, in_bucket=False)


def _rows(name: str, state: States, review: Reviews) -> Flow[Sequence[ResultRow]]:
    query = given(format="jsonl", state=state, review=review)
    answer = yield Request(
        "campaigns_export", "GET", f"{_ONE}/export", at={"name": name}, query=query, timeout_s=_LONG_S
    )
    return [ResultRow.model_validate_json(line) for line in answer.body.splitlines()]


def _plain_name(row: ResultRow) -> str:
    parts = [row.key or f"row-{row.row}", row.variant]
    suffix = Path(row.object_key or "").suffix or ".mp4"
    return (
        "_".join("".join("-" if c in '<>:"/\\|?*' or c < " " else c for c in part) for part in parts if part) + suffix
    )


def _named(rows: Sequence[ResultRow], folder: Path, file_name: Callable[[ResultRow], str]) -> dict[Path, ResultRow]:
    found: dict[Path, ResultRow] = {}
    for row in rows:
        name = Path(file_name(row))
        if name.is_absolute() or ".." in name.parts or not name.name:
            raise ConfigurationError(f"row {row.row}: {str(name)!r} is no name of a file below the folder")
        other = found.setdefault(folder / name, row)
        if other is not row:
            raise ConfigurationError(f"rows {other.row} and {row.row} have the same file name, {name}")
    return found


def _is_there(path: Path, row: ResultRow) -> bool:
    if not path.is_file() or path.stat().st_size != row.size_bytes:
        return False
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return row.sha256 in (None, found.hexdigest())
