"""Sign callbacks as the gateways do that sign theirs."""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class WebhookSigner:
    """A shared secret and a key pair; the same seed gives the same pair."""

    def __init__(self, seed: int, secret: str | None) -> None:
        self._seed = seed
        self._secret = secret

    def hmac(self, signed: bytes) -> bytes | None:
        """HMAC-SHA256 with the shared secret; None without one."""
        return None if self._secret is None else hmac.new(self._secret.encode(), signed, hashlib.sha256).digest()

    def ed25519(self, signed: bytes) -> bytes:
        return self._private.sign(signed)

    def jwks(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        x = base64.urlsafe_b64encode(self._private.public_key().public_bytes_raw()).rstrip(b"=").decode()
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": x}]}

    @cached_property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"webhooks {self._seed}".encode()).digest())
