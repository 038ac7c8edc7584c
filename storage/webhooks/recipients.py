"""Who gets mail about campaigns: addresses of a campaign, or of its tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from storage.database import Connection

MAX_RECIPIENTS = 20
OF_TENANT = UUID(int=0)
"""The campaign id of a tenant's own addresses."""


@dataclass(frozen=True, slots=True)
class Notify:
    """Who is to get mail. Empty: no one. None: of a campaign, those whom its tenant names; of a tenant, no one."""

    addresses: tuple[str, ...] | None


_SET: LiteralString = """
INSERT INTO mail_recipients (tenant, campaign_id, addresses) VALUES (%(tenant)s, %(campaign)s, %(addresses)s)
ON CONFLICT (tenant, campaign_id) DO UPDATE SET addresses = excluded.addresses
"""
_UNSET: LiteralString = "DELETE FROM mail_recipients WHERE tenant = %(tenant)s AND campaign_id = %(campaign)s"
_OWN: LiteralString = """
SELECT campaign_id, addresses FROM mail_recipients WHERE tenant = %(tenant)s AND campaign_id = ANY(%(campaigns)s)
"""
# The addresses for a campaign `m` (id, tenant): its own, or its tenant's.
ADDRESSES: LiteralString = """
    SELECT unnest(coalesce(
        (SELECT addresses FROM mail_recipients WHERE tenant = m.tenant AND campaign_id = m.id),
        (SELECT addresses FROM mail_recipients
         WHERE tenant = m.tenant AND campaign_id = '00000000-0000-0000-0000-000000000000'::uuid))) AS address
"""


def set_recipients(conn: Connection, tenant: str, campaign_id: UUID | None, notify: Notify) -> None:
    """Set who gets mail about a campaign; None: about campaigns of the tenant that name no one themselves."""
    at = {"tenant": tenant, "campaign": campaign_id or OF_TENANT}
    if notify.addresses is None:
        conn.execute(_UNSET, at)
    else:
        conn.execute(_SET, at | {"addresses": list(notify.addresses)})


def recipients_of(conn: Connection, tenant: str, campaign_id: UUID | None) -> Sequence[str] | None:
    """The addresses that were set for a campaign, or (None) for a tenant; None: none were set."""
    scope = campaign_id or OF_TENANT
    return recipients_of_campaigns(conn, tenant, [scope]).get(scope)


def recipients_of_campaigns(conn: Connection, tenant: str, campaign_ids: Sequence[UUID]) -> dict[UUID, Sequence[str]]:
    """The addresses that were set for each of these campaigns; those for which none were set are missing."""
    return dict(conn.execute(_OWN, {"tenant": tenant, "campaigns": list(campaign_ids)}).fetchall())
