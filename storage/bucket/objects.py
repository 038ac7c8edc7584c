"""All S3: the bucket, files in and out, links, and signed requests for callers that send the bytes themselves.

boto3 makes the rare calls (heads, copies, open uploads); a process that makes none of them does not load it. Videos go
from the gateway to the store through the worker's own async client, with requests signed here: a signed PUT takes a
fifth of boto3's CPU. The rights it takes are those of the work: to put, get and delete objects. Nothing asks about the
bucket itself.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from storage.bucket import exchanges, multipart
from storage.bucket.answers import Answer
from storage.bucket.boto import make_client, make_http
from storage.bucket.checksums import Sums
from storage.bucket.keys import bucket_and_name
from storage.bucket.object_headers import copy_arguments
from storage.bucket.place import Place
from storage.bucket.refusals import RIGHTS, refused
from storage.bucket.requests import Part, Requests, StoreUnavailable
from storage.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger("reelq.store")

T = TypeVar("T")

PART_BYTES = 8 * 2**20
ANSWER_BYTES = 64 * 1024
PAGE_BYTES = 8 * 2**20
"""A page of a list: a thousand keys, each up to a kilobyte and described by some hundred bytes."""
LOOK_AGAIN_S = 10.0
"""How long to leave a store alone that did not say where the bucket is."""
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket", "NoSuchUpload"})
_FORBIDDEN = frozenset({"403", "AccessDenied", "Forbidden"})


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """Size, ETag and time of a stored object."""

    size_bytes: int
    etag: str
    modified_at: datetime


class Objects(Requests):
    """The configured bucket. Threads may share it; it imports and opens nothing before first use."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._clients: dict[Place, S3Client] = {}
        self._https: dict[Place, Any] = {}
        self._looking = threading.Lock()
        self._look_at = 0.0

    @property
    def _s3(self) -> S3Client:
        place = self.traits.place
        with self._lock:  # boto3's session must not be used by two threads at once
            if place not in self._clients:
                self._clients[place] = make_client(self._session, place, self.outbound)
            return self._clients[place]

    @property
    def _http(self) -> Any:
        place = self.traits.place
        with self._lock:
            if place not in self._https:
                self._https[place] = make_http(place, self.outbound)
            return self._https[place]

    def open(self) -> None:
        """Load what the first request takes its time for: the HTTP client, and boto3 unless the settings have the keys.

        Raises:
            StoreUnavailable: boto3's own configuration cannot be read, or there are no keys.
        """
        self.get_ready()
        with self._translated():
            self._http  # noqa: B018 - made on first use

    def _located(self, key: str) -> Objects:
        """The bucket in which a key lies: the one that it names, else this one."""
        return self if bucket_and_name(key)[0] is None else self.holding(key)

    def run(self, exchange: exchanges.Exchange[T], body: bytes = b"", most_bytes: int = ANSWER_BYTES) -> T:
        """Run an exchange in this thread. `body`: for the requests that have none themselves; `most_bytes`: what is
        read of each response.

        Raises:
            StoreUnavailable: the store does not respond, or what the exchange raises.
        """
        from botocore.awsrequest import AWSRequest

        request = next(exchange)
        while True:
            with self._translated():
                content = body if request.body is None else request.body
                sent = AWSRequest(request.method, request.url, headers=dict(request.headers), data=content).prepare()
                received = self._http.send(sent)
                headers = {name.lower(): value for name, value in received.headers.items()}
                answer = Answer(received.status_code, headers, received.content[:most_bytes])
            try:
                request = exchange.send(answer)
            except StopIteration as done:
                found: T = done.value
                return found

    def check_bucket(self, *, write: bool = False) -> None:
        """Check that the bucket exists and can be used.

        It reads one small object, the probe; where that is refused, which may also mean that the object does not
        exist, it writes it, and so it does with `write`. The probe is always the same object.

        Raises:
            StoreUnavailable: the store does not respond, has no such bucket, or does not let us use it.
        """
        answer = self.run(exchanges.look(self))
        if write or (answer.status == 403 and answer.code in _FORBIDDEN | {""}):
            answer = self.run(exchanges.put_probe(self), exchanges.PROBE)
        if answer.status not in (200, 206, 416) and answer.code != "NoSuchKey":
            raise refused(self, answer, RIGHTS["PUT"], RIGHTS["GET"])
        self.traits.proven = True

    def create_bucket(self) -> bool:
        """Create the bucket. Returns False if it is there and ours already.

        Raises:
            StoreUnavailable: the store does not respond, or refuses.
        """
        return self.run(exchanges.create_bucket(self))

    def locate(self) -> None:
        """Learn where the bucket is, if this process does not know it yet. A failure is ignored: whatever needs the
        store reports it."""
        with self._looking:
            if self.traits.proven or time.monotonic() < self._look_at:
                return
            self._look_at = time.monotonic() + LOOK_AGAIN_S
            with suppress(StoreUnavailable):
                answer = self.run(exchanges.look(self))
                self.traits.proven = answer.status < 500

    def link(self, key: str, seconds: float) -> str:
        self._located(key).locate()
        return super().link(key, seconds)

    link.__doc__ = Requests.link.__doc__

    def put_file(self, path: Path, key: str, content_type: str = "application/octet-stream") -> None:
        """Upload a local file, in parts if it is large.

        Raises:
            StoreUnavailable: it could not be stored; no part is left behind.
            OSError: the file cannot be read.
        """
        with path.open("rb") as file:
            first = file.read(PART_BYTES)
            if len(first) == PART_BYTES and (following := file.read(1)):
                file.seek(-len(following), 1)
                self._put_parts(key, first, file, content_type)
                return
        self.put_bytes(key, first, content_type)

    def _put_parts(self, key: str, data: bytes, file: BinaryIO, content_type: str) -> None:
        answer, checksum = self.run(exchanges.begin(self, key, content_type))
        upload_id = multipart.upload_id_in(answer.body) if answer.status == 200 else None
        if upload_id is None:
            raise refused(self, answer, RIGHTS["PUT"], step="multipart upload, begin")
        parts: list[Part] = []
        try:
            while data:
                sums, number = Sums([memoryview(data)]), len(parts) + 1
                part = (upload_id, number)
                answer = self.run(
                    exchanges.put_part(self, key, sums, size_bytes=len(data), part=part, checksum=checksum), data
                )
                if answer.status != 200:
                    raise refused(self, answer, RIGHTS["PUT"], step=f"multipart upload, part {number}")
                parts.append(Part(number, answer.etag, sums.value(checksum)))
                data = file.read(PART_BYTES)
            answer = self.run(
                exchanges.once(self, lambda: multipart.sign_complete(self, key, upload_id, parts, checksum))
            )
            if answer.status != 200 or not multipart.is_completed(answer.body):
                raise refused(self, answer, RIGHTS["PUT"], step="multipart upload, complete")
        except BaseException:
            with suppress(StoreUnavailable):
                self.run(exchanges.once(self, lambda: multipart.sign_abort(self, key, upload_id)))
            raise

    def head(self, key: str) -> ObjectInfo | None:
        """The object under a key, None if there is none. Stores that do not let us list the bucket say "forbidden"
        instead of "not found"; that counts as none.

        Raises:
            StoreUnavailable: the store does not respond.
        """
        from botocore.exceptions import ClientError

        store, name = self._located(key), bucket_and_name(key)[1]
        with self._translated():
            try:
                answer = store._s3.head_object(Bucket=store.bucket, Key=name)
            except ClientError as exc:
                if exc.response.get("Error", {}).get("Code") in _ABSENT | _FORBIDDEN:
                    return None
                raise
        return ObjectInfo(answer["ContentLength"], answer["ETag"].strip('"'), answer["LastModified"])

    def copy(self, key: str, target: str) -> None:
        """Store an object under a second key; its bytes do not leave the store.

        Raises:
            StoreUnavailable: the object does not exist, or the store does not respond.
        """
        source: Any = {"Bucket": self._located(key).bucket, "Key": bucket_and_name(key)[1]}
        more: Any = copy_arguments(self._settings)
        with self._translated():
            self._s3.copy_object(Bucket=self.bucket, Key=target, CopySource=source, **more)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; missing ones are ignored.

        Raises:
            StoreUnavailable: the store does not respond, or refuses; some objects may already be deleted.
        """
        from botocore.exceptions import ClientError

        with self._translated():
            for key in keys:
                try:
                    store, name = self._located(key), bucket_and_name(key)[1]
                    store._s3.delete_object(Bucket=store.bucket, Key=name)
                except ClientError as exc:
                    if exc.response.get("Error", {}).get("Code") not in _ABSENT:
                        raise

    def chunks(self, key: str, size: int = 2**20) -> Iterator[bytes]:
        """The bytes of an object, in pieces of `size`.

        Raises:
            ObjectMissing: the object does not exist.
            StoreUnavailable: it cannot be read.
        """
        store, name = self._located(key), bucket_and_name(key)[1]
        with self._translated():
            yield from store._s3.get_object(Bucket=store.bucket, Key=name)["Body"].iter_chunks(size)

    def read_range(self, key: str, offset: int, size: int) -> bytes:
        """`size` bytes of an object from an offset on, fewer at its end; at least one byte must exist there.

        Raises:
            ObjectMissing: the object does not exist.
            StoreUnavailable: it cannot be read.
        """
        store, name = self._located(key), bucket_and_name(key)[1]
        with self._translated():
            wanted = f"bytes={offset}-{offset + size - 1}"
            answer = store._s3.get_object(Bucket=store.bucket, Key=name, Range=wanted)
            return answer["Body"].read()

    def keys_below(self, prefix: str, after: str = "") -> list[str] | None:
        """Keys of this bucket that begin with `prefix` and come after `after`, in order; none if the bucket does not
        exist. None: our keys may not list the bucket, or the store cannot.

        Raises:
            StoreUnavailable: the store does not respond.
        """
        return self.run(exchanges.list_keys(self, prefix, after), most_bytes=PAGE_BYTES)

    def put_bytes(self, key: str, body: bytes, content_type: str) -> None:
        """Store a small object.

        Raises:
            StoreUnavailable: the store does not respond, or refuses it.
        """
        sums, sha256 = Sums([memoryview(body)]), hashlib.sha256(body).hexdigest()
        putting = exchanges.put(self, key, sums, size_bytes=len(body), sha256=sha256, content_type=content_type)
        answer = self.run(putting, body)
        if answer.status != 200:
            raise refused(self, answer, RIGHTS["PUT"], step="PUT")

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
        """Multipart uploads in progress: (key, upload id, start by the store's clock). None are found where the key may
        not list them, or the store cannot; a lifecycle rule of the bucket removes abandoned ones there.

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
                code = exc.response.get("Error", {}).get("Code")
                if code in exchanges.NOT_LISTED:
                    log.info("bucket.uploads_not_listed code=%s", code)
                if code in exchanges.NOT_LISTED or code == "NoSuchUpload":
                    return []
                raise
