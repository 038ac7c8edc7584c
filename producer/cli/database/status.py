"""`reelq db status` and `reelq db confirm`: what a restore has left, and the decision to go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import typer

from producer.cli.shared.access import settings_of
from producer.cli.shared.confirmation import confirm as ask
from producer.cli.shared.money import amount
from producer.cli.shared.options import AsJson, DataDir, Yes
from producer.cli.shared.output import print_json
from producer.wording import plural
from storage.bucket.objects import Objects
from storage.database import connect
from storage.journal.comparison import place_of
from storage.journal.views import JournalView, Lost, confirm_journal, journal_view
from storage.revisions import current_revision


def status(ctx: typer.Context, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show the schema, the journal and what a restore has left. Exit code 1 if submits are held."""
    with connect(settings_of(ctx, data_dir).require_database_url()) as conn:
        revision, view = current_revision(conn), journal_view(conn)
    if as_json:
        print_json({"revision": revision, **_document(view)})
    else:
        for line in _lines(revision, view):
            typer.echo(line)
    if view.state.hold is not None:
        raise typer.Exit(1)


def confirm(ctx: typer.Context, yes: Yes = False, data_dir: DataDir = None) -> None:
    """Submit again although the journal leaves doubts. Look at the gateway first."""
    settings = settings_of(ctx, data_dir)
    url = settings.require_database_url()
    with connect(url) as conn:
        view = journal_view(conn)
    if view.state.hold is None:
        typer.echo("nothing is held")
        return
    typer.echo(view.state.hold["message"])
    ask(f"Submit {_waiting(view)}? You pay twice for each one that was submitted before.", yes)
    with connect(url) as conn:
        confirm_journal(conn, place_of(Objects(settings)))
    typer.echo("jobs are submitted again")


def _document(view: JournalView) -> dict[str, object]:
    found = view.state
    return {
        "lineage": str(found.lineage),
        "journal": found.place,
        "through": found.through,
        "hold": found.hold,
        "problem": found.problem,
        "behind": found.behind_error if found.behind else None,
        "restored": found.restored,
        "unconfirmed": view.unconfirmed,
        "queued_jobs": view.queued,
        "queued": [asdict(item) | {"cost": float(item.cost)} for item in view.waiting],
        "lost_jobs": [asdict(item) | {"job_id": str(item.job_id)} for item in view.lost],
    }


def _lines(revision: str | None, view: JournalView) -> Iterator[str]:
    found = view.state
    yield f"schema    {revision or 'empty'}"
    yield f"journal   {found.place or 'not written yet'}"
    yield f"agrees    {'never compared' if found.through is None else f'until {found.through:%Y-%m-%d %H:%M:%S} UTC'}"
    yield f"queued    {_waiting(view)}"
    if found.hold is not None:
        yield f"HELD      {found.hold['message']}"
    if found.problem is not None:
        yield f"problem   {found.problem['message']}"
    if found.behind:
        yield f"behind    submits cannot be written down before they are made: {found.behind_error}"
    if found.restored is not None:
        yield from _restored(view)


def _restored(view: JournalView) -> Iterator[str]:
    report = view.state.restored or {}
    since = f"{report['since']}"[:19].replace("T", " ") if report.get("since") else "a time before the journal"
    until = f"{report['until']}"[:19].replace("T", " ")
    yield f"restored  at {report['found_at'][:19].replace('T', ' ')} UTC"
    yield f"          the backup is of {since}; the journal ends at {until}"
    yield f"          {plural(report['adopted'], 'job')} went on with the task of a submit after the backup"
    yield f"          {plural(report['stored'], 'job')} had their video in the bucket"
    yield f"          {plural(report['unconfirmed'], 'job')} may have been accepted; {view.unconfirmed} still wait"
    if view.unconfirmed:
        yield "          they are looked for at the gateway; `reelq jobs resolve` decides about the others"
    if view.lost:
        yield f"lost      {plural(len(view.lost), 'job')} enqueued and submitted after the backup; not in the database."
        yield "          Look at each before you enqueue it again:"
        yield from (f"          {_lost(item)}" for item in view.lost)


def _lost(item: Lost) -> str:
    key = f" key {item.idempotency_key}" if item.idempotency_key else ""
    where = f"video {item.object_key}" if item.object_key else f"task {item.gateway_task_id or 'unknown'}"
    return f"{item.job_id} of {item.tenant}{key}: {where} at {item.account or 'unknown'}"


def _waiting(view: JournalView) -> str:
    """`12 jobs, at least CNY 31.20`."""
    costs = [amount(item.cost, item.currency) for item in view.waiting if item.currency]
    return plural(view.queued, "job") + (f", at least {' and '.join(costs)}" if costs else "")
