"""The tables, and the rules the database keeps by itself. Importing this registers all of them.

These classes are the schema: migrations are compared with them, and the SQL of `storage` reads and writes the same
columns.
"""

import storage.schema.accounts
import storage.schema.assets
import storage.schema.campaigns
import storage.schema.heartbeats
import storage.schema.jobs
import storage.schema.requests
import storage.schema.tenants
import storage.schema.webhooks  # noqa: F401
