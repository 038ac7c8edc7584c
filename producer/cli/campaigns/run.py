"""`reelq campaign run`: enqueue every row of a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from producer.campaigns.duplicates import notes_on_duplicates
from producer.campaigns.files import check_name
from producer.campaigns.left_behind import as_dicts, left_behind_lines, left_behind_of
from producer.campaigns.planning.checking import Checked
from producer.campaigns.reading.options import read_options
from producer.campaigns.reading.report import Report
from producer.campaigns.storing import edited_rows, source_of
from producer.campaigns.templates.document import read_template
from producer.cli.campaigns.plan_text import edit_lines, plan_lines, proofs_text
from producer.cli.campaigns.planning import Source, remember_if_possible
from producer.cli.campaigns.waiting import ON_PURPOSE, held_text, say_failures, see_through
from producer.cli.campaigns.waiting_words import waiting_text
from producer.cli.doors.choice import api_client
from producer.cli.shared.access import accounts_of
from producer.cli.shared.confirmation import confirm, on_terminal
from producer.cli.shared.exit_codes import SOME_FAILED
from producer.cli.shared.formatting import clean
from producer.cli.shared.options import AsJson, BudgetText, DataDir, Notify, OfTenant, Wait, Weight, Yes
from producer.cli.shared.output import print_json, say
from producer.cli.shared.pace_options import (
    Deadline,
    MaxConcurrent,
    Priority,
    Proof,
    QuietHours,
    StartAt,
    TimeZone,
    zone_or_local,
)
from producer.cli.shared.producers import open_producer
from producer.cli.shared.sheets import (
    CampaignFile,
    Delimiter,
    Encoding,
    Key,
    Mapped,
    Prompt,
    Sheet,
    TemplateFile,
    WriteErrors,
)
from producer.client import Producer
from producer.errors import InvalidRows
from producer.intake.pace import read_pace
from producer.intake.row_defaults import read_defaults
from producer.intake.start import Start
from producer.intake.terms import Terms, read_terms
from seedance.problems import InvalidInput, Problem
from storage.jobs.enqueue import REQUEST
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT

_SHOWN_BAD = 1_000


def run(
    ctx: typer.Context,
    file: CampaignFile,
    name: Annotated[str, typer.Option(help="The campaign. With a known name, only new rows are added.")],
    prompt: Prompt = None,
    template: TemplateFile = None,
    mapped: Mapped = None,
    key: Key = None,
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
    proof: Proof = False,
    deadline: Deadline = None,
    priority: Priority = None,
    start_at: StartAt = None,
    quiet_hours: QuietHours = None,
    max_concurrent: MaxConcurrent = None,
    time_zone: TimeZone = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Enqueue the good rows although some are bad.")] = False,
    fetch: Annotated[
        bool | None,
        typer.Option(
            "--fetch/--no-fetch",
            help="Fetch the media that rows name by URL; by default where a person is asked.",
            show_default=False,
        ),
    ] = None,
    write_errors: WriteErrors = None,
    sheet: Sheet = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    wait: Wait = False,
    yes: Yes = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Enqueue every row of a file, all or none. On a terminal, show the plan first and ask. With --wait, show the
    progress; exit code 1 if some jobs fail, or if nothing goes on before a person acts."""
    check_name(name)
    zone = zone_or_local(time_zone)
    terms = replace(read_terms(budget, weight, notify), pace=read_pace(start_at, quiet_hours, max_concurrent, zone))
    defaults = read_defaults(priority, deadline, zone)
    options = read_options(encoding, delimiter, sheet, mapped or (), key, read_template(template, prompt))
    asked = not yes and not as_json and on_terminal()
    fetches = asked if fetch is None else fetch
    if (reelq := api_client(ctx, data_dir, tenant)) is not None:
        # Imported here: the client takes long, and a command at the server does without.
        from producer.cli.campaigns import through_api

        if skip_bad:
            raise InvalidInput([Problem("--skip-bad", "works only where the server's configuration is")])
        away = through_api.sheet_away(
            file,
            options,
            mapped or (),
            prompt,
            template,
            write_errors,
            proof=proof,
            deadline=deadline,
            priority=priority,
            start_at=start_at,
            quiet_hours=quiet_hours,
            max_concurrent=None if terms.pace.max_concurrent is None else terms.pace.max_concurrent.value,
            time_zone=zone,
        )
        if asked or fetch or write_errors is not None:
            plan = through_api.plan_there(reelq, away, name, terms, fetch=fetches)
            through_api.agree_there(plan, away, name, asked=asked)
        found, well = through_api.run_there(reelq, away, name, terms, Start(paused, first), wait=wait)
        if as_json:
            print_json(found)
        if not well:
            raise typer.Exit(SOME_FAILED)
        return
    settings = accounts_of(ctx, data_dir).for_tenant(tenant)
    source = Source(file, options, settings, tenant, name, fetches, write_errors, defaults, proof)
    remember_if_possible(source)
    read = source.check()  # before the database is needed: what is wrong with the file is said first
    if read[0].bad and not skip_bad and not asked and write_errors is None:
        raise _bad_rows(read[0])
    with open_producer(ctx, data_dir, tenant) as producer:
        checked = _agreed(producer, source, terms, *read, skip_bad=skip_bad, asked=asked)
        report = read[1]
        sheet_source = source_of(file.name, report)
        start = Start(paused, first, source.options.to_remember(), sheet_source, source.proof)
        stored = producer.store(checked.batch(), campaign=name, terms=terms, start=start, progress=_uploading)
        created = sum(item.created for item in stored)
        known = f", {len(stored) - created} known" if created < len(stored) else ""
        say(f"{name}: {len(stored)} rows, {created} new{known}{waiting_text(checked.good, name, start)}")
        if source.proof and created:
            say(f"{name}: {proofs_text(checked.jobs)}; `reelq campaign approve {name}` makes the finals")
        if not wait and (held := held_text(producer, name)) is not None:
            say(held)
        if differing := sorted({field for item in stored for field in item.differs} - {REQUEST}):
            say(f"{name}: known jobs keep their own {', '.join(differing)}, which differ from the file's")
        edited = edited_rows(checked.jobs, stored)
        for line in edit_lines(edited, name):
            say(line)
        known_rows = created < len(stored)  # a file that is another one on purpose has none
        left = left_behind_of(producer.database, tenant, name) if known_rows else []
        for line in left_behind_lines(left, name):
            say(clean(line))
        result: dict[str, Any] = {"campaign": name, "rows": len(stored), "created": created, "edited": edited}
        result["not_in_file"] = as_dicts(left)
        if skip_bad:
            result["skipped"] = checked.rows - checked.good
        still: list[dict[str, Any]] = []
        rows = [item.id for item in stored]
        counts = see_through(producer, rows, name, still) if wait else producer.counts(producer.standing(rows))
        jobs = producer.standing(rows)  # after a retry, an edit or a final, another job stands for a row
        if wait:
            say_failures(producer, jobs)
    if as_json:
        waits = {"standstill": still} if wait else {}
        print_json(result | {"counts": counts, "ids": jobs} | waits)
    kept_back = sum(why["jobs"] for why in still if why["code"] in ON_PURPOSE)
    if wait and counts.get(JobState.SUCCEEDED, 0) < len(set(rows)) - kept_back:
        raise typer.Exit(SOME_FAILED)


def _agreed(
    producer: Producer, source: Source, terms: Terms, checked: Checked, report: Report, *, skip_bad: bool, asked: bool
) -> Checked:
    """The rows to enqueue, after a person who sits there has seen the plan and agreed.

    Raises:
        InvalidRows: some rows are bad, and they are not to be skipped.
        Abort: the person says no.
    """
    plan = None
    if asked or source.errors_to is not None:
        with producer.database.begin() as conn:
            plan = source.plan(conn, checked, report, terms)
    if plan is not None and asked:
        for line in plan_lines(plan, source.file.name):
            say(line)
    else:
        for note in (*report.notes, *notes_on_duplicates(checked.jobs)):
            say(note)
    if checked.bad and not skip_bad:
        raise _bad_rows(checked)
    if checked.bad and not asked:
        for row in checked.bad[:_SHOWN_BAD]:
            say(f"skipped {row}")
    if not checked.jobs:
        raise InvalidInput([Problem("", "no row is left to enqueue")], source.file.name)
    if plan is not None and asked:
        confirm(f"Enqueue {len(plan.jobs)} videos as {source.name}?", yes=False)
    return checked


def _bad_rows(checked: Checked) -> InvalidRows:
    return InvalidRows(checked.bad[:_SHOWN_BAD], more=len(checked.bad) > _SHOWN_BAD)


def _uploading(done: int, total: int) -> None:
    if done == total or done % 50 == 0:
        say(f"{done}/{total} local files uploaded")
