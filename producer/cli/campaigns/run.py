"""`reelq campaign run`: enqueue every row of a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import psycopg  # noqa: F401 - first, while the stack is short; see `producer.cli.commands`
import typer

from producer.campaigns.duplicates import notes_on_duplicates
from producer.campaigns.names import check_name
from producer.campaigns.planning.checking import Checked
from producer.campaigns.reading.report import Report
from producer.campaigns.run_report import run_report
from producer.campaigns.storing import source_of
from producer.cli.campaigns.bad_rows import BadRows, skipped_lines
from producer.cli.campaigns.plan_text import plan_lines
from producer.cli.campaigns.planning import Source, remember_if_possible
from producer.cli.campaigns.run_rows_here import RunRowsHere
from producer.cli.campaigns.stored_text import result_of, stored_lines
from producer.cli.campaigns.waiting import all_is_well, say_failures, see_through
from producer.cli.doors.choice import api_client
from producer.cli.shared.access import accounts_of
from producer.cli.shared.confirmation import confirm, on_terminal
from producer.cli.shared.exit_codes import SOME_FAILED
from producer.cli.shared.option_groups import spread
from producer.cli.shared.options import AsJson, BudgetText, DataDir, Notify, OfTenant, Wait, Weight, Yes
from producer.cli.shared.output import print_json, say
from producer.cli.shared.pace_options import RunOptions
from producer.cli.shared.producers import open_producer
from producer.cli.shared.sheets import CampaignFile, SheetOptions
from producer.client import Producer
from producer.intake.start import Start
from producer.intake.terms import Terms, read_terms
from producer.wording import plural
from seedance.problems import InvalidInput, Problem
from storage.tenants.tenants import DEFAULT_TENANT

Fetch = Annotated[
    bool | None,
    typer.Option(
        "--fetch/--no-fetch",
        help="Fetch the media that rows name by URL; by default where a person is asked.",
        show_default=False,
    ),
]


@spread
def run(
    ctx: typer.Context,
    file: CampaignFile,
    name: Annotated[str, typer.Option(help="The campaign. With a known name, only new rows are added.")],
    sheet: SheetOptions,
    ways: RunOptions,
    budget: BudgetText = None,
    weight: Weight = None,
    notify: Notify = None,
    first: Annotated[
        int | None,
        typer.Option(min=1, help="Submit only this number of rows; the rest waits for `reelq campaign resume`."),
    ] = None,
    paused: Annotated[
        bool, typer.Option("--paused", help="Enqueue everything; submit nothing before `reelq campaign resume`.")
    ] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Enqueue the good rows although some are bad.")] = False,
    fetch: Fetch = None,
    wait: Wait = False,
    yes: Yes = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Enqueue every row of a file, all or none. On a terminal, show the plan first and ask. With --wait, show the
    progress; exit code 1 if some jobs fail, or if nothing goes on before a person acts."""
    check_name(name)
    terms = replace(read_terms(budget, weight, notify), pace=ways.read())
    defaults, options = ways.defaults(), sheet.read()
    asked = not yes and not as_json and on_terminal()
    fetches = asked if fetch is None else fetch
    start = Start(paused, first)
    if (reelq := api_client(ctx, data_dir, tenant)) is not None:
        # Imported here: the client takes long, and a command at the server does without.
        from producer.cli.campaigns import through_api

        away = through_api.sent_sheet(file, options, sheet, ways)
        how = through_api.How(asked=asked, skip_bad=skip_bad, fetch=fetches, wait=wait)
        result, well = through_api.run_there(reelq, away, name, terms, start, how)
    else:
        settings = accounts_of(ctx, data_dir).for_tenant(tenant)
        source = Source(file, options, settings, tenant, name, fetches, sheet.write_errors, defaults, ways.proof)
        answers = remember_if_possible(source) is None
        read = source.check()  # before the database is needed: what is wrong with the file is said first
        if read[0].bad and not skip_bad and not asked and sheet.write_errors is None:
            raise BadRows(read[0].bad)
        with open_producer(ctx, data_dir, tenant, checked=answers) as producer:
            checked = _agreed(producer, source, terms, *read, skip_bad=skip_bad, asked=asked)
            skipped = checked.rows - checked.good if skip_bad else None
            result, well = _store(producer, source, terms, start, checked, read[1], skipped=skipped, wait=wait)
    if as_json:
        print_json(result)
    if not well:
        raise typer.Exit(SOME_FAILED)


def _store(
    producer: Producer,
    source: Source,
    terms: Terms,
    start: Start,
    checked: Checked,
    report: Report,
    *,
    skipped: int | None,
    wait: bool,
) -> tuple[dict[str, Any], bool]:
    """Enqueue rows, and with `wait` see them through; returns the result as JSON, and whether all is well."""
    name = str(source.name)
    sheet = source_of(source.file.name, report)
    how = replace(start, reading=source.options.to_remember(), sheet=sheet, proof=source.proof)
    batch = checked.batch()
    stored = producer.store(batch, campaign=name, terms=terms, start=how, progress=_uploading)
    done = run_report(producer.database, producer.tenant, name, batch.jobs, stored, proof=source.proof)
    rows, ids = RunRowsHere(producer, name), [item.id for item in stored]
    for line in stored_lines(done, name, start, None if wait else rows.held()):
        say(line)
    still: list[dict[str, Any]] = []
    counts = see_through(rows, ids, name, still) if wait else rows.counts(rows.standing(ids))
    jobs = rows.standing(ids)  # after a retry, an edit or a final, another job stands for a row
    if wait:
        say_failures(rows, jobs)
    result = result_of(done, name, skipped, still if wait else None)
    return result | {"counts": counts, "ids": jobs}, not wait or all_is_well(counts, ids, still)


def _agreed(
    producer: Producer, source: Source, terms: Terms, checked: Checked, report: Report, *, skip_bad: bool, asked: bool
) -> Checked:
    """The rows to enqueue, after a person who sits there has seen the plan and agreed.

    Raises:
        BadRows: some rows are bad, and they are not to be skipped.
        Abort: the person says no.
    """
    plan = None
    if asked or source.errors_to is not None:
        with producer.database.begin() as conn:
            stored = source.read_stored(conn, checked)
        plan = source.plan(stored, checked, report, terms)
    if plan is not None and asked:
        for line in plan_lines(plan, source.file.name):
            say(line)
    else:
        for note in (*report.notes, *notes_on_duplicates(checked.jobs)):
            say(note)
    if checked.bad and not skip_bad:
        raise BadRows(checked.bad)
    if checked.bad and not asked:
        for line in skipped_lines(checked.bad):
            say(line)
    if not checked.jobs:
        raise InvalidInput([Problem("", "no row is left to enqueue")], source.file.name)
    if plan is not None and asked:
        confirm(f"Enqueue {plural(len(plan.jobs), 'video')} as {source.name}?", yes=False)
    return checked


def _uploading(done: int, total: int) -> None:
    if done == total or done % 50 == 0:
        say(f"{done}/{total} local files uploaded")
