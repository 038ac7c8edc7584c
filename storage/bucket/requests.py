"""Signed requests for the bucket's objects, and links to them. Nothing here speaks to the store."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, Self
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from storage.bucket.boto import make_session
from storage.bucket.checksums import ALGORITHMS, Checksum, Sums
from storage.bucket.keys import Keys, bucket_and_name, type_of_video
from storage.bucket.object_headers import object_headers
from storage.bucket.place import DEFAULT_REGION, Place, place_of
from storage.bucket.signing import presign, sign
from storage.bucket.traits import Traits
from storage.faults import Fault
from storage.settings import Settings

MAX_LINK_S = 7 * 86400  # SigV4's own limit for presigned URLs
UNSIGNED = "UNSIGNED-PAYLOAD"
CREDENTIALS_S = 10.0
_NO_OBJECT = frozenset({"NoSuchKey", "404"})
NO_BYTES = hashlib.sha256().hexdigest()


class StoreUnavailable(Fault):
    """The object store does not respond, or refuses the request. The text is one line, without keys."""

    code = "store_down"


class ObjectMissing(StoreUnavailable):
    """The store says that it has no object under the key."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request to send unchanged, within 15 minutes."""

    method: Literal["GET", "HEAD", "PUT", "POST", "DELETE"]
    url: str
    headers: Mapping[str, str]
    body: bytes | None = b""
    """None: the sender has the body."""


@dataclass(frozen=True, slots=True)
class Part:
    """One stored part of a multipart upload; numbers start at 1. `checksum` in base64, "" if it was sent without."""

    number: int
    etag: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """The store's keys as the settings have them."""

    access_key: str
    secret_key: str
    token: None = None


class Requests:
    """Signs requests for one bucket: the configured one, from which those of tenants are reached. Threads may share it;
    it imports nothing of boto3 before first use, and to sign with the keys of the settings it needs nothing of it."""

    def __init__(self, settings: Settings) -> None:
        self.bucket = settings.s3_bucket
        self.keys = Keys(settings.s3_key_prefix)
        self.outbound = settings.outbound()
        self._settings = settings
        self._lock = threading.RLock()
        self._frozen: tuple[float, Any] = (0.0, None)
        self._configured = _configured(settings)
        self._shared: Any = self
        """The one for the bucket that tenants share."""
        self._others: dict[str, Any] = {}

    def for_tenant(self, tenant: str) -> Self:
        """The bucket in which new videos of a tenant are stored."""
        return self._in_bucket(self._settings.s3_tenant_buckets.get(tenant))

    def holding(self, key: str) -> Self:
        """The bucket that a stored key names."""
        return self._in_bucket(bucket_and_name(key)[0])

    def every(self) -> list[Self]:
        """The shared bucket and those that tenants have now."""
        return [self._in_bucket(bucket) for bucket in self._settings.buckets]

    def possible_keys(self, tenant: str, job_id: UUID, created_at: datetime) -> list[str]:
        """Where a copy that never ended may have left a video: in the tenant's bucket, and in the shared one, which it
        used before it had its own."""
        stores = {store.bucket: store for store in (self.for_tenant(tenant), self._shared)}
        return [store.keys.video(tenant, job_id, created_at) for store in stores.values()]

    def _in_bucket(self, bucket: str | None) -> Self:
        shared: Self = self._shared
        if bucket is None or bucket == shared.bucket:
            return shared
        with shared._lock:
            if bucket not in shared._others:
                found = type(self)(shared._settings.model_copy(update={"s3_bucket": bucket}))
                found.keys = Keys(shared._settings.s3_key_prefix, bucket)
                found._shared, found._lock = shared, shared._lock
                shared._others[bucket] = found
            there: Self = shared._others[bucket]
            return there

    def _name(self, key: str) -> str:
        """A key within this bucket."""
        bucket, name = bucket_and_name(key)
        if bucket not in (None, self.bucket):
            raise ValueError(f"{key} does not lie in the bucket {self.bucket}")
        return name

    @cached_property
    def _session(self) -> Any:
        if self._shared is not self:
            return self._shared._session
        return make_session(self._settings, self.outbound)

    @cached_property
    def _traits(self) -> Traits:
        ours = self._settings
        if ours.s3_endpoint_url is not None or ours.s3_region is not None:
            return Traits(ours)
        with self._translated():
            return Traits(ours, self._session.region_name)

    @property
    def traits(self) -> Traits:
        """What is known of the store."""
        with self._lock:  # a cached_property must not be created by two threads at once
            return self._traits

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as exc:
            error = exc.response.get("Error", {})
            unavailable = self._unavailable(f"{error.get('Code')}: {error.get('Message')}")
            raise ObjectMissing(str(unavailable)) if error.get("Code") in _NO_OBJECT else unavailable from exc
        except (BotoCoreError, RuntimeError) as exc:  # RuntimeError: refreshed credentials are already expired
            raise self._unavailable(str(exc).splitlines()[0]) from exc

    def _unavailable(self, why: str, code: str | None = None) -> StoreUnavailable:
        return StoreUnavailable(f"bucket {self.bucket} at {self.where}: {why}", code)

    @property
    def where(self) -> str:
        """The store, for messages."""
        return self._settings.s3_endpoint_url or "AWS"

    def sign_put(
        self,
        key: str,
        *,
        size_bytes: int,
        sums: Sums,
        checksum: Checksum,
        sha256: str = UNSIGNED,
        content_type: str | None = None,
        filename: str | None = None,
        part: tuple[str, int] | None = None,
    ) -> SignedRequest:
        """A signed PUT of a whole object, or of one `part` (upload id, number); the store verifies the checksum.

        `filename`: the name under which browsers save it.

        Raises:
            StoreUnavailable: as `sign`.
        """
        headers = {"Content-Length": str(size_bytes), **sums.headers(checksum)}
        query = ""
        if part is None:
            headers |= self._object_headers(key, content_type, filename)
        else:
            query = urlencode({"partNumber": part[1], "uploadId": part[0]})
        return self.sign("PUT", key, query, headers, sha256, body=None)

    def sign_begin(self, key: str, content_type: str, checksum: Checksum, filename: str | None = None) -> SignedRequest:
        """A request to begin a multipart upload whose parts carry this checksum.

        Raises:
            StoreUnavailable: as `sign`.
        """
        headers = {"Content-Length": "0", **self._object_headers(key, content_type, filename)}
        if checksum in ALGORITHMS:
            headers["x-amz-checksum-algorithm"] = ALGORITHMS[checksum]
        return self.sign("POST", key, "uploads", headers)

    def _object_headers(self, key: str, content_type: str | None, filename: str | None) -> dict[str, str]:
        found = object_headers(self._settings, video=type_of_video(key) is not None, filename=filename)
        return found if content_type is None else {"Content-Type": content_type, **found}

    def sign_get(self, key: str, headers: Mapping[str, str] | None = None, *, head: bool = False) -> SignedRequest:
        """A request for an object, or for its headers only.

        Raises:
            StoreUnavailable: as `sign`.
        """
        return self.sign("HEAD" if head else "GET", key, "", headers or {})

    def sign_delete(self, key: str) -> SignedRequest:
        """A request to delete an object.

        Raises:
            StoreUnavailable: as `sign`.
        """
        return self.sign("DELETE", key, "", {"Content-Length": "0"})

    def sign_create_bucket(self) -> SignedRequest:
        """A request to create the bucket, in the region that is configured.

        Raises:
            StoreUnavailable: as `sign`.
        """
        region, body = self.traits.place.region, b""
        if self._settings.s3_endpoint_url is None and region != DEFAULT_REGION:
            body = (
                '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            ).encode()
        sha256 = hashlib.sha256(body).hexdigest()
        return self.sign("PUT", None, "", {"Content-Length": str(len(body))}, sha256, body)

    def sign(
        self,
        method: Literal["GET", "HEAD", "PUT", "POST", "DELETE"],
        key: str | None,
        query: str,
        headers: Mapping[str, str],
        sha256: str = NO_BYTES,
        body: bytes | None = b"",
    ) -> SignedRequest:
        """A signed request for an object, or for the bucket itself if `key` is None.

        `query` is percent-encoded; `sha256` is that of the body, in hex; `body` None: the sender has it.

        Raises:
            StoreUnavailable: there are no credentials to sign it, or they could not be refreshed.
        """
        place = self.traits.place
        url = place.url(self._name(key), query) if key is not None else place.base + (f"?{query}" if query else "")
        credentials = self._credentials()
        return SignedRequest(method, url, sign(credentials, place.region, method, url, headers, sha256), body)

    def get_ready(self) -> None:
        """Fetch credentials, unless the settings have them; for that, load boto3, which takes half a second.

        Raises:
            StoreUnavailable: there are none.
        """
        _ = self.traits, self._credentials()

    def link(self, key: str, seconds: float) -> str:
        """A URL from which anyone can GET the object for `seconds`, at most 7 days.

        It is signed for `s3_public_endpoint_url`, or else for the store as we reach it. Links that are signed with the
        credentials of a role end with them.

        Raises:
            StoreUnavailable: there are no credentials to sign it.
        """
        if bucket_and_name(key)[0] not in (None, self.bucket):
            return self.holding(key).link(key, seconds)
        place = self.link_place()
        return presign(self._credentials(), place.region, place.url(self._name(key)), int(min(seconds, MAX_LINK_S)))

    def link_place(self) -> Place:
        """Where clients reach the bucket."""
        place, ours = self.traits.place, self._settings
        if ours.s3_public_endpoint_url is None:
            return place
        public = place_of(self.bucket, ours.s3_public_endpoint_url, place.region, ours.s3_addressing_style)
        return replace(public, virtual=public.virtual or (ours.s3_addressing_style == "auto" and place.virtual))

    @property
    def link_origin(self) -> str:
        """Scheme, host and port of links."""
        parts = urlsplit(self.link_place().base)
        return f"{parts.scheme}://{parts.netloc}"

    def _credentials(self) -> Any:
        """What signs requests now: the keys of the settings, or what boto3 finds. Credentials of a role are requested
        every few seconds at most: a service that hangs would delay each request."""
        if self._shared is not self:
            return self._shared._credentials()
        if self._configured is not None:
            return self._configured
        with self._translated(), self._lock:
            until, frozen = self._frozen
            if frozen is None or time.monotonic() > until:
                credentials = self._session.get_credentials()
                if credentials is None:
                    raise self._unavailable(
                        "no credentials were found; set s3_access_key_id and s3_secret_access_key, or configure boto3 "
                        "(environment, profile, instance role)",
                        code="store_key",
                    )
                frozen = credentials.get_frozen_credentials()
                self._frozen = (time.monotonic() + CREDENTIALS_S, frozen)
            return frozen


def _configured(settings: Settings) -> Credentials | None:
    key, secret = settings.s3_access_key_id, settings.s3_secret_access_key
    if not key or secret is None or not secret.get_secret_value():
        return None
    return Credentials(key, secret.get_secret_value())
