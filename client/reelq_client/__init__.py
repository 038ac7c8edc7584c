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

__all__ = [
    "ApiError",
    "AsyncReelq",
    "BatchReport",
    "Campaign",
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
