"""`reelq explain`: what each account would be sent for a job, its cost, and what it cannot do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import orjson
import typer

from producer.campaigns.reading.options import read_options
from producer.cli.doors.looking import open_looking
from producer.cli.shared.formatting import clean, one_line
from producer.cli.shared.money import estimate_line
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json, say
from producer.cli.shared.sheets import Delimiter, Encoding, Mapped, Sheet
from producer.explanation import AccountAnswer, Explanation
from storage.tenants.tenants import DEFAULT_TENANT

_DECIDED = {
    "gateway": "the gateway's documented name",
    "account": "named in the account's models",
    "id": "a documented id",
    "pattern": "the id looks like it",
    "tier": "the id is not known; this is the model of the tier",
}
"""Why a row applies."""


def decided_by(row: Mapping[str, Any]) -> str:
    """Why a row of the tables applies; a newer API may have reasons of its own."""
    code = str(row["decided_by"])
    return _DECIDED.get(code, code)


def explain(
    ctx: typer.Context,
    jobs: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|PROMPT...",
            help="Campaign files (.jsonl, .csv, .xlsx, …), prompts, or jobs as JSON objects.",
            show_default=False,
        ),
    ],
    account: Annotated[str | None, typer.Option(help="Show this account only.", show_default=False)] = None,
    mapped: Mapped = None,
    sheet: Sheet = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what each account would be sent for a job, and at what cost. Exit code 2 if no account can serve a job.

    Nothing is sent, uploaded or stored. A database is needed only for the accounts that it keeps. Local files appear as
    names in angle brackets; they become assets, links or data URIs when the job is submitted. From elsewhere, jobs name
    media by URL, or as upload://….
    """
    options = read_options(encoding, delimiter, sheet, mapped or ())
    found = open_looking(ctx, data_dir, tenant).explain(jobs, account, options, mapped or (), say)
    if as_json:
        listed = list(found)
        print_json([item.as_dict() for item in listed])
        served = [item.chosen is not None for item in listed]
    else:
        served = [_print(number, item) for number, item in enumerate(found)]
    if not all(served):
        raise typer.Exit(2)


def _print(number: int, item: Explanation) -> bool:
    if number:
        typer.echo()
    prompt = one_line(item.job.get("prompt", ""), 100)
    typer.echo(f"{item.where}: {prompt}" if item.where else prompt)
    for problem in item.problems:
        typer.echo(clean(f"  error    {problem}"))
    for answer in item.accounts:
        for line in _lines(answer, first=answer.account == item.chosen):
            typer.echo(clean(line))
    return item.chosen is not None


def _lines(answer: AccountAnswer, *, first: bool) -> Iterator[str]:
    if answer.errors:
        yield f"  {answer.account} ({answer.gateway}) cannot serve it"
        for problem in answer.errors:
            yield f"    error    {problem}"
        return
    yield f"  {answer.account} ({answer.gateway}, {answer.model})" + (", tried first" if first else "")
    if answer.row is not None:
        yield f"    row      {answer.row['name']}, as of {answer.row['as_of']}: {decided_by(answer.row)}"
    yield f"    {answer.method} {answer.url}"
    body = orjson.dumps(answer.body, option=orjson.OPT_INDENT_2).decode()
    yield from (f"    {line}" for line in body.splitlines())
    cost = (
        estimate_line(dict(answer.estimate) | {"account": None})
        if answer.estimate
        else "unknown; set the account's `rates`"
    )
    yield f"    cost     {cost}"
    for problem in answer.warnings:
        yield f"    warning  {problem}"
