"""Signed links that expire, in the format of Ark's object store (`X-Tos-…`)."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode


class LinkSigner:
    """Signs and verifies links. The secret comes from the seed, so links survive a restart with the same seed."""

    def __init__(self, seed: int) -> None:
        self._secret = hashlib.sha256(f"links/{seed}".encode()).digest()
        self._serial = itertools.count(int(time.time() * 1000) % 10**9)

    def link(self, base_url: str, path: str, now: float, life_s: int) -> str:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        serial = next(self._serial)
        query = {
            "X-Tos-Algorithm": "TOS4-HMAC-SHA256",
            "X-Tos-Credential": f"AKLTsimulator{serial:x}/{stamp[:8]}/cn-beijing/tos/request",
            "X-Tos-Date": stamp,
            "X-Tos-Expires": str(life_s),
            "X-Tos-SignedHeaders": "host",
        }
        query["X-Tos-Signature"] = self._sign(path, query)
        return f"{base_url}{path}?{urlencode(query)}"

    def refusal(self, path: str, query: Mapping[str, str], now: float) -> tuple[str, str] | None:
        """Code and message of the store's error; None when the link is valid."""
        given = query.get("X-Tos-Signature", "")
        if not given:
            return "AccessDenied", "Access Denied"
        if not hmac.compare_digest(given, self._sign(path, query)):
            return "SignatureDoesNotMatch", "The request signature we calculated does not match the one you provided."
        if now >= issued_at(query) + int(query["X-Tos-Expires"]):
            return "AccessDenied", "Request has expired"
        return None

    def _sign(self, path: str, query: Mapping[str, str]) -> str:
        names = ("X-Tos-Credential", "X-Tos-Date", "X-Tos-Expires")
        signed = "\n".join((path, *(query.get(name, "") for name in names)))
        return hmac.new(self._secret, signed.encode(), hashlib.sha256).hexdigest()


def issued_at(query: Mapping[str, str]) -> float:
    """When a link with a valid signature was created; seconds since the epoch."""
    return datetime.strptime(query["X-Tos-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
