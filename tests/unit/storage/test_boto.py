"""boto3's clients with our authorities are like its own in all else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storage.bucket.objects import Objects
from storage.settings import Settings
from tests.certificates import make_certificates


def http_of(**more: object) -> Any:
    """What sends the requests of a bucket's client."""
    store = {"s3_bucket": "videos", "s3_access_key_id": "a", "s3_secret_access_key": "b"}
    client: Any = Objects(Settings.model_validate(store | more))._s3
    return client._endpoint.http_session


def test_a_private_authority_does_not_slow_down_small_objects(tmp_path: Path) -> None:
    """Without TCP_NODELAY each body waits 40 ms for the acknowledgement of its headers."""
    own = http_of()
    trusting = http_of(ca_file=str(make_certificates(tmp_path).authority))
    assert type(trusting) is not type(own)
    assert trusting._socket_options == own._socket_options != []
