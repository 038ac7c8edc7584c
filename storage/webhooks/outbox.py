"""Write webhook messages in the transaction of their event, so that no event goes unreported and none is made up.

A message is one event for one receiver. Its id is derived from both, and is the `webhook-id` of every delivery attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, LiteralString
from uuid import UUID

import orjson
import uuid_utils.compat

from storage.ark_status import status_sql
from storage.database import Connection
from storage.webhooks.recipients import ADDRESSES

MAILTO: LiteralString = "mailto:"
"""How the URL of a message that is sent as mail begins."""

ARK_PREFIX: LiteralString = "ark."
"""Begins the type of a message that is a callback of Ark's door: then comes the status in Ark's words."""


class EventType(StrEnum):
    """The events that are sent to receivers. The names are ours: OpenAI's `video.completed` promises another body."""

    JOB_SUCCEEDED = "job.succeeded"  # its video is in the bucket
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    JOB_UNCONFIRMED = "job.unconfirmed"  # held: a person must decide
    CAMPAIGN_FINISHED = "campaign.finished"  # all of its jobs have ended
    CAMPAIGN_REVIEW_READY = "campaign.review_ready"  # the first rows, or drafts, wait for a decision
    CAMPAIGN_BUDGET_80 = "campaign.budget_80"  # 80 % of its budget is spent or reserved
    CAMPAIGN_BUDGET_USED_UP = "campaign.budget_used_up"  # jobs wait that the rest does not pay for
    CAMPAIGN_DRAFTS_EXPIRING = "campaign.drafts_expiring"  # drafts that wait for a decision end within a day
    TEST = "webhook.test"  # sent on request


class ArkEvent(StrEnum):
    """The callbacks of Ark's door: `ARK_PREFIX` and the status. Endpoints cannot subscribe to them."""

    RUNNING = "ark.running"
    SUCCEEDED = "ark.succeeded"
    FAILED = "ark.failed"
    EXPIRED = "ark.expired"
    CANCELLED = "ark.cancelled"


# Receivers of an event `m` (tenant, type, webhook_url): the job's own URL and every endpoint subscribed to its type.
_ENDPOINTS: LiteralString = """
    SELECT e.id AS endpoint_id, NULL::text AS url, e.id::text AS target FROM webhook_endpoints e
    WHERE e.tenant = m.tenant AND e.disabled_at IS NULL AND (e.events = '{}' OR m.type = ANY(e.events))
"""
_ORIGIN: LiteralString = r"coalesce(substring(lower(m.webhook_url) from '^https?://(?:[^/?#@]*@)?([^/?#]*)'), '')"
_RECEIVERS: LiteralString = f"""
    SELECT NULL::uuid AS endpoint_id, m.webhook_url AS url, {_ORIGIN} AS target WHERE m.webhook_url IS NOT NULL
    UNION ALL {_ENDPOINTS}
"""
_ID: LiteralString = "md5(concat_ws(':', m.id, m.attempt, m.type, coalesce(r.endpoint_id::text, 'url')))::uuid"

# The callback of a task of Ark's door, at each change of its status in Ark's words. A task may begin to run again.
_ARK_ORIGIN: LiteralString = (
    r"coalesce(substring(lower(m.ark ->> 'callback_url') from '^https?://(?:[^/?#@]*@)?([^/?#]*)'), '')"
)
_TELL_ARK: LiteralString = f"""
    SELECT md5(concat_ws(':', m.id, m.attempt, m.type, 'ark'))::uuid, m.tenant, m.type, m.id, NULL,
           m.ark ->> 'callback_url', {_ARK_ORIGIN}
    FROM (SELECT *, '{ARK_PREFIX}' || {status_sql("target", "reason")} AS type
          FROM moved WHERE ark ? 'callback_url' AND (
              target IN ('succeeded', 'failed', 'cancelled')
              OR (target = 'generating' AND source IN ('submitting', 'unconfirmed')))) m
"""  # noqa: S608 - put together from constants

# Part of the statement that moves jobs: no extra round trip, and no cost for a job without receivers.
TELL_MOVED: LiteralString = f"""
    INSERT INTO webhook_messages (id, tenant, type, job_id, endpoint_id, url, target)
    SELECT {_ID}, m.tenant, m.type, m.id, r.endpoint_id, r.url, r.target
    FROM (SELECT *, 'job.' || target AS type FROM moved WHERE target IN ('succeeded', 'failed', 'cancelled')) m
    CROSS JOIN LATERAL ({_RECEIVERS}) r
    UNION ALL {_TELL_ARK}
    ON CONFLICT (id) DO NOTHING
"""  # noqa: S608 - as above
_NEWLY_HELD: LiteralString = """
SELECT id FROM jobs
WHERE id = ANY(%(ids)s) AND state = 'unconfirmed' AND reason IS DISTINCT FROM 'held' ORDER BY id FOR UPDATE
"""
_TELL_HELD: LiteralString = f"""
INSERT INTO webhook_messages (id, tenant, type, job_id, endpoint_id, url, target, data)
SELECT {_ID}, m.tenant, m.type, m.id, r.endpoint_id, r.url, r.target, m.data
FROM (SELECT j.id, j.attempt, j.tenant, j.webhook_url, %(type)s AS type, i.data
      FROM jobs j JOIN jsonb_to_recordset(%(items)s::jsonb) AS i(id uuid, data jsonb) ON i.id = j.id) m
CROSS JOIN LATERAL ({_RECEIVERS}) r
ON CONFLICT (id) DO NOTHING
"""  # noqa: S608 - as above


def newly_held(conn: Connection, job_ids: Sequence[UUID]) -> list[UUID]:
    """Those of the jobs that are unconfirmed and not yet held for a person; their rows stay locked until the commit."""
    return [row[0] for row in conn.execute(_NEWLY_HELD, {"ids": list(job_ids)})]


def tell_held(conn: Connection, documents: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Write the messages of jobs that are now held, by job id with the job's document. A hold gets one message only."""
    items = [{"id": job_id, "data": data} for job_id, data in documents.items()]
    if items:
        text = orjson.dumps(items, default=str).decode()
        conn.execute(_TELL_HELD, {"items": text, "type": EventType.JOB_UNCONFIRMED})


# Mail goes through the same outbox. One batch at a time for each tenant.
_TELL_CAMPAIGN: LiteralString = f"""
INSERT INTO webhook_messages (id, tenant, type, endpoint_id, url, target, data)
SELECT md5(concat_ws(':', m.id, m.occasion, m.type, coalesce(r.endpoint_id::text, r.url)))::uuid, m.tenant, m.type,
       r.endpoint_id, r.url, r.target, %(data)s::jsonb
FROM (SELECT %(id)s::uuid AS id, %(tenant)s::text AS tenant, %(type)s::text AS type, %(occasion)s::text AS occasion) m
CROSS JOIN LATERAL (
    {_ENDPOINTS}
    UNION ALL
    SELECT NULL, '{MAILTO}' || a.address, '{MAILTO}' || m.tenant FROM ({ADDRESSES}) a WHERE %(mail)s) r
ON CONFLICT (id) DO NOTHING
"""  # noqa: S608 - as above


def tell_campaign(
    conn: Connection,
    event: EventType,
    campaign_id: UUID,
    tenant: str,
    occasion: str,
    data: Mapping[str, Any],
    *,
    mail: bool,
) -> None:
    """Write the messages of an event of a campaign: to every endpoint that wants it and, with `mail`, to each address
    that gets mail about the campaign. One for each `occasion`."""
    parameters = {
        "id": campaign_id,
        "tenant": tenant,
        "type": event,
        "occasion": occasion,
        "data": orjson.dumps(data, default=str).decode(),
        "mail": mail,
    }
    conn.execute(_TELL_CAMPAIGN, parameters)


# Its own target: the person who waits for the result does not wait for the receiver's other messages.
_TELL_TEST: LiteralString = """
INSERT INTO webhook_messages (id, tenant, type, endpoint_id, url, target, data)
VALUES (%(id)s, %(tenant)s, %(type)s, %(endpoint_id)s, %(url)s, 'test:' || %(id)s::uuid::text, %(data)s::jsonb)
"""


def tell_test(
    conn: Connection, tenant: str, data: Mapping[str, Any], *, endpoint_id: UUID | None = None, url: str | None = None
) -> UUID:
    """Write a test message for an endpoint or a URL; gives its id."""
    message_id = uuid_utils.compat.uuid7()
    parameters = {
        "id": message_id,
        "tenant": tenant,
        "type": EventType.TEST,
        "endpoint_id": endpoint_id,
        "url": url,
        "data": orjson.dumps(data).decode(),
    }
    conn.execute(_TELL_TEST, parameters)
    return message_id
