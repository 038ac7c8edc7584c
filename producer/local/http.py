"""One HTTP GET on the loopback interface, with the standard library: importing a client would take longer."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit


def get(url: str, timeout_s: float = 2.0) -> tuple[int, bytes]:
    """Status and body; the status is 0 without an answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout_s)
    try:
        connection.request("GET", parts.path or "/", headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(2**20)
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
