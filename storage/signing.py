"""SigV4 for bodies that somebody else sends: the payload's hash is given, not computed from the body."""

from __future__ import annotations

from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest


class GivenPayloadAuth(S3SigV4Auth):
    """botocore's S3 signer with the payload hash taken from the caller."""

    def __init__(self, credentials: Any, region: str, payload_hash: str) -> None:
        super().__init__(credentials, "s3", region)
        self._payload_hash = payload_hash

    def payload(self, request: Any) -> str:
        return self._payload_hash


def sign(credentials: Any, region: str, method: str, url: str, headers: dict[str, str], sha256: str) -> dict[str, str]:
    """The headers of a signed request, valid for 15 minutes. `sha256` is in hex, or UNSIGNED-PAYLOAD."""
    request = AWSRequest(method=method, url=url, headers=headers)
    GivenPayloadAuth(credentials, region, sha256).add_auth(request)
    return dict(request.headers.items())
