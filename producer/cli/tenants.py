"""`reelq tenants`: who shares this installation, and how."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from producer.cli.options import AsJson, DataDir, settings_of

if TYPE_CHECKING:
    from storage.admission.budgets import Budget
    from storage.database import Connection
    from storage.tenants.tenants import Tenant

app = typer.Typer(help="Tenants: who shares this installation, and how.", no_args_is_help=True)

Budgeted = Annotated[
    str | None,
    typer.Option("--budget", metavar="AMOUNT", help='As in "100 CNY"; "none" takes it away.', show_default=False),
]
Weight = Annotated[
    int | None,
    typer.Option(min=1, max=100, help="Jobs it gets in its turn, where others get one.", show_default=False),
]


@app.command("list")
def list_tenants(ctx: typer.Context, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List tenants, their shares, limits and budgets."""
    from producer.cli.output import print_json, print_table
    from storage.database import connect
    from storage.tenants import tenants

    with connect(settings_of(ctx, data_dir).require_database_url()) as conn:
        found = [(tenant, _budget(conn, tenant)) for tenant in tenants.list_tenants(conn)]
    if as_json:
        print_json([_document(*item) for item in found])
        return
    rows = [[t.name, t.weight, t.jobs_per_minute or "-", _budget_text(budget)] for t, budget in found]
    print_table(["NAME", "WEIGHT", "JOBS A MINUTE", "BUDGET"], rows)


@app.command("set")
def set_tenant(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The tenant; made if there is none of that name.")],
    weight: Weight = None,
    budget: Budgeted = None,
    jobs_per_minute: Annotated[
        int | None, typer.Option(min=0, max=1_000_000, help="What it may enqueue; 0: no limit.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Say how much of the slots a tenant gets, what it may spend, and how fast it may enqueue."""
    from producer.cli.output import print_json
    from producer.intake.terms import read_terms
    from producer.operator_actions.tenants import set_terms
    from storage.database import connect

    terms = read_terms(budget, weight)
    with connect(settings_of(ctx, data_dir).require_database_url()) as conn:
        tenant = set_terms(conn, name, terms, jobs_per_minute)
        found = _budget(conn, tenant)
    if as_json:
        print_json(_document(tenant, found))
        return
    rate = f"{tenant.jobs_per_minute} jobs a minute" if tenant.jobs_per_minute else "any number of jobs"
    typer.echo(f"{name}: weight {tenant.weight}, may enqueue {rate}, budget {_budget_text(found)}")


def _budget(conn: Connection, tenant: Tenant) -> Budget | None:
    from storage.admission import budgets

    return next(iter(budgets.budgets_of(conn, tenant.name)), None)


def _budget_text(budget: Budget | None) -> str:
    from producer.cli.money import budget_line

    return "none" if budget is None else budget_line(budget)


def _document(tenant: Tenant, budget: Budget | None) -> dict[str, object]:
    return asdict(tenant) | {"budget": None if budget is None else budget.as_dict()}
