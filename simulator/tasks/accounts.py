"""An account is a key; keys themselves are kept nowhere."""

from __future__ import annotations

import hashlib
from functools import lru_cache


@lru_cache(maxsize=10_000)
def account_of(key: str) -> str:
    """The name under which a key appears in the ledger: the first digits of its SHA-256, empty without a key."""
    return hashlib.sha256(key.encode()).hexdigest()[:12] if key else ""
