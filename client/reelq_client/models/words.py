"""The words that the API knows."""

from __future__ import annotations

from typing import Literal

JobState = Literal[
    "queued", "submitting", "unconfirmed", "generating", "transferring", "succeeded", "failed", "cancelled"
]
TERMINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})
"""The states that a job never leaves."""
Tier = Literal["standard", "fast", "mini"]
Resolution = Literal["480p", "720p", "1080p", "4k"]
Ratio = Literal["16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "adaptive"]
Operation = Literal["edit", "extend"]
TaskType = Literal["auto", "reference", "edit", "extend"]
OutputFormat = Literal["mp4", "mov"]
Basis = Literal["own", "published", "list"]
Review = Literal["open", "approved", "rejected"]
"""What people decided about a row."""
Scope = Literal["read", "enqueue", "admin", "metrics"]
EventName = Literal[
    "job.succeeded",
    "job.failed",
    "job.cancelled",
    "job.unconfirmed",
    "campaign.finished",
    "campaign.review_ready",
    "campaign.budget_80",
    "campaign.budget_used_up",
    "campaign.drafts_expiring",
]
"""What an endpoint may subscribe to."""
EventType = Literal[
    "job.succeeded",
    "job.failed",
    "job.cancelled",
    "job.unconfirmed",
    "campaign.finished",
    "campaign.review_ready",
    "campaign.budget_80",
    "campaign.budget_used_up",
    "campaign.drafts_expiring",
    "webhook.test",
]
MessageState = Literal["pending", "retrying", "delivered", "dead"]
