"""Verify a webhook in one call; the scheme is that of Standard Webhooks.

FastAPI:
    event = verify(await request.body(), request.headers, SECRET)
Flask:
    event = verify(request.get_data(), request.headers, SECRET)
Django:
    event = verify(request.body, request.headers, SECRET)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from reelq_client.core.errors import WebhookVerificationError
from reelq_client.models.webhooks import WebhookEvent

TOLERANCE_S = 300.0


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Iterable[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now: float | None = None,
) -> WebhookEvent:
    """The event in a request, once its signature is right. `body`: as it came, not parsed. `secret`: `whsec_…`, or
    several. `now`: seconds since 1970; None: this moment.

    Raises:
        WebhookVerificationError: a header is missing, no signature is right, or the message is too old.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, sent, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as exc:
        raise WebhookVerificationError(f"the header {exc.args[0]} is missing") from None
    content = body.encode() if isinstance(body, str) else bytes(body)
    signed = f"{message_id}.{sent}.".encode() + content
    secrets = [secret] if isinstance(secret, str) else list(secret)
    right = [_signature(item, signed) for item in secrets]
    offered = [item.removeprefix("v1,").encode() for item in signatures.split() if item.startswith("v1,")]
    if not any(hmac.compare_digest(one, other) for one in right for other in offered):
        raise WebhookVerificationError("no signature is right; is it the secret of this endpoint, and the raw body?")
    if not sent.isdecimal() or abs((time.time() if now is None else now) - int(sent)) > tolerance_s:
        raise WebhookVerificationError(f"the message was not sent within {tolerance_s:g} s of now")
    try:
        return WebhookEvent.model_validate({**json.loads(content), "id": message_id})
    except (ValueError, TypeError, ValidationError) as exc:
        raise WebhookVerificationError("the body is not an event") from exc


def _signature(secret: str, signed: bytes) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise WebhookVerificationError("the secret must be whsec_ followed by base64") from None
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
