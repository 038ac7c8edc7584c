"""`reelq bucket`: the buckets of the object store."""

from __future__ import annotations

import typer

from producer.cli.shared.access import settings_of
from producer.cli.shared.options import DataDir
from storage.bucket.objects import Objects


def create(ctx: typer.Context, data_dir: DataDir = None) -> None:
    """Create the buckets. Those of `s3_bucket` and `s3_tenant_buckets`, where they do not exist yet.

    Nothing else creates a bucket in a store that is configured: a misspelt name would make a new one.
    """
    for store in Objects(settings_of(ctx, data_dir)).every():
        made = store.create_bucket()
        typer.echo(f"bucket {store.bucket} is created" if made else f"bucket {store.bucket} exists")
