"""Whether the answer to a create may have been lost.

Ark's SDKs repeat a create on their own after a time-out, a lost connection, a 409, 429 or 5xx, with a new
`X-Client-Request-Id` each time and nothing that says so: a repetition looks like a second, wanted task. So an equal
request of the same key is a repetition until the client shows that it has the answer: it sends another request on the
same connection, which the SDKs close after a lost answer, or it asks for the task by its id.

Source: byteplus-python-sdk-v2, byteplussdkarkruntime/_base_client.py
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from producer.http.doors.auth import principal_of
from producer.http.doors.local_programs import PEER, forwarding_header
from producer.http.doors.peers import Peer
from producer.http.service import Service
from storage.database import Connection
from storage.jobs.records import JobView
from storage.jobs.repeated_requests import UNANSWERED_PREFIX, WINDOW_S, note_answered


async def note_same_connection(service: Service, request: Request) -> None:
    """Note that the client has the answer to its last create on this connection, because it sends another request."""
    peer = _direct_peer(request)
    if peer is None or peer.unanswered is None:
        return
    (tenant, key), peer.unanswered = peer.unanswered, None
    await service.read(lambda conn: note_answered(conn, tenant, key))


def remember(request: Request, key: str | None) -> None:
    """Remember the key of a create, until the next request on its connection."""
    peer = _direct_peer(request)
    if peer is not None and key is not None and key.startswith(UNANSWERED_PREFIX):
        peer.unanswered = (principal_of(request).tenant, key)


def note_known(conn: Connection, tenant: str, job: JobView, facts: Mapping[str, Any]) -> None:
    """Note that a client knows the job's id. With a callback that proves nothing: its receiver learns the id too."""
    key = job.idempotency_key
    if key is None or not key.startswith(UNANSWERED_PREFIX) or "callback_url" in facts:
        return
    if (datetime.now(UTC) - job.created_at).total_seconds() < 2 * WINDOW_S:  # the row is gone by then
        note_answered(conn, tenant, key)


def _direct_peer(request: Request) -> Peer | None:
    """The client's connection; None behind a proxy, whose connections many clients share."""
    if forwarding_header(request.headers.keys()) is not None or request.scope.get("http_version") == "1.0":
        return None
    peer = request.scope.get("state", {}).get(PEER)
    return peer if isinstance(peer, Peer) else None
