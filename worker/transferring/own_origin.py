"""Which links want the account's key: those to the gateway itself.

new-api and OpenRouter hand out `https://GATEWAY/v1/videos/ID/content`, which answers 401 without the key. The key goes
to the origin (scheme, host and port) of the account's own URL only. A link that is signed gets no key: stores refuse a
request with both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from yarl import URL

_SIGNED = re.compile(
    r"(?i)(^|[-_])(signature|sig|sign|token|credential|policy|expires|key|auth|accesskeyid|key-pair-id)$"
)


@dataclass(frozen=True, slots=True)
class OwnOrigin:
    """The gateway of an account. `base_url` is where its calls go."""

    base_url: str
    key: str = field(repr=False)
    is_configured: bool = True
    """The operator wrote `base_url`, so its host may have any address."""

    @property
    def trusted_host(self) -> str | None:
        """The host that may have any address, None if there is none."""
        return _parsed(self.base_url).host if self.is_configured else None

    def headers_for(self, url: URL) -> dict[str, str]:
        """The headers with the key, if a link leads to the gateway itself and is not signed."""
        try:
            same = url.origin() == _parsed(self.base_url).origin()
        except ValueError:
            return {}
        if not same or url.raw_user is not None or any(_SIGNED.search(name) for name in url.query):
            return {}
        return {"Authorization": f"Bearer {self.key}"}


@lru_cache(maxsize=256)
def _parsed(base_url: str) -> URL:
    return URL(base_url)
