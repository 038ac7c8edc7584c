"""Standard Webhooks signatures: HMAC-SHA256 over the message's id, the time and the body.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64
_NEW_BYTES = 32


def as_secret(key: bytes) -> str:
    """A key in the form that receivers get, `whsec_…`."""
    return PREFIX + base64.b64encode(key).decode()


def new_secret() -> str:
    """A new random secret, `whsec_…`."""
    return as_secret(secrets.token_bytes(_NEW_BYTES))


def secret_bytes(secret: str) -> bytes:
    """The key in a secret.

    Raises:
        ValueError: it is not `whsec_` followed by base64 of 24 to 64 bytes. The text does not repeat the secret.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise ValueError(f"must be {PREFIX} followed by base64 of {MIN_BYTES} to {MAX_BYTES} bytes")
    return key


def tenant_secret(installation: str, tenant: str) -> str:
    """The tenant's own secret. Tenants pass theirs on to receivers, so it must not sign for another tenant.

    Raises:
        ValueError: as `secret_bytes`.
    """
    key = hmac.digest(secret_bytes(installation), f"reelq webhooks of tenant {tenant}".encode(), hashlib.sha256)
    return as_secret(key)


def sign(secret_keys: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each secret, the newest first.

    Raises:
        ValueError: as `secret_bytes`.
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.digest(secret_bytes(secret), content, hashlib.sha256) for secret in secret_keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
