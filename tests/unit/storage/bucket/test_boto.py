"""boto3's clients with our authorities are like its own in all else; and what works without boto3."""

from __future__ import annotations

import subprocess
import sys
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


SIGNED_HERE = """
import sys
from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable
from storage.settings import Settings

store = {"s3_endpoint_url": "http://127.0.0.1:9", "s3_access_key_id": "a", "s3_secret_access_key": "b"}
objects = Objects(Settings.model_validate(store))
objects.get_ready()
assert "Signature=" in objects.sign_get("videos/one.mp4").headers["Authorization"]
for ask in (objects.check_bucket, lambda: objects.keys_below("journal/"), lambda: objects.put_bytes("a", b"b", "c/d")):
    try:
        ask()
    except StoreUnavailable as exc:
        assert "127.0.0.1:9" in str(exc), exc
    else:
        raise AssertionError("there is no store")
print([name for name in ("boto3", "botocore.session", "botocore.client", "botocore.loaders") if name in sys.modules])
"""


def test_what_workers_and_the_scheduler_ask_a_store_needs_no_boto3() -> None:
    """It takes each process a quarter of a second to load, and 20 MB."""
    done = subprocess.run([sys.executable, "-c", SIGNED_HERE], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
