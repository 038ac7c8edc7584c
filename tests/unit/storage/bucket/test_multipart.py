"""Compare the requests of a multipart upload with those of boto3, and read the answers to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from pydantic import SecretStr

from storage.bucket import multipart
from storage.bucket.answers import refusal_in
from storage.bucket.objects import Objects
from storage.bucket.requests import Part, SignedRequest
from storage.bucket.signing import sign
from storage.settings import Settings

ENDPOINT = "http://127.0.0.1:9000"
KEY = "videos/2026/03/04/a fox & 猫.mp4"
UPLOAD = "2~a/b+c=d&e"
PARTS = [Part(1, '"9b2cf535f27731c974343645a3985328"', "i9aeUg=="), Part(2, '"<&>-2"', "AAAAAA==")]


class _Captured(Exception):
    pass


@pytest.fixture
def objects() -> Objects:
    return Objects(
        Settings(
            s3_endpoint_url=ENDPOINT,
            s3_bucket="reelq",
            s3_region="eu-west-1",
            s3_access_key_id="AKIAEXAMPLE",
            s3_secret_access_key=SecretStr("wJalrXUtnFEMI/K7MDENG"),
        )
    )


@pytest.fixture
def capture() -> Iterator[Callable[..., Any]]:
    """Gives the request that boto3 would send for an operation."""
    caught: list[Any] = []

    def stop(request: Any, **_: Any) -> None:
        caught.append(request)
        raise _Captured

    session = boto3.session.Session("AKIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG", region_name="eu-west-1")
    with closing(session.client("s3", endpoint_url=ENDPOINT)) as client:
        client.meta.events.register("before-send.s3", stop)

        def run(operation: str, **parameters: Any) -> Any:
            with pytest.raises(_Captured):
                getattr(client, operation)(Bucket="reelq", Key=KEY, **parameters)
            return caught[-1]

        yield run


def _begin(objects: Objects, capture: Callable[..., Any]) -> tuple[SignedRequest, Any]:
    theirs = capture("create_multipart_upload", ContentType="video/mp4", ChecksumAlgorithm="CRC32")
    return objects.sign_begin(KEY, "video/mp4", "crc32"), theirs


def _complete(objects: Objects, capture: Callable[..., Any]) -> tuple[SignedRequest, Any]:
    listed = [{"PartNumber": part.number, "ETag": part.etag, "ChecksumCRC32": part.checksum} for part in PARTS]
    theirs = capture("complete_multipart_upload", UploadId=UPLOAD, MultipartUpload={"Parts": listed})
    return multipart.sign_complete(objects, KEY, UPLOAD, PARTS, "crc32"), theirs


def _abort(objects: Objects, capture: Callable[..., Any]) -> tuple[SignedRequest, Any]:
    return multipart.sign_abort(objects, KEY, UPLOAD), capture("abort_multipart_upload", UploadId=UPLOAD)


@pytest.mark.parametrize("both", [_begin, _complete, _abort])
def test_requests_equal_those_of_boto3(objects: Objects, capture: Callable[..., Any], both: Callable[..., Any]) -> None:
    ours, theirs = both(objects, capture)
    assert (ours.method, ours.url, ours.body) == (theirs.method, theirs.url, theirs.body or b"")
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in theirs.headers.items()
    }
    own = {name.lower(): value for name, value in ours.headers.items()}
    for name in ("content-length", "x-amz-content-sha256", *(n for n in headers if n.startswith("x-amz-checksum"))):
        assert own[name] == headers[name]
    # The same headers at the same time give the same signature, byte for byte.
    at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    names = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    signed = {name: headers[name] for name in names if name not in ("host", "x-amz-date", "x-amz-content-sha256")}
    credentials = objects._session.get_credentials().get_frozen_credentials()
    sha256 = headers["x-amz-content-sha256"]
    again = sign(credentials, "eu-west-1", ours.method, ours.url, signed, sha256, at)
    assert again["Authorization"] == headers["authorization"]


BEGUN = b"""<?xml version="1.0" encoding="UTF-8"?>
<InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket><Key>k</Key>
<UploadId>a&amp;b</UploadId></InitiateMultipartUploadResult>"""


@pytest.mark.parametrize(
    ("answer", "upload_id"),
    [
        (BEGUN, "a&b"),
        (BEGUN.replace(b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', b""), "a&b"),
        (b"<InitiateMultipartUploadResult><UploadId> </UploadId></InitiateMultipartUploadResult>", None),
        (b"", None),
        (b"<html><body>Welcome to nginx!", None),
    ],
)
def test_the_upload_id_is_read_from_the_answer(answer: bytes, upload_id: str | None) -> None:
    assert multipart.upload_id_in(answer) == upload_id


@pytest.mark.parametrize(
    ("answer", "completed", "code"),
    [
        (b'  \n<?xml version="1.0"?>\n<CompleteMultipartUploadResult><ETag>"x-2"</ETag>'
         b"</CompleteMultipartUploadResult>", True, None),
        (b'<CompleteMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>', True, None),
        (b"   <Error><Code>InternalError</Code><Message>later</Message></Error>", False, "InternalError"),
        (b"", False, None),
        (b"OK", False, None),
    ],
)  # fmt: skip
def test_an_upload_is_complete_only_when_the_answer_says_so(answer: bytes, completed: bool, code: str | None) -> None:
    assert multipart.is_completed(answer) is completed
    refusal = refusal_in(answer)
    assert (refusal.code if refusal else None) == code
