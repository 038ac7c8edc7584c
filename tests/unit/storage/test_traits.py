"""What is learned from refusals, each as the store itself words it."""

from __future__ import annotations

from typing import Any

import pytest

from storage.bucket.answers import Answer
from storage.bucket.traits import Traits
from storage.settings import Settings

MALFORMED = "AuthorizationHeaderMalformed"
SPECIFIED = "The bucket you are attempting to access must be addressed using the specified endpoint."
GARAGE = (
    "Authorization header malformed, unexpected scope: '20261128/us-east-1/s3/aws4_request', "
    "expected: '20261128/garage/s3/aws4_request'"
)
OSS = "The bucket you are attempting to access must be addressed using OSS third level domain."
COS = "The bucket you are attempting to access must be addressed using COS virtual-styled domain."


def an_answer(status: int, code: str, message: str = "", more: str = "", **headers: str) -> Answer:
    text = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, text.encode())


def traits(endpoint: str | None = "http://store.example:9000", **more: Any) -> Traits:
    return Traits(Settings(s3_endpoint_url=endpoint, **more))


@pytest.mark.parametrize(
    ("answer", "region"),
    [
        (an_answer(301, "PermanentRedirect", SPECIFIED, x_amz_bucket_region="eu-west-1"), "eu-west-1"),
        (an_answer(400, MALFORMED, "the region 'us-east-1' is wrong; expecting 'eu-west-1'"), "eu-west-1"),
        (an_answer(400, MALFORMED, "malformed", "<Region>eu-west-1</Region>"), "eu-west-1"),
        (an_answer(400, MALFORMED, GARAGE), "garage"),
        (Answer(400, {"x-amz-bucket-region": "eu-west-1"}), "eu-west-1"),
        (an_answer(301, "PermanentRedirect", "", "<Endpoint>reelq.s3-eu-west-1.amazonaws.com</Endpoint>"), "eu-west-1"),
        (an_answer(403, "AccessDenied", "Access Denied"), "us-east-1"),
        (an_answer(301, "PermanentRedirect", x_amz_bucket_region="no region!"), "us-east-1"),
    ],
)  # fmt: skip
def test_the_region_is_learned(answer: Answer, region: str) -> None:
    found = traits(None)
    used = found.place
    assert found.learn(used, answer) is (region != "us-east-1")
    assert found.place.region == region
    if region != "us-east-1":
        assert found.learn(used, answer), "a request that was sent before is worth repeating"
        assert not found.learn(found.place, answer), "but not for ever"


@pytest.mark.parametrize(
    "answer",
    [
        an_answer(403, "SecondLevelDomainForbidden", OSS),
        an_answer(403, "InvalidPathAccess", "Forbidden path to access server."),
        an_answer(403, "PathStyleDomainForbidden", COS),
        an_answer(400, "InvalidRequest", "Please use virtual hosted style requests"),
    ],
)  # fmt: skip
def test_addressing_is_learned_unless_it_is_set(answer: Answer) -> None:
    found = traits()
    assert found.learn(found.place, answer)
    assert found.place.base == "http://reelq.store.example:9000"
    assert not found.learn(found.place, answer)
    for fixed in (traits(s3_addressing_style="path"), traits("http://127.0.0.1:9000")):
        assert not fixed.learn(fixed.place, answer)
        assert not fixed.place.virtual


def refused(status: int, code: str, message: str = "") -> bool:
    return traits().may_refuse_checksum(an_answer(status, code, message))


def test_what_may_be_a_refusal_of_the_checksum() -> None:
    assert refused(400, "InvalidArgument", "Unsupported header 'x-amz-checksum-crc32' received for this API call.")
    assert refused(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
    assert refused(403, "SignatureDoesNotMatch", "Invalid argument.")
    assert not refused(400, "BadDigest", "The checksum did not match"), "the bytes are wrong, not the header"
    assert not refused(403, "InvalidAccessKeyId")
    assert not refused(503, "SlowDown", "Please reduce your request rate")


def test_a_checksum_that_was_accepted_is_kept() -> None:
    found = traits()
    assert found.checksums() == ("crc32", "md5", "none")
    found.note_checksum("crc32")
    assert not found.may_refuse_checksum(an_answer(403, "AccessDenied"))
    assert found.may_refuse_checksum(an_answer(400, "InvalidArgument", "Unsupported header 'x-amz-checksum-crc32'"))
    found.note_checksum("md5")
    assert found.checksums() == ("md5", "none")


@pytest.mark.parametrize("kind", ["crc32", "sha256", "md5", "none"])
def test_a_checksum_that_is_set_is_not_replaced(kind: str) -> None:
    found = traits(s3_checksum=kind)
    assert found.checksums() == (kind,)
    assert not found.may_refuse_checksum(an_answer(400, "InvalidArgument", "Unsupported header 'x-amz-checksum'"))
