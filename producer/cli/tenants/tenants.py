"""`reelq tenants`: their shares of the slots, limits and budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from producer.cli.doors.looking import open_looking
from producer.cli.shared.access import settings_of
from producer.cli.shared.money import budget_line
from producer.cli.shared.options import AsJson, BudgetText, DataDir, Notify, Weight
from producer.cli.shared.output import print_json, print_table, say
from producer.intake.recipients import check_mail
from producer.intake.terms import read_terms
from producer.operator_actions.tenants import set_terms
from producer.wording import plural
from storage.admission.spending import budgets
from storage.database import connect
from storage.tenants import tenants


def list_tenants(ctx: typer.Context, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List tenants. Shows their shares, limits and budgets."""
    found = open_looking(ctx, data_dir, None).tenants()
    if as_json:
        print_json(found)
        return
    rows = [[t["name"], t["weight"], t["jobs_per_minute"] or "-", _budget_text(t["budget"])] for t in found]
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
        is_new = not tenants.list_tenants(conn, name)
        tenant = set_terms(conn, name, terms, jobs_per_minute)
        found = next(iter(budgets.budgets_of(conn, tenant.name)), None)
    if is_new:
        say(f"{name} is a new tenant. With several tenants, programs on this machine need a key too")
    budget_now = None if found is None else found.as_dict()
    if as_json:
        print_json(asdict(tenant) | {"budget": budget_now})
        return
    rate = f"{plural(tenant.jobs_per_minute, 'job')} per minute" if tenant.jobs_per_minute else "no limit"
    typer.echo(f"{name}: weight {tenant.weight}, {rate}, budget {_budget_text(budget_now)}")


def _budget_text(budget: Mapping[str, Any] | None) -> str:
    return "none" if budget is None else budget_line(budget)
