"""URLs that others wrote, as browsers send them."""

from __future__ import annotations

import re
from urllib.parse import quote

from yarl import URL

_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//[^/?#]*", re.IGNORECASE)
_UNSENDABLE = re.compile(r"[^\x21-\x7e]+")


def sendable(text: str) -> URL:
    """A URL, or a reference to be joined with one: spaces and letters beyond ASCII are escaped, and a name of a host
    gets its ASCII form (IDNA). The rest stays exactly as it is: it may be signed.

    Raises:
        ValueError: it is not a URL.
    """
    text = text.strip()
    found = _HOST.match(text)
    host = "" if found is None else found[0]
    rest = _UNSENDABLE.sub(_escaped, text[len(host) :])
    if not host.isascii():
        named = URL(host)
        host = f"{named.scheme}{':' if named.scheme else ''}//{named.raw_authority}"
    return URL(host + rest, encoded=True)


def _escaped(found: re.Match[str]) -> str:
    return quote(found[0].encode("utf-8", "surrogateescape"))
