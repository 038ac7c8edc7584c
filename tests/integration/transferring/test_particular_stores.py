"""Videos are stored, linked and proven by doctor in stores that refuse what others take, without any setting."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp import web

from producer.health.store_proof import prove_store
from storage.bucket.objects import PART_BYTES, Objects
from storage.bucket.requests import StoreUnavailable
from storage.settings import Settings
from tests.certificates import make_certificates
from tests.ruled_store import Rule, names_lead_here, refusal, ruled
from tests.servers import Bucket
from tests.store_door import what
from tests.tcp_door import door
from tests.transfers import Files, a_video, generated, running_runtime, transfer

SMALL = a_video()
LARGE = SMALL + (PART_BYTES + 8).to_bytes(4, "big") + b"free" + os.urandom(PART_BYTES)
CHECKSUMS = ("x-amz-checksum", "x-amz-sdk-checksum", "x-amz-trailer")


@pytest.fixture
def base() -> Iterator[str]:
    with Files({"/small.mp4": SMALL, "/large.mp4": LARGE}).running() as url:
        yield url


def is_about_the_bucket(request: web.Request, bucket: str) -> bool:
    return request.path.strip("/") in ("", bucket)


def store_both(settings: Settings, base: str, bucket: Bucket) -> None:
    """Copy a small and a large video as a worker does, and compare what is in the bucket with them."""
    with running_runtime(settings, base, poster=False) as runtime:
        for name, video in (("small", SMALL), ("large", LARGE)):
            row = transfer(runtime, generated(runtime.settings, f"{base}/{name}.mp4"))
            assert row["state"] == "succeeded", row["last_event"]
            assert (bucket.directory / row["object_key"]).read_bytes() == video
            link = runtime.objects.link(row["object_key"], 60)
            assert hashlib.sha256(httpx.get(link).content).hexdigest() == row["sha256"]


def object_rights_only(bucket: Bucket) -> Rule:
    """A token such as R2's "Object Read & Write", which may not even list."""

    def rule(request: web.Request) -> web.Response | None:
        unknown = request.method in ("GET", "HEAD") and not (bucket.directory / request.path.split("/", 2)[-1]).exists()
        if is_about_the_bucket(request, bucket.bucket) or unknown:
            return refusal(403, "AccessDenied", "Access Denied")
        return None

    return rule


def test_rights_to_objects_are_enough(settings: Settings, s3: Bucket, base: str) -> None:
    with ruled(s3, object_rights_only(s3), settings) as (store, ours):
        Objects(ours).check_bucket()
        store_both(ours, base, s3)
        assert Objects(ours).open_parts("videos/") == []
        ok, message, _ = prove_store(ours)
        assert ok, message
    listed = [asked for asked in store.asked if asked.kind == "get" and asked.path.strip("/") == s3.bucket]
    assert len(listed) == 1, "only the sweep lists, and goes without"
    store.asked = [asked for asked in store.asked if asked not in listed]
    assert not [asked.path for asked in store.asked if asked.path.strip("/") == s3.bucket], "it is never asked about"


def no_checksums(request: web.Request) -> web.Response | None:
    for name in request.headers:
        if name.lower().startswith(CHECKSUMS):
            message = f"Unsupported header '{name.lower()}' received for this API call."
            return refusal(400, "InvalidArgument", message)
    return None


def test_a_store_without_checksums_gets_content_md5(settings: Settings, s3: Bucket, base: str) -> None:
    with ruled(s3, no_checksums, settings) as (store, ours):
        store_both(ours, base, s3)
        refused = [a for a in store.asked if any(name.startswith(CHECKSUMS) for name in a.headers)]
        assert [a.kind for a in refused] == ["probe"], "one small request teaches it"
        stored = [a for a in store.asked if a.kind in ("put", "part")]
        assert stored
        assert all("content-md5" in a.headers for a in stored)
        ok, message, _ = prove_store(ours)
        assert ok and "checksum md5" in message


@pytest.mark.parametrize("kind", ["none", "sha256", "md5"])
def test_a_checksum_can_be_set(settings: Settings, s3: Bucket, base: str, kind: str) -> None:
    with ruled(s3, lambda _request: None, settings, s3_checksum=kind) as (store, ours):
        store_both(ours, base, s3)
    header = {"none": "", "sha256": "x-amz-checksum-sha256", "md5": "content-md5"}[kind]
    for asked in store.asked:
        if asked.kind in ("put", "part", "probe", "companion"):
            found = {n for n in asked.headers if n.startswith(CHECKSUMS) or n == "content-md5"}
            assert found == ({header} if header else set())


def test_a_store_that_wants_the_bucket_in_the_host_name(
    settings: Settings, s3: Bucket, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names_lead_here(monkeypatch, "store.test")

    def rule(request: web.Request) -> web.Response | None:
        if request.host.startswith(f"{s3.bucket}."):
            return None
        message = "The bucket you are attempting to access must be addressed using OSS third level domain."
        return refusal(403, "SecondLevelDomainForbidden", message)

    with ruled(s3, rule, settings, s3_endpoint_url="http://store.test") as (store, ours):
        store_both(ours, base, s3)
        wrong = [a for a in store.asked if a.host == "store.test"]
        assert [a.kind for a in wrong] == ["probe"], "one small request teaches it"
        fresh = Objects(ours).link("videos/a.mp4", 60)
        assert fresh.startswith(f"http://{s3.bucket}.store.test:"), "another process learns it before its first link"
        ok, message, _ = prove_store(ours)
        assert ok and "virtual addressing" in message


def test_a_bucket_in_another_region(settings: Settings, s3: Bucket, base: str) -> None:
    """A store that takes one region only, as MinIO and Garage do, and names it when it refuses."""

    def rule(request: web.Request) -> web.Response | None:
        signed = request.headers.get("Authorization", "") + request.rel_url.query.get("X-Amz-Credential", "")
        if "/lyon/s3/aws4_request" in signed:
            return None
        message = "The authorization header is malformed; the region is wrong; expecting 'lyon'."
        return refusal(400, "AuthorizationHeaderMalformed", message, "<Region>lyon</Region>")

    with ruled(s3, rule, settings) as (_, ours):
        store_both(ours, base, s3)
        ok, message, _ = prove_store(ours)
        assert ok and "region lyon" in message


def test_a_bucket_with_object_lock_gets_its_checksums(settings: Settings, s3: Bucket, base: str) -> None:
    def rule(request: web.Request) -> web.Response | None:
        sums = {"x-amz-checksum-crc32", "content-md5"} & {name.lower() for name in request.headers}
        if request.method != "PUT" or sums:
            return None
        return refusal(400, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required for Put requests")

    with ruled(s3, rule, settings) as (_, ours):
        store_both(ours, base, s3)


def test_objects_carry_what_a_company_asks_of_its_bucket(settings: Settings, s3: Bucket, base: str) -> None:
    more = {
        "s3_encryption": "aws:kms",
        "s3_kms_key_id": "alias/videos",
        "s3_storage_class": "STANDARD_IA",
        "s3_tags": {"team": "video"},
        "s3_cache_control": "private, max-age=86400",
        "s3_key_prefix": "reelq/{tenant}/",
    }
    with ruled(s3, lambda _request: None, settings, **more) as (store, ours):
        store_both(ours, base, s3)
    for asked in store.asked:
        if asked.kind in ("put", "begin", "companion") and "/journal/" not in asked.path:
            assert "/reelq/default/videos/" in asked.path
            assert asked.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/videos"
            assert asked.headers["x-amz-tagging"] == "team=video"
            assert ("x-amz-storage-class" in asked.headers) is (asked.kind != "companion")
            assert asked.headers["content-disposition"].startswith('inline; filename="a-fox_')
        if asked.kind == "part":
            assert not {"x-amz-tagging", "x-amz-server-side-encryption"} & set(asked.headers)


@pytest.mark.parametrize(
    ("kind", "answer", "says"),
    [
        ("put", ("AccessDenied", "Access Denied"), "a PUT is refused: HTTP 403: AccessDenied.*allow s3:PutObject"),
        ("part", ("AccessDenied", "Access Denied"), "a part of a multipart upload is refused.*allow s3:PutObject"),
        ("get", ("AccessDenied", "Access Denied"), "a link to 127.0.0.1.* is refused.*allow s3:GetObject"),
        ("put", ("InvalidAccessKeyId", "Unknown"), "check s3_access_key_id"),
        ("put", ("NotImplemented", "A header is not implemented"), "may not know what these ask for: s3_tags"),
    ],
)
def test_doctor_names_what_is_missing(
    settings: Settings, s3: Bucket, kind: str, answer: tuple[str, str], says: str
) -> None:
    def rule(request: web.Request) -> web.Response | None:
        return refusal(501 if answer[0] == "NotImplemented" else 403, *answer) if what(request) == kind else None

    more: dict[str, Any] = {"s3_tags": {"a": "b"}} if answer[0] == "NotImplemented" else {}
    with ruled(s3, rule, settings, **more) as (_, ours):
        ok, message, _ = prove_store(ours)
    assert not ok
    assert re.search(says, message), message
    assert not list(s3.directory.rglob("doctor-*")), "nothing is left"


def test_doctor_passes_without_the_right_to_delete_and_says_so(settings: Settings, s3: Bucket) -> None:
    def rule(request: web.Request) -> web.Response | None:
        return refusal(403, "AccessDenied", "Access Denied") if request.method == "DELETE" else None

    with ruled(s3, rule, settings) as (_, ours):
        ok, message, _ = prove_store(ours)
    assert ok and "deleted jobs keep their files; allow s3:DeleteObject" in message


def test_links_are_signed_for_the_address_that_clients_reach(
    settings: Settings, s3: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    names_lead_here(monkeypatch, "inside.test")
    with ruled(s3, lambda _request: None, settings) as (_, outside):
        public = outside.s3_endpoint_url
        inside = {"s3_endpoint_url": "http://s3.inside.test", "s3_public_endpoint_url": public}
        with ruled(s3, lambda _request: None, settings, **inside) as (_, ours):
            objects = Objects(ours)
            (s3.directory / "clip.mp4").write_bytes(b"moving pictures")
            link = objects.link("clip.mp4", 60)
            assert link.startswith(f"{public}/")
            ok, message, _ = prove_store(ours)
    assert ok, message


def test_credentials_of_a_web_identity_are_refreshed(
    settings: Settings, s3: Bucket, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a pod of Kubernetes: a token in a file, exchanged for keys that live for minutes, by a service whose
    certificate an authority of one's own signed."""
    exchanged: list[str] = []
    token, live = tmp_path / "token", ["none"]
    token.write_text("first")

    def sts(request: web.Request) -> web.Response | None:
        if request.path != "/sts":
            return None
        live[0] = f"session-{len(exchanged)}"
        exchanged.append(token.read_text())
        ends = f"{datetime.now(UTC) + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
        keys = f"<AccessKeyId>{s3.access_key_id}</AccessKeyId><SecretAccessKey>{s3.secret_access_key}</SecretAccessKey>"
        text = f"<Credentials>{keys}<SessionToken>{live[0]}</SessionToken><Expiration>{ends}</Expiration></Credentials>"
        result = f"<AssumeRoleWithWebIdentityResult>{text}</AssumeRoleWithWebIdentityResult>"
        name = "AssumeRoleWithWebIdentityResponse"
        xml = f'<{name} xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{result}</{name}>'
        return web.Response(text=xml, content_type="text/xml")

    def rule(request: web.Request) -> web.Response | None:
        if (answer := sts(request)) is not None:
            return answer
        given = request.headers.get("X-Amz-Security-Token") or request.rel_url.query.get("X-Amz-Security-Token")
        return None if given == live[0] else refusal(400, "ExpiredToken", "The provided token has expired.")

    made = make_certificates(tmp_path)
    none = {"s3_access_key_id": None, "s3_secret_access_key": None, "ca_file": str(made.authority)}
    with (
        ruled(s3, rule, settings, **none) as (_, ours),
        door(("127.0.0.1", urlsplit(ours.s3_endpoint_url or "").port or 0), tls=made.server()) as way,
    ):
        for name, value in {
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/reelq",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
            "AWS_ENDPOINT_URL_STS": f"https://localhost:{way.port}/sts",
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("storage.bucket.requests.CREDENTIALS_S", 0.0)
        with running_runtime(ours, base, poster=False) as runtime:
            for number in range(2):
                row = transfer(runtime, generated(runtime.settings, f"{base}/small.mp4"))
                assert row["state"] == "succeeded", json.dumps(row["last_event"])
                token.write_text(f"later {number}")
    assert "first" in exchanged and "later 0" in exchanged, "the file is read again"


def test_an_aws_bucket_in_a_region_that_is_not_set(
    settings: Settings, s3: Bucket, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS answers 301 and names the region; PUTs go there, and links too."""
    monkeypatch.setattr("storage.bucket.place.aws_endpoint", lambda region: f"http://s3.{region}.amazonaws.com")

    def rule(request: web.Request) -> web.Response | None:
        if request.host == f"{s3.bucket}.s3.eu-west-1.amazonaws.com":
            return None
        message = "The bucket you are attempting to access must be addressed using the specified endpoint."
        return refusal(301, "PermanentRedirect", message, x_amz_bucket_region="eu-west-1")

    with ruled(s3, rule, settings) as (store, local):
        names_lead_here(monkeypatch, ".amazonaws.com", urlsplit(local.s3_endpoint_url or "").port)
        ours = local.model_copy(update={"s3_endpoint_url": None})
        store_both(ours, base, s3)
        wrong = [asked.kind for asked in store.asked if "eu-west-1" not in asked.host]
        assert wrong == ["probe"], "one small request teaches it"
        assert Objects(ours).link("videos/a.mp4", 60).startswith(f"http://{s3.bucket}.s3.eu-west-1.amazonaws.com/")
        ok, message, _ = prove_store(ours)
        assert ok and "region eu-west-1" in message


def test_a_bucket_that_does_not_exist_is_never_created_by_the_work(settings: Settings, s3: Bucket, base: str) -> None:
    name = f"{s3.bucket}-misspelt"
    denied = refusal(403, "AccessDenied", "Access Denied")

    def rule(request: web.Request) -> web.Response | None:
        return denied if request.method == "PUT" and is_about_the_bucket(request, name) else None

    fresh = replace(s3, bucket=name, directory=s3.directory.parent / name)
    with ruled(fresh, rule, settings, s3_bucket=name) as (store, ours):
        with running_runtime(ours, base, poster=False) as runtime:
            row = transfer(runtime, generated(runtime.settings, f"{base}/small.mp4"))
        assert row["reason"] == "store_unavailable"
        with pytest.raises(StoreUnavailable, match=f"bucket {name} does not exist at .*`reelq bucket create`"):
            Objects(ours).check_bucket()
        assert not [asked for asked in store.asked if asked.path.strip("/") == name], "nothing asked to create it"
        with pytest.raises(StoreUnavailable, match=r"cannot be created at .*: HTTP 403: AccessDenied: Access Denied"):
            Objects(ours).create_bucket()
    assert not fresh.directory.exists()


def test_a_console_that_answers_everything_with_a_page_is_no_store(settings: Settings, s3: Bucket, base: str) -> None:
    """As at the console's port beside that of S3: each request gets the page, and nothing is stored."""

    def page(_request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>Console</title>", content_type="text/html")

    with ruled(s3, page, settings) as (_, ours):
        with pytest.raises(StoreUnavailable, match=r"is not an object store.*Console.*correct s3_endpoint_url"):
            Objects(ours).check_bucket(write=True)
        with running_runtime(ours, base, poster=False) as runtime:
            row = transfer(runtime, generated(runtime.settings, f"{base}/small.mp4"))
            assert row["state"] == "transferring", "the video is still at its gateway alone"
            assert "is not an object store" in str(row["last_event"])
        with pytest.raises(StoreUnavailable, match="is not an object store"):
            prove_store(ours)
