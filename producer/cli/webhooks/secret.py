"""`reelq webhooks secret`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from producer.cli.doors.webhooks import open_webhooks
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json
from seedance.problems import InvalidInput, Problem
from storage.tenants.tenants import DEFAULT_TENANT
from storage.webhooks.signing import new_secret


def secret(
    ctx: typer.Context,
    new: Annotated[
        bool, typer.Option("--new", help="Create a value for the setting `webhook_secret`; nothing is stored.")
    ] = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Print the secrets that verify deliveries to the webhook_url of jobs. There are two while the secret is being
    replaced; the new one comes first. Endpoints have their own secrets."""
    found = [new_secret()] if new else [*open_webhooks(ctx, data_dir, tenant).secrets()]
    if not found:
        advice = "is not set; create a value with `reelq webhooks secret --new`"
        raise InvalidInput([Problem("webhook_secret", advice)])
    if as_json:
        shown: dict[str, Any] = {"tenant": None if new else tenant, "secrets": found}
        print_json(shown)
    else:
        typer.echo("\n".join(found))
