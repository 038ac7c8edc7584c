"""All S3: the bucket, files in and out, links, and signed requests for callers that send the bytes themselves.

boto3 makes the rare calls (buckets, lists, links). Videos go from the gateway to the store through the worker's own
async client, with requests signed here: a signed PUT takes a fifth of boto3's CPU.
"""

from __future__ import annotations

import base64
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode
from uuid import UUID

from storage.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VIDEOS = "videos/"
PART_BYTES = 8 * 2**20
MAX_LINK_S = 7 * 86400  # SigV4's own limit for presigned URLs
UNSIGNED = "UNSIGNED-PAYLOAD"
CREDENTIALS_S = 10.0
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket", "NoSuchUpload"})


class StoreUnavailable(Exception):
    """The object store does not respond, or refuses the request. The text is one line, without keys."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """Size, ETag and time of a stored object."""

    size_bytes: int
    etag: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request to send unchanged, within 15 minutes."""

    method: Literal["PUT", "POST", "DELETE"]
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    """Empty if the sender has the body."""


@dataclass(frozen=True, slots=True)
class Part:
    """One stored part of a multipart upload; numbers start at 1."""

    number: int
    etag: str
    crc32: str


def video_key(job_id: UUID, created_at: datetime) -> str:
    """The key of a job's video: always the same, so that a repeat overwrites the object with itself."""
    return f"{VIDEOS}{created_at:%Y/%m/%d}/{job_id}.mp4"


def key_beside(video: str, suffix: str) -> str:
    """The key of a video's companion: the same name with another suffix, such as `jpg`."""
    return f"{video.removesuffix('.mp4')}.{suffix}"


def keys_of(video: str) -> tuple[str, ...]:
    """Every key under which a job may have stored an object, from the key of its video."""
    return (video, *(key_beside(video, suffix) for suffix in ("jpg", "json", "last.png", "last.jpg")))


def job_of(video: str) -> UUID | None:
    """The job whose video has this key, None for any other key."""
    try:
        return UUID(video.rpartition("/")[2].removesuffix(".mp4")) if video.startswith(VIDEOS) else None
    except ValueError:
        return None


def input_key(upload: str) -> str:
    """The key of the file behind `upload://<sha256>.<ext>`."""
    return f"inputs/{upload.removeprefix('upload://')}"


def crc32(data: bytes | bytearray | memoryview) -> str:
    """A checksum in the format of `x-amz-checksum-crc32`."""
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


class Objects:
    """The configured bucket. Threads may share it; it imports and opens nothing before first use."""

    def __init__(self, settings: Settings) -> None:
        self.bucket = settings.s3_bucket
        self._settings = settings
        self._lock = threading.Lock()
        self.bucket_known = False
        """True once `ensure_bucket` has succeeded in this process."""
        self._frozen: tuple[float, Any] = (0.0, None)

    @cached_property
    def _session(self) -> Any:
        import boto3

        secret = self._settings.s3_secret_access_key
        return boto3.session.Session(
            aws_access_key_id=self._settings.s3_access_key_id,
            aws_secret_access_key=secret.get_secret_value() if secret is not None else None,
            region_name=self._settings.s3_region,
        )

    @cached_property
    def _client(self) -> S3Client:
        from botocore.config import Config

        endpoint = self._settings.s3_endpoint_url
        client: S3Client = self._session.client(
            "s3",
            endpoint_url=endpoint,
            config=Config(
                # At a custom endpoint boto3 would presign with SigV2, which other stores refuse.
                signature_version="s3v4",
                s3={"addressing_style": "path" if endpoint else "auto"},
                connect_timeout=5,
                read_timeout=30,
                retries={"max_attempts": 3, "mode": "standard"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        return client

    @property
    def _s3(self) -> S3Client:
        with self._lock:  # neither boto3's session nor a cached_property may be created by two threads at once
            return self._client

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as exc:
            error = exc.response.get("Error", {})
            raise self._unavailable(f"{error.get('Code')}: {error.get('Message')}") from exc
        except (BotoCoreError, RuntimeError) as exc:  # RuntimeError: refreshed credentials are already expired
            raise self._unavailable(str(exc).splitlines()[0]) from exc

    def _unavailable(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(f"bucket {self.bucket} at {self._where()}: {why}")

    def _where(self) -> str:
        return self._settings.s3_endpoint_url or "AWS"

    def ensure_bucket(self) -> None:
        """Create the bucket if it does not exist.

        Raises:
            StoreUnavailable: the store does not respond, or does not let us use or create the bucket.
        """
        if self.bucket_known:
            return
        from botocore.exceptions import ClientError

        with self._translated():
            try:
                self._s3.head_bucket(Bucket=self.bucket)
            except ClientError as exc:
                if exc.response.get("Error", {}).get("Code") not in _ABSENT:
                    raise
                self._create_bucket()
        self.bucket_known = True

    def _create_bucket(self) -> None:
        region = self._settings.s3_region
        try:
            if region == "us-east-1" or self._settings.s3_endpoint_url is not None:
                self._s3.create_bucket(Bucket=self.bucket)
            else:
                self._s3.create_bucket(
                    Bucket=self.bucket,
                    CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item] # any region
                )
        except (self._s3.exceptions.BucketAlreadyOwnedByYou, self._s3.exceptions.BucketAlreadyExists):
            self._s3.head_bucket(Bucket=self.bucket)  # another client created it first; check that we may use it

    def put_file(self, path: Path, key: str, content_type: str | None = None) -> None:
        """Upload a local file, in parts if it is large.

        Raises:
            StoreUnavailable: it could not be stored; no part is left behind.
            OSError: the file cannot be read.
        """
        from boto3.s3.transfer import TransferConfig

        self.ensure_bucket()
        extra = {"ContentType": content_type} if content_type else None
        config = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False)
        with self._translated(), path.open("rb") as file:
            self._s3.upload_fileobj(file, self.bucket, key, ExtraArgs=extra, Config=config)

    def head(self, key: str) -> ObjectInfo | None:
        """The object under a key, None if there is none.

        Raises:
            StoreUnavailable: the store does not respond.
        """
        from botocore.exceptions import ClientError

        with self._translated():
            try:
                answer = self._s3.head_object(Bucket=self.bucket, Key=key)
            except ClientError as exc:
                if exc.response.get("Error", {}).get("Code") in _ABSENT:
                    return None
                raise
        return ObjectInfo(answer["ContentLength"], answer["ETag"].strip('"'), answer["LastModified"])

    def copy(self, key: str, target: str) -> None:
        """Store an object under a second key; its bytes do not leave the store.

        Raises:
            StoreUnavailable: the object does not exist, or the store does not respond.
        """
        with self._translated():
            self._s3.copy_object(Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": key})

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; missing ones are ignored.

        Raises:
            StoreUnavailable: the store does not respond, or refuses; some objects may already be deleted.
        """
        from botocore.exceptions import ClientError

        with self._translated():
            for key in keys:
                try:
                    self._s3.delete_object(Bucket=self.bucket, Key=key)
                except ClientError as exc:
                    if exc.response.get("Error", {}).get("Code") not in _ABSENT:
                        raise

    def chunks(self, key: str, size: int = 2**20) -> Iterator[bytes]:
        """The bytes of an object, in pieces of `size`.

        Raises:
            StoreUnavailable: the object does not exist or cannot be read.
        """
        with self._translated():
            yield from self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].iter_chunks(size)

    def read_range(self, key: str, offset: int, size: int) -> bytes:
        """`size` bytes of an object from an offset on, fewer at its end; at least one byte must exist there.

        Raises:
            StoreUnavailable: the object does not exist or cannot be read.
        """
        with self._translated():
            answer = self._s3.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={offset}-{offset + size - 1}")
            return answer["Body"].read()

    def link(self, key: str, seconds: float) -> str:
        """A URL from which anyone can GET the object for `seconds`, at most 7 days.

        Raises:
            StoreUnavailable: there are no credentials to sign it.
        """
        with self._translated():
            return self._s3.generate_presigned_url(
                "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=int(min(seconds, MAX_LINK_S))
            )

    def abort_parts(self, key: str, upload_id: str) -> None:
        """Abort a multipart upload and delete its parts; a missing upload is ignored.

        Raises:
            StoreUnavailable: the store does not respond.
        """
        from botocore.exceptions import ClientError

        with self._translated():
            try:
                self._s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
            except ClientError as exc:
                if exc.response.get("Error", {}).get("Code") not in _ABSENT:
                    raise

    def open_parts(self, prefix: str = "") -> list[tuple[str, str, datetime]]:
        """Multipart uploads in progress: (key, upload id, start by the store's clock).

        Raises:
            StoreUnavailable: the store does not respond.
        """
        from botocore.exceptions import ClientError

        with self._translated():
            pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix)
            try:
                return [
                    (item["Key"], item["UploadId"], item["Initiated"])
                    for page in pages
                    for item in page.get("Uploads", [])
                ]
            except ClientError as exc:
                # rclone answers this for a bucket that never had an upload.
                if exc.response.get("Error", {}).get("Code") == "NoSuchUpload":
                    return []
                raise

    def sign_put(
        self,
        key: str,
        *,
        size_bytes: int,
        checksum: str,
        sha256: str = UNSIGNED,
        content_type: str | None = None,
        part: tuple[str, int] | None = None,
    ) -> SignedRequest:
        """A signed PUT of a whole object, or of one `part` (upload id, number); the store verifies the checksum.

        Raises:
            StoreUnavailable: as `sign`.
        """
        query = urlencode({"partNumber": part[1], "uploadId": part[0]}) if part is not None else ""
        headers = {
            "Content-Length": str(size_bytes),
            "x-amz-checksum-crc32": checksum,
        }
        if content_type is not None:
            headers["Content-Type"] = content_type
        return self.sign("PUT", key, query, headers, sha256)

    def sign(
        self,
        method: Literal["PUT", "POST", "DELETE"],
        key: str,
        query: str,
        headers: Mapping[str, str],
        sha256: str,
        body: bytes = b"",
    ) -> SignedRequest:
        """A signed request for an object; `query` is percent-encoded, `sha256` is that of the body, in hex.

        Raises:
            StoreUnavailable: there are no credentials to sign it, or they could not be refreshed.
        """
        from storage.bucket.signing import sign

        with self._translated():
            url = f"{self._s3.meta.endpoint_url.rstrip('/')}/{self.bucket}/{quote(key)}" + (
                f"?{query}" if query else ""
            )
            credentials = self._credentials()
        return SignedRequest(
            method, url, sign(credentials, self._settings.s3_region, method, url, headers, sha256), body
        )

    def _credentials(self) -> Any:
        """The current credentials. Those of a role are requested every few seconds at most: a service that hangs would
        delay each request."""
        with self._lock:
            until, frozen = self._frozen
            if frozen is None or time.monotonic() > until:
                credentials = self._session.get_credentials()
                if credentials is None:
                    raise self._unavailable(
                        "no credentials were found; set s3_access_key_id and s3_secret_access_key, or configure boto3 "
                        "(environment, profile, instance role)"
                    )
                frozen = credentials.get_frozen_credentials()
                self._frozen = (time.monotonic() + CREDENTIALS_S, frozen)
            return frozen
