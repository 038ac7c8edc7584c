"""Alembic's entry: runs the migrations on the connection that `storage.database.upgrade` hands over."""

from alembic import context
from sqlmodel import SQLModel

import storage.schema  # registers the tables on the metadata

assert storage.schema.jobs.Job.metadata is SQLModel.metadata  # noqa: S101 - keeps the import from looking unused

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
