"""Alembic's entry: runs the migrations on the connection that `storage.database.upgrade` hands over.

The tables of `storage.schema` are not loaded: a migration says itself what it changes, and a test compares the result.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
