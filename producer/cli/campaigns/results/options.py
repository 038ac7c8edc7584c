"""What these commands share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Annotated, Literal

import typer

from producer.campaigns.results.columns import Links
from producer.campaigns.results.results import Results
from producer.web.language import Catalogue, catalogue
from seedance.problems import InvalidInput, Problem
from storage.bucket.objects import Objects
from storage.campaigns.reviews import Review
from storage.campaigns.rows import RowFilter
from storage.database import Database
from storage.jobs.states import JobState
from storage.settings import Settings

Language = Annotated[Literal["en", "zh"], typer.Option("--language", help="The language of headings and reasons.")]
LinkHours = Annotated[float, typer.Option(min=0.1, max=168, help="How many hours the links work.")]
OfStates = Annotated[
    list[JobState] | None, typer.Option("--state", help="Only rows in this state; repeat it for several.")
]
OfReviews = Annotated[
    list[Review] | None, typer.Option("--review", help="Only rows with this review; repeat it for several.")
]


def results_of(
    ctx: typer.Context,
    settings: Settings,
    tenant: str,
    name: str,
    states: Sequence[JobState] | None,
    reviews: Sequence[Review] | None,
) -> Results:
    """The results of a campaign.

    Raises:
        CampaignNotFound: there is none.
    """
    url, prepared = settings.require_database_url(), settings.database_prepared_statements
    database = ctx.with_resource(closing(Database(url, name="reelq results", size=1, prepared=prepared)))
    wanted = RowFilter(states=states or None, reviews=reviews or None)
    return Results(database, tenant, name, wanted)


def links_for(objects: Objects, seconds: float) -> Links:
    """Links to the bucket that work for some time."""
    return Links(
        lambda result: objects.link(result.job.object_key or "", seconds),
        lambda result: objects.link(result.job.poster_key or "", seconds),
    )


def words_of(language: str) -> Catalogue:
    """The texts of a language."""
    return catalogue(language)


@contextmanager
def whole_file(target: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when it is complete; a file that was there stays until then.

    Raises:
        InvalidInput: it cannot be written.
    """
    if target.is_dir():
        raise InvalidInput([Problem("--to", f"{target} is a folder; give the name of a file")])
    try:
        with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name[:100]}.", delete=False) as file:
            written = Path(file.name)
            try:
                yield file
                file.flush()
                written.chmod(0o644)
                written.replace(target)
            except BaseException:
                written.unlink(missing_ok=True)
                raise
    except OSError as exc:
        raise InvalidInput([Problem("--to", f"{target} cannot be written: {exc.strerror or exc}")]) from exc
