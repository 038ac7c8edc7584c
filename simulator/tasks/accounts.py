"""An account is an API key; only its hash is stored."""

from __future__ import annotations

import hashlib
from functools import lru_cache


@lru_cache(maxsize=10_000)
def account_of(key: str) -> str:
    """The name of a key's account in the ledger: the first 12 digits of its SHA-256; empty without a key."""
    return hashlib.sha256(key.encode()).hexdigest()[:12] if key else ""
