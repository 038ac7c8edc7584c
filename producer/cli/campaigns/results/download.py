"""`reelq campaign download`: the videos of a campaign, into a folder or a ZIP file."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from producer.campaigns.results.archive import write_archive
from producer.campaigns.results.download import AT_ONCE, Progress, downloadable
from producer.campaigns.results.download import download as fetch
from producer.campaigns.results.names import NamePattern, distinct
from producer.cli.campaigns.results.options import OfReviews, OfStates, whole_file
from producer.cli.doors.results import open_results
from producer.cli.doors.wanted import Wanted
from producer.cli.shared.exit_codes import SOME_FAILED
from producer.cli.shared.options import AsJson, CampaignName, DataDir, OfTenant
from producer.cli.shared.output import print_json, say
from producer.wording import plural
from seedance.problems import InvalidInput, Problem
from storage.tenants.tenants import DEFAULT_TENANT

_SHOWN_FAILED = 20
_EVERY_S = 2.0


def download(
    ctx: typer.Context,
    name: CampaignName,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder, or a file that ends in .zip.")],
    pattern: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="PATTERN",
            help='Such as "{sku}_{ratio}.mp4": columns, fields, {row}, {key}, {variant}, {job}. "/" makes folders.',
            show_default=False,
        ),
    ] = None,
    states: OfStates = None,
    reviews: OfReviews = None,
    parallel: Annotated[int, typer.Option(min=1, max=32, help="Videos at once.")] = AT_ONCE,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> int:
    """Download the videos of a campaign. Run it again to continue, or to fetch what is new: files that are complete are
    kept, and a row's new version replaces the old file."""
    door = open_results(ctx, data_dir, tenant)
    columns, results = door.results(Wanted(name, states, reviews))
    names = NamePattern(pattern, columns, name, results)
    named = distinct([(names.name(result), result) for result in downloadable(results)])
    videos = door.videos()
    if folder.suffix.lower() == ".zip":
        with whole_file(folder) as file:
            size = write_archive(file, videos, named)
        if as_json:
            print_json({"campaign": name, "videos": len(named), "bytes": size, "file": str(folder)})
        else:
            say(f"wrote {plural(len(named), 'video')} of {name} to {folder}, {_size(size)}")
        return 0
    if folder.exists() and not folder.is_dir():
        raise InvalidInput([Problem("DIR", f"{folder} is a file; give a folder")])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        done = fetch(videos, named, folder, at_once=parallel, report=_Reporter())
    except OSError as exc:
        raise InvalidInput([Problem("DIR", f"{folder} cannot be written: {exc.strerror or exc}")]) from exc
    if as_json:
        counts = {"fetched": done.fetched, "present": done.present, "bytes": done.bytes}
        failed = [{"file": target, "message": why} for target, why in done.failed]
        print_json({"campaign": name, "videos": len(named), **counts, "failed": failed})
    else:
        present = f", {done.present:,} there before" if done.present else ""
        say(f"{plural(done.fetched, 'video')} fetched into {folder} ({_size(done.bytes)}){present}")
        for target, why in done.failed[:_SHOWN_FAILED]:
            say(f"  {target}: {why}")
        if len(done.failed) > _SHOWN_FAILED:
            say(f"  … and {len(done.failed) - _SHOWN_FAILED:,} more")
    return SOME_FAILED if done.failed else 0


class _Reporter:
    """Prints a line every few seconds."""

    def __init__(self) -> None:
        self._begun = self._said = time.monotonic()

    def __call__(self, at: Progress) -> None:
        now = time.monotonic()
        if now - self._said < _EVERY_S or not sys.stderr.isatty():
            return
        self._said = now
        rate = _size(int(at.bytes / (now - self._begun)))
        say(f"{at.done:,} of {plural(at.of, 'video')}, {_size(at.bytes)}, {rate}/s")


def _size(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
