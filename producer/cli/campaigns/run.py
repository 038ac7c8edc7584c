"""`reelq campaign run`: enqueue every row of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from producer.campaigns.duplicates import notes_on_duplicates
from producer.campaigns.files import check_name, read_campaign
from producer.campaigns.reading.options import read_options
from producer.cli.shared.access import settings_of
from producer.cli.shared.formatting import error_line
from producer.cli.shared.options import AsJson, BudgetText, DataDir, OfTenant, Wait, Weight
from producer.cli.shared.output import print_json, say
from producer.cli.shared.producers import open_producer
from producer.cli.shared.progress import watch
from producer.cli.shared.sheets import Delimiter, Encoding, Mapped, Sheet
from producer.client import Producer
from producer.intake.finals import with_drafts
from producer.intake.intake import prepare
from producer.intake.terms import read_terms
from storage.jobs import queries
from storage.jobs.records import Enqueued
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT

_SHOWN_FAILURES = 5


def run(
    ctx: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A .jsonl, .csv, .tsv, .txt, .xlsx, .xls or .ods file; see docs/jobs.md."),
    ],
    name: Annotated[str, typer.Option(help="The campaign. With a known name, only new rows are added.")],
    budget: BudgetText = None,
    weight: Weight = None,
    mapped: Mapped = None,
    sheet: Sheet = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    wait: Wait = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Enqueue every row of a file, all or none. With --wait, show the progress; exit code 1 if some jobs fail."""
    check_name(name)
    terms = read_terms(budget, weight)
    rows = read_campaign(file, read_options(encoding, delimiter, sheet, mapped or ()))
    settings = settings_of(ctx, data_dir)
    try:
        with ExitStack() as opened:  # only rows with draft_of need the database here
            producer_of = cache(lambda: opened.enter_context(open_producer(ctx, data_dir, tenant)))
            checked = with_drafts(rows, settings, lambda job_id, key: producer_of().find_draft(job_id, key))
            batch = prepare(checked, settings, file.parent)
    finally:
        for note in rows.notes:
            say(note)
    for note in notes_on_duplicates(batch.jobs):
        say(note)
    with open_producer(ctx, data_dir, tenant) as producer:
        stored = producer.store(batch, campaign=name, terms=terms, progress=lambda done, total: _uploading(done, total))
        created = sum(item.created for item in stored)
        known = f", {len(stored) - created} known" if created < len(stored) else ""
        say(f"{name}: {len(stored)} rows, {created} new{known}")
        if differing := sorted({field for item in stored for field in item.differs}):
            say(f"{name}: known jobs keep their own {', '.join(differing)}, which differ from the file's")
        result: dict[str, Any] = {"campaign": name, "rows": len(stored), "created": created}
        counts = _see_through(producer, stored, name) if wait else producer.counts([item.id for item in stored])
        if wait:
            _say_failures(producer, stored)
    if as_json:
        print_json(result | {"counts": counts, "ids": [item.id for item in stored]})
    if wait and counts.get(JobState.SUCCEEDED, 0) < len({item.id for item in stored}):
        raise typer.Exit(1)


def _uploading(done: int, total: int) -> None:
    if done == total or done % 50 == 0:
        say(f"{done}/{total} local files uploaded")


def _see_through(producer: Producer, stored: Sequence[Enqueued], name: str) -> Mapping[JobState, int]:
    try:
        return watch(producer, list({item.id for item in stored}), name)
    except KeyboardInterrupt:
        say(f"stopped waiting; the jobs continue (`reelq campaign status {name}`)")
        raise


def _say_failures(producer: Producer, stored: Sequence[Enqueued]) -> None:
    with producer.database.begin() as conn:
        found = queries.unsuccessful_of(conn, producer.tenant, [item.id for item in stored], _SHOWN_FAILURES)
    for job in found:
        say(f"  {job.id} {job.state}: {error_line(job.error) or job.reason}")
