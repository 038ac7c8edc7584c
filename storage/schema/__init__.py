"""The tables and their constraints. Importing this module registers all of them.

These classes are the schema: tests compare the migrations with them, and the SQL of `storage` uses the same columns.
"""

import storage.schema.accounts
import storage.schema.assets
import storage.schema.batches
import storage.schema.campaign_rows
import storage.schema.campaign_shares
import storage.schema.campaigns
import storage.schema.compatibility
import storage.schema.decisions
import storage.schema.heartbeats
import storage.schema.jobs
import storage.schema.journal
import storage.schema.kept.campaign_sums
import storage.schema.kept.count_rounds
import storage.schema.kept.ended_sums
import storage.schema.kept.failure_counts
import storage.schema.kept.job_counts
import storage.schema.kept.message_counts
import storage.schema.kept.row_counts
import storage.schema.kept.slot_counts
import storage.schema.metric_counts
import storage.schema.notices
import storage.schema.playable_copies
import storage.schema.quotes
import storage.schema.requests
import storage.schema.tenants
import storage.schema.uploads
import storage.schema.webhooks  # noqa: F401 - its tables join the metadata
