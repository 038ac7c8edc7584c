"""`reelq db recount`: correct the kept counts."""

from __future__ import annotations

import typer

from producer.cli.shared.access import settings_of
from producer.cli.shared.options import AsJson, DataDir
from producer.cli.shared.output import print_json
from producer.wording import plural
from storage.database import connect
from storage.reporting.recounts import recount_all


def recount(ctx: typer.Context, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Count all jobs and webhook messages again, and correct the counts that are kept of them. Work goes on."""
    with connect(settings_of(ctx, data_dir).require_database_url()) as conn:
        corrected = recount_all(conn)
    if as_json:
        print_json(corrected)
        return
    wrong = [f"{plural(groups, 'group')} of {table}" for table, groups in corrected.items() if groups]
    typer.echo(f"corrected: {', '.join(wrong)}" if wrong else "all counts are right")
