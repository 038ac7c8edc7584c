"""`reelq accounts`: gateway accounts and their state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from producer.cli.doors.choice import open_door
from producer.cli.shared.formatting import error_line
from producer.cli.shared.options import AsJson, DataDir
from producer.cli.shared.output import print_json, print_table


def list_accounts(ctx: typer.Context, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List accounts in the order they are tried. Shows limits, use, and why an account takes no jobs."""
    with open_door(ctx, data_dir) as door:
        rows = [row | {"error": error_line(row["error"]) or None} for row in door.accounts()]
        unusable = door.unusable_accounts()
    if as_json:
        print_json(rows)
        return
    print_table(
        ["NAME", "GATEWAY", "TENANTS", "IN FLIGHT", "LIMIT", "PER MINUTE", "STATE", "URL"],
        [
            [
                row["name"],
                row["gateway"],
                ", ".join(row["tenants"] or ["*"]),
                row["in_flight"],
                _limit(row),
                row["requests_per_minute"] or "-",
                _state(row),
                row["base_url"],
            ]
            for row in rows
        ],
    )
    for name, why in unusable.items():
        typer.echo(f"{name} cannot be used: {why}", err=True)
    for row in rows:
        for model in row["models"]:
            typer.echo(f"  {row['name']}: model {model['model']}: {_model(model)}")


def _state(row: Mapping[str, Any]) -> str:
    """The state, since when, and the gateway's own message if something is wrong."""
    since = f" since {row['suspended_since'].astimezone():%H:%M:%S}" if row["suspended_since"] else ""
    return f"{row['state']}{since}" + (f" ({row['error']})" if row["error"] else "")


def _model(row: Mapping[str, Any]) -> str:
    """What is particular about one model of an account."""
    limit = f"{row['in_flight']} in flight, limit {row['limit_now']}"
    if row["state"] == "ok":
        return limit
    until = f"next try at {row['until'].astimezone():%H:%M:%S}"
    return f"{row['state']}, {until} ({error_line(row['error'])}); {limit}"


def _limit(row: Mapping[str, Any]) -> str:
    """Jobs at once: now/as configured, and since when it is fewer."""
    since = f" since {row['limit_since'].astimezone():%H:%M:%S}" if row["limit_since"] else ""
    return f"{row['limit_now']}/{row['max_in_flight']}{since}"
