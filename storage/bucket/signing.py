"""SigV4 for bodies that the caller sends itself: it passes the hash of the payload, not the body. And for links.

botocore's signer takes a tenth of a millisecond, several times per video; this one takes a fifth of that. A test
compares the two.
Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


def sign(
    credentials: Any,
    region: str,
    method: str,
    url: str,
    headers: Mapping[str, str],
    sha256: str,
    now: datetime | None = None,
) -> dict[str, str]:
    """The headers of a signed request, valid for 15 minutes. `sha256` is in hex, or UNSIGNED-PAYLOAD.

    `credentials` has `access_key`, `secret_key` and `token`; the URL's path and query are already percent-encoded.
    """
    address, _, query = url.partition("?")
    scheme, _, rest = address.partition("://")
    netloc, _, path = rest.partition("/")
    at = f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    signed = {**headers, "X-Amz-Date": at, "X-Amz-Content-SHA256": sha256}
    if credentials.token:
        signed["X-Amz-Security-Token"] = credentials.token
    listed = {"host": _host(scheme, netloc), **signed}
    order, names = _sorted_names(tuple(listed))
    lines = "".join([f"{known}:{' '.join(listed[name].split())}\n" for known, name in order])
    asked = "&".join(sorted([part if "=" in part else f"{part}=" for part in query.split("&") if part]))
    canonical = f"{method}\n/{path}\n{asked}\n{lines}\n{names}\n{sha256}"
    scope = f"{at[:8]}/{region}/s3/aws4_request"
    text = f"{_ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(credentials.secret_key, at[:8], region)
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{credentials.access_key}/{scope}"
    signed["Authorization"] = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return signed


@lru_cache(maxsize=64)
def _sorted_names(names: tuple[str, ...]) -> tuple[list[tuple[str, str]], str]:
    """Names of headers in the order in which they are signed, each in lower case and as it is, and how they are listed.
    Requests of one kind have the same ones."""
    order = sorted((name.lower(), name) for name in names)
    return order, ";".join(known for known, _ in order)


def presign(credentials: Any, region: str, url: str, seconds: int, now: datetime | None = None) -> str:
    """A URL without a query, signed: anyone can GET it for `seconds`. Its path is already percent-encoded."""
    at = f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    query, scope, key = _of_links(
        credentials.access_key, credentials.secret_key, credentials.token, region, at, seconds
    )
    scheme, _, rest = url.partition("://")
    netloc, _, path = rest.partition("/")
    canonical = f"GET\n/{path}\n{query}\nhost:{_host(scheme, netloc)}\n\nhost\nUNSIGNED-PAYLOAD"
    text = f"{_ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return f"{url}?{query}&X-Amz-Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"


@lru_cache(maxsize=64)
def _of_links(
    access_key: str, secret: str, token: str | None, region: str, at: str, seconds: int
) -> tuple[str, str, bytes]:
    """What all links of one second share, and an export has 200,000: the query, the scope and the signing key."""
    scope = f"{at[:8]}/{region}/s3/aws4_request"
    signed = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{access_key}/{scope}",
        "X-Amz-Date": at,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }
    if token:
        signed["X-Amz-Security-Token"] = token
    query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(signed.items()))
    return query, scope, _signing_key(secret, at[:8], region)


def _host(scheme: str, netloc: str) -> str:
    """The Host header as HTTP clients send it: without the scheme's default port."""
    host = netloc.rpartition("@")[2]
    return host.removesuffix({"http": ":80", "https": ":443"}.get(scheme, "\0"))


@lru_cache(maxsize=8)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
