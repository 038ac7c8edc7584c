"""`reelq models`: the models that each account can use, as its rows say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from producer.cli.jobs.explain import DECIDED
from producer.cli.shared.access import accounts_of
from producer.cli.shared.options import AsJson, DataDir
from producer.cli.shared.output import print_json, print_table
from seedance.gateways.base import Dialect
from seedance.gateways.registry import DIALECTS
from seedance.models.rows import ModelRow
from seedance.problems import InvalidInput, Problem
from storage.settings import Settings

AccountName = Annotated[str | None, typer.Option(help="This account only.", show_default=False)]
TenantName = Annotated[str | None, typer.Option(help="Only accounts that may serve this tenant.", show_default=False)]


def list_models(
    ctx: typer.Context,
    account: AccountName = None,
    tenant: TenantName = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List the models of each account. Jobs use their neutral names. Without accounts: those of every gateway."""
    rows = list(_rows(_settings(ctx, data_dir, tenant), account))
    if as_json:
        print_json([_listed(owner, dialect, row) for owner, dialect, row in rows])
        return
    print_table(
        ["ACCOUNT", "MODEL", "TIER", "OWN NAME", "RESOLUTIONS", "SECONDS", "AS OF"],
        [
            [
                owner,
                row.name,
                ", ".join(_tiers(dialect, row)) or "-",
                ", ".join(row.models),
                ", ".join(row.resolutions),
                f"{row.seconds[0]}-{row.seconds[1]}" + (", -1" if row.auto_duration else ""),
                row.as_of.isoformat(),
            ]
            for owner, dialect, row in rows
        ],
    )


def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The neutral name, a tier, or the gateway's own name.")],
    account: AccountName = None,
    tenant: TenantName = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show everything that is known of a model. It may differ between accounts."""
    every = list(_rows(_settings(ctx, data_dir, tenant), account))
    found = [item for item in every if name in (item[2].name, *item[2].models, *_tiers(item[1], item[2]))]
    if not found:
        known = ", ".join(sorted({row.name for _, _, row in every}))
        raise InvalidInput([Problem("model", f"must be one of {known}, not {name!r}")])
    if as_json:
        print_json([_shown(owner, dialect, row) for owner, dialect, row in found])
        return
    for number, (owner, dialect, row) in enumerate(found):
        if number:
            typer.echo()
        typer.echo(f"{row.name} at {owner}: {DECIDED[row.decided_by]}")
        for field, value in _shown(owner, dialect, row).items():
            if field not in ("account", "name", "decided_by"):
                for line in _lines(field, value):
                    typer.echo(f"  {line}")


def _settings(ctx: typer.Context, data_dir: Path | None, tenant: str | None) -> Settings:
    settings = accounts_of(ctx, data_dir)
    return settings if tenant is None else settings.for_tenant(tenant)


def _rows(settings: Settings, only: str | None) -> Iterator[tuple[str, Dialect, ModelRow]]:
    """Every row, with the account, or the gateway if no account is configured."""
    dialects = [(account.name, account.dialect) for account in settings.accounts] or list(DIALECTS.items())
    if only is not None and only not in dict(dialects):
        raise InvalidInput([Problem("account", f"{only!r} is not configured; there is {', '.join(dict(dialects))}")])
    for owner, dialect in dialects:
        if only in (None, owner):
            yield from ((owner, dialect, row) for row in _distinct(dialect))


def _distinct(dialect: Dialect) -> Iterable[ModelRow]:
    catalog = dialect.catalog
    others = [row for row in catalog.tiers.values() if row not in catalog.models.values()]
    return [*catalog.models.values(), *others]


def _tiers(dialect: Dialect, row: ModelRow) -> list[str]:
    """The tiers whose jobs get this model if they name none."""
    return [tier for tier, found in dialect.catalog.tiers.items() if found == row]


def _listed(owner: str, dialect: Dialect, row: ModelRow) -> dict[str, Any]:
    shown = _shown(owner, dialect, row)
    names = ("account", "gateway", "name", "tiers", "models", "resolutions", "seconds", "auto_duration", "as_of")
    return {name: shown[name] for name in (*names, "decided_by")}


def _shown(owner: str, dialect: Dialect, row: ModelRow) -> dict[str, Any]:
    data = row.model_dump(mode="json", by_alias=True)
    return {"account": owner, "gateway": dialect.name, "tiers": _tiers(dialect, row), **data}


def _lines(field: str, value: Any) -> Iterator[str]:
    """One fact, or a group of facts, as lines."""
    if value in (None, [], {}, ""):
        return
    if isinstance(value, dict):
        inner = [line for name, item in value.items() for line in _lines(name, item)]
        yield from (field, *(f"  {line}" for line in inner)) if inner else ()
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        yield field
        yield from (f"  {_words(item)}" for item in value)
    else:
        yield f"{field}: {_words(value)}"


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(item)}" for name, item in value.items() if item not in (None, [], {}))
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
