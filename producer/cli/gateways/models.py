"""`reelq models`: the models that each account can use, as its rows say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from producer.cli.doors.looking import open_looking
from producer.cli.jobs.explain import decided_by
from producer.cli.shared.options import AsJson, DataDir
from producer.cli.shared.output import print_json, print_table
from seedance.problems import InvalidInput, Problem

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
    found = open_looking(ctx, data_dir, tenant).models(account)
    if as_json:
        print_json([_listed(item) for item in found])
        return
    print_table(
        ["ACCOUNT", "MODEL", "TIER", "OWN NAME", "RESOLUTIONS", "SECONDS", "AS OF"],
        [
            [
                item["account"],
                row["name"],
                ", ".join(item["tiers"]) or "-",
                ", ".join(row["models"]),
                ", ".join(row["resolutions"]),
                f"{row['seconds'][0]}-{row['seconds'][1]}" + (", -1" if row["auto_duration"] else ""),
                row["as_of"],
            ]
            for item in found
            for row in (item["row"],)
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
    every = open_looking(ctx, data_dir, tenant).models(account)
    found = [item for item in every if name in (item["row"]["name"], *item["row"]["models"], *item["tiers"])]
    if not found:
        known = ", ".join(sorted({item["row"]["name"] for item in every}))
        raise InvalidInput([Problem("model", f"must be one of {known}, not {name!r}")])
    if as_json:
        print_json([_shown(item) for item in found])
        return
    for number, item in enumerate(found):
        if number:
            typer.echo()
        row = item["row"]
        typer.echo(f"{row['name']} at {item['account']}: {decided_by(row)}")
        for field, value in _shown(item).items():
            if field not in ("account", "name", "decided_by"):
                for line in _lines(field, value):
                    typer.echo(f"  {line}")


def _listed(item: Mapping[str, Any]) -> dict[str, Any]:
    shown = _shown(item)
    names = ("account", "gateway", "name", "tiers", "models", "resolutions", "seconds", "auto_duration", "as_of")
    return {name: shown[name] for name in (*names, "decided_by")}


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"account": item["account"], "gateway": item["gateway"], "tiers": item["tiers"], **item["row"]}


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
