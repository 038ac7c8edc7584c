"""What these commands share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Annotated, Literal

import typer

from seedance.problems import InvalidInput, Problem
from storage.campaigns.reviews import Review
from storage.jobs.states import JobState

Language = Annotated[Literal["en", "zh"], typer.Option("--language", help="The language of headings and reasons.")]
LinkHours = Annotated[float, typer.Option(min=0.1, max=168, help="How many hours the links work.")]
OfStates = Annotated[
    list[JobState] | None, typer.Option("--state", help="Only rows in this state; repeat it for several.")
]
OfReviews = Annotated[
    list[Review] | None, typer.Option("--review", help="Only rows with this review; repeat it for several.")
]


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
