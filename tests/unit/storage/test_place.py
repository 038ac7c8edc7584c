"""Where a bucket is: from its endpoint, and from what a store says."""

from __future__ import annotations

import pytest

from storage.bucket.place import Place, Style, place_of

R2 = "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com"


@pytest.mark.parametrize(
    ("endpoint", "base", "region"),
    [
        (None, "https://reelq.s3.us-east-1.amazonaws.com", "us-east-1"),
        ("https://s3.amazonaws.com", "https://reelq.s3.amazonaws.com", "us-east-1"),
        ("https://s3.eu-west-1.amazonaws.com/", "https://reelq.s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://s3-eu-west-1.amazonaws.com", "https://reelq.s3-eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://s3.cn-north-1.amazonaws.com.cn", "https://reelq.s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("https://s3.dualstack.eu-west-1.amazonaws.com", "https://reelq.s3.dualstack.eu-west-1.amazonaws.com",
         "eu-west-1"),
        (R2, f"{R2}/reelq", "auto"),
        ("https://s3.us-west-004.backblazeb2.com", "https://s3.us-west-004.backblazeb2.com/reelq", "us-west-004"),
        ("https://storage.googleapis.com", "https://storage.googleapis.com/reelq", "auto"),
        ("https://s3.oss-cn-hangzhou.aliyuncs.com", "https://reelq.s3.oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
        ("https://oss-cn-hangzhou-internal.aliyuncs.com", "https://reelq.oss-cn-hangzhou-internal.aliyuncs.com",
         "cn-hangzhou"),
        ("https://tos-s3-cn-beijing.volces.com", "https://reelq.tos-s3-cn-beijing.volces.com", "cn-beijing"),
        ("https://cos.ap-guangzhou.myqcloud.com", "https://reelq.cos.ap-guangzhou.myqcloud.com", "ap-guangzhou"),
        ("http://s3:8333", "http://s3:8333/reelq", "us-east-1"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/reelq", "us-east-1"),
        ("http://[::1]:9000", "http://[::1]:9000/reelq", "us-east-1"),
        ("https://files.example.com/s3", "https://files.example.com/s3/reelq", "us-east-1"),
        # As consoles show it, with the bucket in it.
        (f"{R2}/reelq", f"{R2}/reelq", "auto"),
        ("https://reelq.s3.eu-west-1.amazonaws.com", "https://reelq.s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://reelq.tos-s3-cn-beijing.volces.com", "https://reelq.tos-s3-cn-beijing.volces.com", "cn-beijing"),
        # A store of one's own whose name begins like the bucket's.
        ("https://reelq.example.com", "https://reelq.example.com/reelq", "us-east-1"),
    ],
)  # fmt: skip
def test_the_endpoint_tells_addressing_and_region(endpoint: str | None, base: str, region: str) -> None:
    place = place_of("reelq", endpoint, None, "auto")
    assert (place.base, place.region) == (base, region)


@pytest.mark.parametrize(
    ("style", "base"),
    [("path", "https://s3.eu-west-1.amazonaws.com/a.b"), ("virtual", "https://a.b.s3.eu-west-1.amazonaws.com"),
     ("auto", "https://s3.eu-west-1.amazonaws.com/a.b")],
)  # fmt: skip
def test_a_dot_in_the_bucket_does_not_fit_a_certificate(style: Style, base: str) -> None:
    assert place_of("a.b", None, "eu-west-1", style).base == base


def test_a_key_is_encoded_once() -> None:
    place = Place("http://s3", "b", "us-east-1", virtual=True)
    assert place.url("videos/a fox & 猫.mp4", "uploads") == "http://b.s3/videos/a%20fox%20%26%20%E7%8C%AB.mp4?uploads"


def test_another_region_is_another_endpoint_at_aws_only() -> None:
    at_aws = place_of("reelq", None, None, "auto").in_region("eu-west-1")
    assert (at_aws.base, at_aws.region) == ("https://reelq.s3.eu-west-1.amazonaws.com", "eu-west-1")
    own = place_of("reelq", "http://garage:3900", None, "auto").in_region("garage")
    assert (own.base, own.region) == ("http://garage:3900/reelq", "garage")


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("reelq.s3-eu-west-1.amazonaws.com", "https://reelq.s3-eu-west-1.amazonaws.com"),
        ("https://reelq.s3-eu-west-1.amazonaws.com/videos/a.mp4", "https://reelq.s3-eu-west-1.amazonaws.com"),
        ("s3.us-east-1.amazonaws.com", None),
        ("evil.example.com", None),
        ("http://s3.eu-west-1.amazonaws.com", None),
    ],
)
def test_a_store_may_send_us_to_its_own_domain_only(address: str, base: str | None) -> None:
    found = place_of("reelq", None, None, "auto").at(address)
    assert (found.base if found else None) == base


def test_a_redirect_to_https_is_followed() -> None:
    found = place_of("reelq", "http://minio.example.com", None, "auto").at("https://minio.example.com/reelq/a.mp4")
    assert found is not None
    assert found.base == "https://minio.example.com/reelq"
