"""A live bar of how far jobs are, for terminals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from producer.cli.shared.formatting import counts_line
from producer.cli.shared.pace import Lines, Pace
from producer.cli.shared.terminal import console
from storage.jobs.states import JobState


class Bar(Lines):
    """Progress on a terminal: a bar, and below it how many jobs stand in each state."""

    def __init__(self, title: str, total: int) -> None:
        super().__init__(title, total)

        below = Text(style="bright_black", overflow="ellipsis", no_wrap=True)

        class TwoLines(Progress):
            def get_renderables(self) -> Iterable[RenderableType]:
                yield from super().get_renderables()
                yield below

        self._below = below
        self._progress = TwoLines(
            SpinnerColumn(finished_text="✔"),
            TextColumn("{task.description}", markup=False, style="bold"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}", markup=False, style="cyan"),
            console=console(stderr=True),
        )
        self._task = self._progress.add_task(title, total=total, pace="")

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, counts: Mapping[JobState, int], done: int, pace: Pace, *, last: bool) -> None:
        self._below.plain = f"  {counts_line(counts)}"
        self._progress.update(self._task, completed=done, pace=pace.line(last))
