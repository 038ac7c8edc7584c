"""Compare our SigV4 signatures with botocore's, the reference."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from storage.bucket.requests import UNSIGNED
from storage.bucket.signing import presign, sign

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
KEYS = Credentials("AKIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SESSION = Credentials("ASIAEXAMPLE", "secret", "IQoJb3JpZ2luX2VjE+/=")
HEADERS = {"Content-Length": "3", "x-amz-checksum-crc32": "i9aeUg==", "Content-Type": "video/mp4"}
BODY = hashlib.sha256(b"abc").hexdigest()


class _Reference(S3SigV4Auth):
    def __init__(self, credentials: Credentials, region: str, payload: str) -> None:
        super().__init__(credentials, "s3", region)
        self._payload = payload

    def payload(self, request: Any) -> str:
        return self._payload


def _reference(credentials: Credentials, region: str, url: str, payload: str) -> str:
    request = AWSRequest(method="PUT", url=url, headers=dict(HEADERS))
    request.context["timestamp"] = f"{NOW:%Y%m%dT%H%M%SZ}"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("botocore.auth.get_current_datetime", lambda: NOW.replace(tzinfo=None))
        _Reference(credentials, region, payload).add_auth(request)
    return str(request.headers["Authorization"])


@pytest.mark.parametrize("credentials", [KEYS, SESSION], ids=["key", "session"])
@pytest.mark.parametrize("payload", [BODY, UNSIGNED])
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000/reelq/videos/2026/03/04/0198.mp4",
        "https://s3.eu-west-1.amazonaws.com:443/reelq/a%20b/%E7%8C%AB.mp4",
        "http://store.local:80/b/key?partNumber=12&uploadId=a%2Fb%2B%3D~._-",
        "https://bucket.example/b/key?uploadId=x&partNumber=2",
    ],
)
def test_signatures_equal_those_of_botocore(credentials: Credentials, payload: str, url: str) -> None:
    signed = sign(credentials, "eu-west-1", "PUT", url, HEADERS, payload, NOW)
    assert signed["Authorization"] == _reference(credentials, "eu-west-1", url, payload)
    assert signed.get("X-Amz-Security-Token") == credentials.token
    assert HEADERS.items() <= signed.items()


@pytest.mark.parametrize("credentials", [KEYS, SESSION], ids=["key", "session"])
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000/reelq/videos/2026/03/04/0198.mp4",
        "https://reelq.s3.eu-west-1.amazonaws.com/a%20b/%E7%8C%AB.mp4",
        "https://store.local:443/b/key",
    ],
)
def test_links_equal_those_of_botocore(credentials: Credentials, url: str) -> None:
    request = AWSRequest(method="GET", url=url)
    request.context["timestamp"] = f"{NOW:%Y%m%dT%H%M%SZ}"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("botocore.auth.get_current_datetime", lambda: NOW.replace(tzinfo=None))
        S3SigV4QueryAuth(credentials, "s3", "eu-west-1", expires=3600).add_auth(request)
    ours, theirs = (urlsplit(str(link)) for link in (presign(credentials, "eu-west-1", url, 3600, NOW), request.url))
    assert (ours.netloc, ours.path) == (theirs.netloc, theirs.path)
    assert dict(parse_qsl(ours.query)) == dict(parse_qsl(theirs.query))
