"""Every counter and histogram of `/metrics`: name, meaning, labels. docs/metrics.md is tested against this file.

A label has a limited number of values: accounts, currencies, queues and reason codes. Jobs, tenants and campaigns are
no labels: their number grows, and each would be a series for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

_FAST: LiteralString = "0.05,0.1,0.25,0.5,1,2.5,5,10,30,60"
_SLOW: LiteralString = "1,2.5,5,10,30,60,120,300,900,3600,14400,43200"


@dataclass(frozen=True, slots=True)
class Counter:
    """A number that only grows. `labels`: the names of its labels, in the order of their values."""

    name: LiteralString
    help: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Seconds, counted by buckets. `bounds`: their upper bounds in order, with commas."""

    name: LiteralString
    help: str
    labels: tuple[str, ...]
    bounds: LiteralString


SUBMITS = Counter(
    "reelq_submits_total",
    "POSTs to gateways by outcome: accepted, or the code of the error (throttled: a refusal).",
    ("account", "model", "outcome"),
)
SUBMIT_SECONDS = Histogram(
    "reelq_submit_seconds", "From the begin of a POST to its outcome.", ("account", "outcome"), _FAST
)
POLLS = Counter("reelq_polls_total", "Polls by what followed: a reason code.", ("account", "outcome"))
POLL_LATENESS = Histogram(
    "reelq_poll_lateness_seconds", "How long a poll had been due when the scheduler sent it.", ("account",), _SLOW
)
QUEUE_LAG = Histogram(
    "reelq_queue_lag_seconds", "From the scheduler's claim to the worker that takes the message.", ("queue",), _SLOW
)
TRANSFERS = Counter(
    "reelq_transfers_total", "Copies of videos by what followed: a reason code.", ("account", "outcome")
)
TRANSFER_BYTES = Counter("reelq_transfer_bytes_total", "Bytes of videos that were copied.", ("account",))
TRANSFER_SECONDS = Histogram(
    "reelq_transfer_seconds", "Time of a copy, without the wait for its turn.", ("outcome",), _SLOW
)
DELIVERIES = Counter(
    "reelq_webhook_deliveries_total", "Webhook messages sent: delivered, failed (again later) or dead.", ("outcome",)
)
DELIVERY_SECONDS = Histogram("reelq_webhook_delivery_seconds", "From the POST of a message to its answer.", (), _FAST)
REVIEWS = Counter("reelq_reviews_total", "Decisions of people about the videos of campaigns.", ("decision",))
JOBS_FINISHED = Counter("reelq_jobs_finished_total", "Jobs that ended, by state and reason.", ("state", "reason"))
STORE_SECONDS = Histogram(
    "reelq_found_to_stored_seconds", "From the poll that found a video to the video in the bucket.", ("account",), _SLOW
)
SPEND = Counter(
    "reelq_spend_total",
    "Cost of ended jobs in units of the currency. basis: reported by the gateway, or estimated where it reported none.",
    ("account", "currency", "basis"),
)

FAMILIES: tuple[Counter | Histogram, ...] = (
    SUBMITS,
    SUBMIT_SECONDS,
    POLLS,
    POLL_LATENESS,
    QUEUE_LAG,
    TRANSFERS,
    TRANSFER_BYTES,
    TRANSFER_SECONDS,
    DELIVERIES,
    DELIVERY_SECONDS,
    REVIEWS,
    JOBS_FINISHED,
    STORE_SECONDS,
    SPEND,
)
