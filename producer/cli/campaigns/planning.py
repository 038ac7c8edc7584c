"""From the options of `campaign plan` and `campaign run` to a plan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from producer.campaigns.files import read_campaign
from producer.campaigns.planning.checking import Checked, check_campaign
from producer.campaigns.planning.written_errors import check_target, write_errors
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.report import Report
from producer.cli.shared.output import say
from producer.intake.finals import with_drafts
from producer.intake.row_defaults import NO_DEFAULTS, RowDefaults
from producer.intake.start import same_way
from producer.intake.terms import Terms
from seedance.problems import InvalidInput
from storage.campaigns import controls
from storage.database import Connection, DatabaseUnavailable, connect
from storage.jobs.drafts import find_draft
from storage.revisions import check_schema
from storage.settings import Settings

if TYPE_CHECKING:
    from producer.campaigns.planning.plan import Plan, Stored


@dataclass(slots=True)
class Source:
    """A campaign file, how to read it, and the campaign that it is for; `name` None: none is named yet. `defaults`: for
    rows that leave fields open."""

    file: Path
    options: ReadingOptions
    settings: Settings
    tenant: str
    name: str | None
    fetch: bool
    errors_to: Path | None = None
    defaults: RowDefaults = NO_DEFAULTS
    proof: bool = False
    """The jobs are proofs: this was asked for, or the campaign's rows are."""

    def check(self) -> tuple[Checked, Report]:
        """Check every row.

        Raises:
            InvalidInput: the file as a whole cannot be read.
        """
        if self.errors_to is not None:
            check_target(self.file, self.errors_to)
        rows = read_campaign(self.file, self.options)
        progress = _fetching if self.fetch else None
        try:
            with ExitStack() as opened:  # only rows with draft_of need the database here
                connection = cache(lambda: opened.enter_context(_current(self.settings)))
                found = with_drafts(
                    self.defaults.fill(rows),
                    self.settings,
                    lambda job_id, key: find_draft(connection(), self.tenant, job_id, key),
                )
                checked = check_campaign(
                    found, self.settings, self.file.parent, fetch=self.fetch, progress=progress, proof=self.proof
                )
        except InvalidInput:
            for note in rows.notes:
                say(note)
            raise
        return checked, rows.report

    def remember(self, conn: Connection) -> None:
        """Take over how the campaign's columns were read last, and whether it makes proofs; what is given now wins.

        Raises:
            InvalidInput: proofs are wanted, and the campaign has rows that were made without.
        """
        if self.name is not None:
            self.options = self.options.remembering(controls.reading_of(conn, self.tenant, self.name))
            self.proof = same_way(self.name, controls.proof_of(conn, self.tenant, self.name), self.proof)

    def read_stored(self, conn: Connection, checked: Checked) -> Stored:
        """What the database knows about the campaign. A plan of it is made after the transaction: that of a large sheet
        takes longer than a transaction may idle."""
        # Imported here, as below: a run without questions makes no plan.
        from producer.campaigns.planning.plan import read_stored

        return read_stored(conn, self.settings, self.tenant, self.name, checked)

    def plan(self, stored: Stored | None, checked: Checked, report: Report, terms: Terms) -> Plan:
        """The plan of checked rows; `stored` None: without what the database knows."""
        from producer.campaigns.planning.plan import make_plan

        if self.errors_to is not None and checked.bad:
            write_errors(self.file, self.options, checked.bad, self.errors_to)
            say(f"the bad rows are in {self.errors_to}, each with its reason")
        return make_plan(checked, report, self.settings, name=self.name, terms=terms, stored=stored, proof=self.proof)


def _fetching(done: int, total: int) -> None:
    if done == total or done % 50 == 0:
        say(f"{done}/{total} files fetched")


def make_whole_plan(source: Source, terms: Terms) -> Plan:
    """A plan with what the database knows, or a plan without it, with a note that says so.

    Raises:
        InvalidInput: the file as a whole cannot be read.
    """
    problem = remember_if_possible(source)
    checked, report = source.check()
    if problem is None:
        with _current(source.settings) as conn:
            stored = source.read_stored(conn, checked)
        return source.plan(stored, checked, report, terms)
    report.notes.append(
        f"planned without the database: learnt limits, the campaign and its known rows do not count ({problem})"
    )
    return source.plan(None, checked, report, terms)


def remember_if_possible(source: Source) -> DatabaseUnavailable | None:
    """Take over how the campaign's columns were read last; returns why that was not possible."""
    try:
        with _current(source.settings) as conn:
            source.remember(conn)
    except DatabaseUnavailable as exc:
        return exc
    return None


@contextmanager
def _current(settings: Settings) -> Iterator[Connection]:
    if settings.database_url is None:
        raise DatabaseUnavailable("none is configured and no stack is running here")
    with connect(settings.database_url) as conn:
        check_schema(conn)
        yield conn
