"""Results at the server: of its database and its bucket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self
from uuid import UUID

from producer.campaigns.results.columns import Links
from producer.campaigns.results.download import FromBucket, Videos
from producer.campaigns.results.posters import with_posters, without_posters
from producer.campaigns.results.results import Result, Results
from producer.campaigns.results.sharing import share_url
from producer.campaigns.results.tables import as_csv, as_jsonl
from producer.campaigns.results.wall import POSTER_FORM, as_wall
from producer.campaigns.results.wall import POSTER_PX as WALL_PX
from producer.campaigns.results.workbook import POSTER_PX, write_workbook
from producer.campaigns.status import campaign_status
from producer.cli.campaigns.results.options import whole_file
from producer.cli.doors.wanted import Wanted
from producer.web.language import LANGUAGES, catalogue
from storage import decisions
from storage.bucket.objects import Objects
from storage.campaigns import shares
from storage.campaigns.controls import subject_of
from storage.campaigns.rows import RowFilter
from storage.campaigns.shares import Share
from storage.database import Database
from storage.settings import Settings

MOST_POSTERS = 2_000
"""More posters would make a workbook that Excel opens slowly."""


class ResultsHere:
    """A door on the configuration. `base`: where clients reach the API; None: not known."""

    def __init__(self, settings: Settings, tenant: str, base: str | None) -> None:
        url, prepared = settings.require_database_url(), settings.database_prepared_statements
        self._database = Database(url, name="reelq results", size=1, prepared=prepared)
        self._tenant, self._base = tenant, base
        self._objects = Objects(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def lines(self, wanted: Wanted) -> Iterator[bytes]:
        """As `ResultsDoor`."""
        return as_jsonl(self._results(wanted), self._links(wanted))

    def export(self, wanted: Wanted, to: Path, posters: bool | None) -> int:
        """As `ResultsDoor`."""
        results, links, words = self._results(wanted), self._links(wanted), catalogue(wanted.language)
        kind = to.suffix.lower()
        with whole_file(to) as file:
            if kind == ".xlsx":
                if posters is None:
                    posters = results.count() <= MOST_POSTERS
                rows = with_posters(results, self._objects, POSTER_PX) if posters else without_posters(results)
                return write_workbook(file, results.columns, results.layout, rows, words, links, wanted.name)
            count = -2 if kind == ".csv" else 0  # a CSV has a mark and a heading
            for piece in as_csv(results, words, links) if kind == ".csv" else as_jsonl(results, links):
                file.write(piece)
                count += 1
        return count

    def sheet(self, wanted: Wanted, to: Path) -> None:
        """As `ResultsDoor`."""
        languages = {code: catalogue(code) for code in LANGUAGES}
        links, results = self._links(wanted), self._results(wanted)
        with whole_file(to) as file:
            illustrated = with_posters(results, self._objects, WALL_PX, POSTER_FORM)
            for piece in as_wall(wanted.name, illustrated, languages, links, language=wanted.language):
                file.write(piece.encode("utf-8", "replace"))

    def results(self, wanted: Wanted) -> tuple[Sequence[str], Sequence[Result]]:
        """As `ResultsDoor`."""
        found = self._results(wanted)
        return found.columns, list(found)

    def videos(self) -> Videos:
        """As `ResultsDoor`."""
        return FromBucket(self._objects)

    def share(self, name: str, days: float, *, approved_only: bool) -> tuple[Share, str]:
        """As `ResultsDoor`."""
        with self._database.begin() as conn:
            campaign_id = campaign_status(conn, self._tenant, name).id
            made, token = shares.create_share(conn, campaign_id, days, approved_only=approved_only)
            subject = subject_of(campaign_id)
            decisions.record(conn, self._tenant, "campaign.shared", subject, share=str(made.id), days=days)
        return made, share_url(self._base, token)

    def shares(self, name: str) -> Sequence[Share]:
        """As `ResultsDoor`."""
        with self._database.begin() as conn:
            return shares.shares_of(conn, campaign_status(conn, self._tenant, name).id)

    def revoke_share(self, name: str, share_id: UUID) -> bool:
        """As `ResultsDoor`."""
        with self._database.begin() as conn:
            campaign_id = campaign_status(conn, self._tenant, name).id
            done = shares.revoke_share(conn, campaign_id, share_id)
            if done:
                subject = subject_of(campaign_id)
                decisions.record(conn, self._tenant, "campaign.share_revoked", subject, share=str(share_id))
        return done

    def _results(self, wanted: Wanted) -> Results:
        chosen = RowFilter(states=wanted.states or None, reviews=wanted.reviews or None)
        return Results(self._database, self._tenant, wanted.name, chosen)

    def _links(self, wanted: Wanted) -> Links:
        return Links(
            lambda result: self._objects.link(result.shown.object_key or "", wanted.link_s),
            lambda result: self._objects.link(result.shown.poster_key or "", wanted.link_s),
        )
