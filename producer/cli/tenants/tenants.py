"""`reelq tenants`: their shares of the slots, limits and budgets."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from producer.cli.shared.access import settings_of
from producer.cli.shared.money import budget_line
from producer.cli.shared.options import AsJson, BudgetText, DataDir, Notify, Weight
from producer.cli.shared.output import print_json, print_table
from producer.intake.recipients import check_mail
from producer.intake.terms import read_terms
from producer.operator_actions.tenants import set_terms
from storage.admission import budgets
from storage.admission.budgets import Budget
from storage.database import Connection, connect
from storage.tenants import tenants
from storage.tenants.tenants import Tenant


def list_tenants(ctx: typer.Context, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List tenants. Shows their shares, limits and budgets."""
    with connect(settings_of(ctx, data_dir).require_database_url()) as conn:
        found = [(tenant, _budget(conn, tenant)) for tenant in tenants.list_tenants(conn)]
    if as_json:
        print_json([_document(*item) for item in found])
        return
    rows = [[t.name, t.weight, t.jobs_per_minute or "-", _budget_text(budget)] for t, budget in found]
    print_table(["NAME", "WEIGHT", "JOBS PER MINUTE", "BUDGET"], rows)


def set_tenant(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The tenant; created if new.")],
    weight: Weight = None,
    budget: BudgetText = None,
    jobs_per_minute: Annotated[
        int | None,
        typer.Option(min=0, max=1_000_000, help="Jobs it may enqueue; 0: no limit.", show_default=False),
    ] = None,
    notify: Notify = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Set a tenant's share of the slots, its limit, its budget, and who gets mail about its campaigns."""
    terms, settings = read_terms(budget, weight, notify), settings_of(ctx, data_dir)
    check_mail(terms.notify, settings)
    with connect(settings.require_database_url()) as conn:
        tenant = set_terms(conn, name, terms, jobs_per_minute)
        found = _budget(conn, tenant)
    if as_json:
        print_json(_document(tenant, found))
        return
    rate = f"{tenant.jobs_per_minute} jobs per minute" if tenant.jobs_per_minute else "no limit"
    typer.echo(f"{name}: weight {tenant.weight}, {rate}, budget {_budget_text(found)}")


def _budget(conn: Connection, tenant: Tenant) -> Budget | None:
    return next(iter(budgets.budgets_of(conn, tenant.name)), None)


def _budget_text(budget: Budget | None) -> str:
    return "none" if budget is None else budget_line(budget.as_dict())


def _document(tenant: Tenant, budget: Budget | None) -> dict[str, object]:
    return asdict(tenant) | {"budget": None if budget is None else budget.as_dict()}
