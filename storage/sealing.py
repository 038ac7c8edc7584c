"""Encrypt secrets for the database: AES-256-GCM under a master key from the settings.

A sealed text is `v1.<master key's id>.<base64 of nonce and ciphertext>`. It is bound to a context, such as the account
that it belongs to, so it cannot be copied to another row. Several master keys may be set at once: the first one seals,
all of them open. So a master key is replaced without a moment in which something cannot be read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX = "reelq_mk_"
_KEY_BYTES, _NONCE_BYTES = 32, 12


class CannotOpen(Exception):
    """A sealed text cannot be opened: its master key is not set, or the text was changed. It contains no secret."""


def new_master_key() -> str:
    """A new random master key."""
    return PREFIX + base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode().rstrip("=")


def master_key_bytes(text: str) -> bytes:
    """The bytes of a master key.

    Raises:
        ValueError: it is not one; the message does not repeat it.
    """
    body = text.removeprefix(PREFIX)
    try:
        key = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or len(key) != _KEY_BYTES:
        raise ValueError(f"must be {PREFIX} and {_KEY_BYTES} bytes in base64")
    return key


class Sealer:
    """Seals with the first master key, opens with all."""

    def __init__(self, master_keys: Sequence[str]) -> None:
        keys = [master_key_bytes(text) for text in master_keys]
        self._keys = {_id_of(key): _cipher(key) for key in keys}
        self.current = _id_of(keys[0]) if keys else None
        """The id of the master key that seals; None: none is set."""

    def seal(self, secret: str, context: str) -> str:
        """Seal a secret for this context.

        Raises:
            CannotOpen: no master key is set.
        """
        if self.current is None:
            raise CannotOpen("no master key is set")
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._keys[self.current].encrypt(nonce, secret.encode(), context.encode())
        return f"v1.{self.current}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, context: str) -> str:
        """The secret.

        Raises:
            CannotOpen: no master key that is set has sealed it for this context.
        """
        version, _, rest = sealed.partition(".")
        master, _, body = rest.partition(".")
        if version != "v1":
            raise CannotOpen("a newer release of reelq sealed it")
        if master not in self._keys:
            known = ", ".join(self._keys) or "none"
            raise CannotOpen(f"it was sealed with master key {master}, which is not set (set: {known})")
        try:
            data = base64.urlsafe_b64decode(body)
            return self._keys[master].decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], context.encode()).decode()
        except (_invalid_tag(), ValueError):
            raise CannotOpen("it was changed, or belongs to another row") from None

    def is_current(self, sealed: str) -> bool:
        """Whether the first master key sealed it."""
        return sealed.startswith(f"v1.{self.current}.")


def _cipher(key: bytes) -> AESGCM:
    # Imported here: every process reads settings, and few have a master key.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


@cache
def _invalid_tag() -> type[Exception]:
    from cryptography.exceptions import InvalidTag

    return InvalidTag


def _id_of(key: bytes) -> str:
    """Eight characters that name a master key without telling anything about it."""
    return hashlib.sha256(b"reelq master key id\0" + key).hexdigest()[:8]
