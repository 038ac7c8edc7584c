"""All S3: the bucket, files in and out, links, and signed requests for whoever sends the bytes himself.

boto3 does what is rare (buckets, lists, links). Videos go from the gateway to the store through the worker's own async
client, signed here: a signed PUT costs a fifth of boto3's CPU.
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
    """The object store does not answer, or refuses us. The text is one line, without keys."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the store says of an object."""

    size_bytes: int
    etag: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request ready to be sent as it is, within 15 minutes."""

    method: Literal["PUT", "POST", "DELETE"]
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    """Empty when whoever sends it has the body."""


@dataclass(frozen=True, slots=True)
class Part:
    """One stored part of a multipart upload; numbers begin at 1."""

    number: int
    etag: str
    crc32: str


def video_key(job_id: UUID, created_at: datetime) -> str:
    """Where a job's video goes: always the same place, so that a repeat overwrites itself."""
    return f"{VIDEOS}{created_at:%Y/%m/%d}/{job_id}.mp4"


def key_beside(video: str, suffix: str) -> str:
    """Where something that belongs to a stored video goes: the same name with another suffix, such as `jpg`."""
    return f"{video.removesuffix('.mp4')}.{suffix}"


def keys_of(video: str) -> tuple[str, ...]:
    """Every key under which something of a job may be stored, by the key of its video."""
    return (video, *(key_beside(video, suffix) for suffix in ("jpg", "json", "last.png", "last.jpg")))


def job_of(video: str) -> UUID | None:
    """The job whose video goes to this key, None for any other key."""
    try:
        return UUID(video.rpartition("/")[2].removesuffix(".mp4")) if video.startswith(VIDEOS) else None
    except ValueError:
        return None


def input_key(upload: str) -> str:
    """Where the file behind `upload://<sha256>.<ext>` is."""
    return f"inputs/{upload.removeprefix('upload://')}"


def crc32(data: bytes | bytearray | memoryview) -> str:
    """A checksum in the form of `x-amz-checksum-crc32`."""
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


class Objects:
    """The bucket that the settings name. Threads may share it; nothing is imported or opened before it is needed."""

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
                # boto3 would presign with SigV2 at a custom endpoint, which other stores refuse.
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
        with self._lock:  # neither boto3's session nor cached_property is safe to build from two threads
            return self._client

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as exc:
            error = exc.response.get("Error", {})
            raise self._unavailable(f"{error.get('Code')}: {error.get('Message')}") from exc
        except (BotoCoreError, RuntimeError) as exc:  # the latter: credentials that are expired when just refreshed
            raise self._unavailable(str(exc).splitlines()[0]) from exc

    def _unavailable(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(f"bucket {self.bucket} at {self._where()}: {why}")

    def _where(self) -> str:
        return self._settings.s3_endpoint_url or "AWS"

    def ensure_bucket(self) -> None:
        """Make the bucket if it is not there and we may.

        Raises:
            StoreUnavailable: the store does not answer, or neither lets us use nor make the bucket.
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
            self._s3.head_bucket(Bucket=self.bucket)  # somebody was faster; may we use it?

    def put_file(self, path: Path, key: str, content_type: str | None = None) -> None:
        """Upload a local file, in parts when it is large.

        Raises:
            StoreUnavailable: it could not be stored; nothing is left behind.
            OSError: the file cannot be read.
        """
        from boto3.s3.transfer import TransferConfig

        self.ensure_bucket()
        extra = {"ContentType": content_type} if content_type else None
        config = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False)
        with self._translated(), path.open("rb") as file:
            self._s3.upload_fileobj(file, self.bucket, key, ExtraArgs=extra, Config=config)

    def head(self, key: str) -> ObjectInfo | None:
        """What is stored under a key, None when nothing is.

        Raises:
            StoreUnavailable: the store does not answer.
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
            StoreUnavailable: it is not there, or the store does not answer.
        """
        with self._translated():
            self._s3.copy_object(Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": key})

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are fine.

        Raises:
            StoreUnavailable: the store does not answer, or refuses us; some may be gone.
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
        """An object's bytes, piece by piece.

        Raises:
            StoreUnavailable: it is not there or cannot be read.
        """
        with self._translated():
            yield from self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].iter_chunks(size)

    def read_range(self, key: str, offset: int, size: int) -> bytes:
        """So many bytes of an object from an offset on, fewer at its end; at least one byte must be there.

        Raises:
            StoreUnavailable: it is not there or cannot be read.
        """
        with self._translated():
            found = self._s3.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={offset}-{offset + size - 1}")
            return found["Body"].read()

    def link(self, key: str, seconds: float) -> str:
        """A URL that anybody can GET the object from for so long, at most 7 days.

        Raises:
            StoreUnavailable: there are no credentials to sign it with.
        """
        with self._translated():
            return self._s3.generate_presigned_url(
                "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=int(min(seconds, MAX_LINK_S))
            )

    def abort_parts(self, key: str, upload_id: str) -> None:
        """Give up a multipart upload and what was stored of it; one that is gone already is fine.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        from botocore.exceptions import ClientError

        with self._translated():
            try:
                self._s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
            except ClientError as exc:
                if exc.response.get("Error", {}).get("Code") not in _ABSENT:
                    raise

    def open_parts(self, prefix: str = "") -> list[tuple[str, str, datetime]]:
        """Multipart uploads that were begun and neither completed nor aborted: (key, upload id, begun at by the
        store's clock).

        Raises:
            StoreUnavailable: the store does not answer.
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
                # rclone says so of a bucket that never had one.
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
        """A signed request about an object; `query` is percent-encoded, `sha256` that of what will be sent, in hex.

        Raises:
            StoreUnavailable: there are no credentials to sign it with, or they could not be refreshed.
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
        """As they are now. Those of a role are asked for again every few seconds at most: a service that hangs would
        hold up each request."""
        with self._lock:
            until, frozen = self._frozen
            if frozen is None or time.monotonic() > until:
                found = self._session.get_credentials()
                if found is None:
                    raise self._unavailable(
                        "no credentials were found; set s3_access_key_id and s3_secret_access_key, or give boto3 some "
                        "(environment, profile, instance role)"
                    )
                frozen = found.get_frozen_credentials()
                self._frozen = (time.monotonic() + CREDENTIALS_S, frozen)
            return frozen
