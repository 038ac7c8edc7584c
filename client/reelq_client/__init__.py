"""The Python client of reelq: `from reelq_client import Reelq, AsyncReelq`."""

from reelq_client.client import AsyncReelq, Reelq
from reelq_client.core.errors import (
    ApiError,
    ConfigurationError,
    ConnectionFailed,
    DownloadFailed,
    IdempotencyConflict,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotPossible,
    ReelqError,
    ServerError,
    TooManyRequests,
    Unavailable,
    WaitTimeout,
    WebhookVerificationError,
)
from reelq_client.models.campaigns import Campaign, Plan, StoredCampaign
from reelq_client.models.fields import JobFields, JobOptions
from reelq_client.models.jobs import BatchReport, Job, JobError, JobEvent
from reelq_client.models.webhooks import WebhookEvent
from reelq_client.routes.campaign_rows import EVERY_ROW, Choice

__all__ = [
    "EVERY_ROW",
    "ApiError",
    "AsyncReelq",
    "BatchReport",
    "Campaign",
    "Choice",
    "ConfigurationError",
    "ConnectionFailed",
    "DownloadFailed",
    "IdempotencyConflict",
    "InvalidRequest",
    "Job",
    "JobError",
    "JobEvent",
    "JobFields",
    "JobOptions",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "NotPossible",
    "Plan",
    "Reelq",
    "ReelqError",
    "ServerError",
    "StoredCampaign",
    "TooManyRequests",
    "Unavailable",
    "WaitTimeout",
    "WebhookEvent",
    "WebhookVerificationError",
]
