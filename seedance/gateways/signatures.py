"""Signatures of gateways' callbacks. Pure: the caller brings the keys and the time.

A right signature makes a callback no more than a hint: the task is still queried. A wrong one refuses it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from seedance.gateways.answers import object_of, read_json

TOLERANCE_S = 300.0
"""How far the time in a signature may be from ours; OpenRouter and fal document 300 s."""
UNSIGNED = "the callback carries no signature"
STALE = "the time in its signature is more than 300 s away"
WRONG = "its signature does not match"


class CallbackProof(StrEnum):
    """How a gateway proves that a callback is its own."""

    NONE = "none"  # only the token in the URL, which is unguessable
    SECRET = "secret"  # noqa: S105 - signed with a secret that the account and the gateway share
    PUBLISHED = "published"  # signed with a key that the gateway publishes


@dataclass(frozen=True, slots=True)
class Callback:
    """One callback as it came. Header names are lower case."""

    headers: Mapping[str, str]
    body: bytes


def hmac_forgery(signed: bytes, signature: bytes, secrets: Sequence[str]) -> str | None:
    """Why `signature` is not the HMAC-SHA256 of `signed` with one of the secrets; None if it is."""
    made = (hmac.new(secret.encode(), signed, hashlib.sha256).digest() for secret in secrets)
    return None if any(hmac.compare_digest(one, signature) for one in made) else WRONG


def ed25519_forgery(signed: bytes, signature: bytes, keys: Sequence[str]) -> str | None:
    """Why `signature` is not that of one of the public keys (base64url, as `x` in a JWK); None if it is."""
    # Loaded here: most processes verify nothing, and the library is large.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for key in keys:
        try:
            Ed25519PublicKey.from_public_bytes(_base64url(key)).verify(signature, signed)
        except (ValueError, InvalidSignature):
            continue
        return None
    return WRONG


def stale(timestamp: str, now: float) -> str | None:
    """Why a signature's time, in Unix seconds, is not acceptable; None if it is."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return UNSIGNED
    return None if abs(now - int(timestamp)) <= TOLERANCE_S else STALE


def from_hex(text: str) -> bytes:
    """Bytes from hexadecimal digits; empty for anything else."""
    try:
        return bytes.fromhex(text) if text.isalnum() else b""
    except ValueError:
        return b""


def from_base64(text: str) -> bytes:
    """Bytes from base64; empty for anything else."""
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def keys_of_jwks(body: bytes) -> tuple[str, ...]:
    """The Ed25519 keys of a JSON Web Key Set, in their order; empty if there are none."""
    keys = object_of(read_json(body)).get("keys")
    found = (object_of(key).get("x") for key in keys) if isinstance(keys, list) else ()
    return tuple(key for key in found if isinstance(key, str) and len(_base64url(key)) == 32)


def _base64url(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return b""
