"""Exchanges with the store that may take several requests, without I/O: a generator yields a request and receives the
answer to it. `storage.bucket.connection` sends them on an event loop, `Objects` in a thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from functools import partial
from typing import TypeVar
from urllib.parse import quote, unquote_plus, urlencode

from storage.bucket.answers import Answer, parsed, tag_of, text_of
from storage.bucket.checksums import Checksum, Sums
from storage.bucket.refusals import refused
from storage.bucket.requests import UNSIGNED, Requests, SignedRequest, StoreUnavailable

T = TypeVar("T")
Exchange = Generator[SignedRequest, Answer, T]

MOVES = 3
"""How often one request follows what the store says of another region, endpoint or addressing."""
NOT_LISTED = frozenset({"403", "405", "501", "AccessDenied", "Forbidden", "NotImplemented", "MethodNotAllowed"})
"""Codes of a store that does not let us list, or cannot; without a code, its status."""
PROBE = b"written to see whether the bucket can be written to\n"


def once(requests: Requests, sign: Callable[[], SignedRequest]) -> Exchange[Answer]:
    """One request, repeated where the store says that the bucket is elsewhere.

    Raises:
        StoreUnavailable: the bucket does not exist. It is not created here: its name may be misspelt.
    """
    for _ in range(MOVES + 1):
        used = requests.traits.place
        answer = yield sign()
        if answer.code == "NoSuchBucket":
            raise StoreUnavailable(
                f"bucket {requests.bucket} does not exist at {requests.where}; correct s3_bucket, or create it with "
                "`reelq bucket create`",
                code="bucket_missing",
            )
        if not requests.traits.learn(used, answer):
            break
    return answer


def create_bucket(requests: Requests) -> Exchange[bool]:
    """Create the bucket where the configuration places it. Returns False if it is there and ours already.

    Raises:
        StoreUnavailable: the store refuses.
    """
    for _ in range(MOVES + 1):
        used = requests.traits.place
        answer = yield requests.sign_create_bucket()
        if answer.status in (200, 409) or not requests.traits.learn(used, answer):
            break
    if answer.code == "BucketAlreadyOwnedByYou":
        return False
    if answer.code == "BucketAlreadyExists":  # most stores say it of another's bucket, some of our own too
        seen = yield from look(requests)
        if seen.status in (200, 206, 416) or seen.code == "NoSuchKey":
            return False
    if answer.status != 200:
        raise StoreUnavailable(
            f"bucket {requests.bucket} cannot be created at {requests.where}: {answer.describe()}; choose another "
            "s3_bucket, or let the administrator of the store create it",
            code="bucket_missing",
        )
    return True


def put(
    requests: Requests,
    key: str,
    sums: Sums,
    *,
    size_bytes: int,
    sha256: str,
    content_type: str,
    filename: str | None = None,
) -> Exchange[Answer]:
    """One PUT of a whole object; where the store may refuse the checksum, another one is tried.

    Raises:
        StoreUnavailable: as `once`; or the answer is a success, but not that of a store.
    """

    def sign(kind: Checksum) -> SignedRequest:
        return requests.sign_put(
            key,
            size_bytes=size_bytes,
            sums=sums,
            checksum=kind,
            sha256=sha256,
            content_type=content_type,
            filename=filename,
        )

    answer, kind = yield from _with_checksum(requests, sign)
    if answer.status == 200:
        _check_stored(requests, answer)
        requests.traits.note_checksum(kind)
    return answer


def _check_stored(requests: Requests, answer: Answer) -> None:
    """A store names the object's ETag. A console or a login page answers 200 to a PUT as well, with a
    page."""
    if not answer.etag and answer.body.lstrip().startswith(b"<"):
        said = " ".join(answer.text.split())[:80]
        raise StoreUnavailable(
            f"{requests.where} is not an object store: it answers a PUT with HTTP 200 and {said!r}; correct "
            "s3_endpoint_url, which may lead to the store's console instead of its S3 port",
            code="store_refuses",
        )


def begin(
    requests: Requests, key: str, content_type: str, filename: str | None = None
) -> Exchange[tuple[Answer, Checksum]]:
    """Begin a multipart upload. Returns the answer, and the checksum that its parts must carry."""
    return (yield from _with_checksum(requests, lambda kind: requests.sign_begin(key, content_type, kind, filename)))


def _with_checksum(requests: Requests, sign: Callable[[Checksum], SignedRequest]) -> Exchange[tuple[Answer, Checksum]]:
    """One request with the checksum that the store takes. If it takes none of them, the first answer counts."""
    usual, *others = requests.traits.checksums()
    first = answer = yield from once(requests, lambda: sign(usual))
    for kind in others:
        if answer.status == 200 or not requests.traits.may_refuse_checksum(answer):
            break
        answer = yield from once(requests, partial(sign, kind))
        if answer.status == 200:
            return answer, kind
    return first, usual


def put_part(
    requests: Requests, key: str, sums: Sums, *, size_bytes: int, part: tuple[str, int], checksum: Checksum
) -> Exchange[Answer]:
    """One PUT of a part (upload id, number). A store that refuses the checksum here gets another one in later uploads:
    this upload was begun with it."""
    answer = yield from once(
        requests,
        lambda: requests.sign_put(key, size_bytes=size_bytes, sums=sums, checksum=checksum, sha256=UNSIGNED, part=part),
    )
    if answer.status == 200:
        _check_stored(requests, answer)
    elif requests.traits.may_refuse_checksum(answer):
        requests.traits.drop_checksum(checksum)
    return answer


def put_probe(requests: Requests) -> Exchange[Answer]:
    """Write the probe, as any object is written."""
    sums = Sums([memoryview(PROBE)])
    return (
        yield from put(
            requests,
            requests.keys.probe,
            sums,
            size_bytes=len(PROBE),
            sha256=hashlib.sha256(PROBE).hexdigest(),
            content_type="text/plain",
        )
    )


def look(requests: Requests) -> Exchange[Answer]:
    """Read the probe's first byte, which needs no right but that to read objects. Any answer that is not a refusal of
    the bucket or of the keys shows that the bucket is there."""
    return (yield from once(requests, lambda: requests.sign_get(requests.keys.probe, {"Range": "bytes=0-0"})))


def list_keys(requests: Requests, prefix: str, after: str) -> Exchange[list[str] | None]:
    """Keys of the bucket that begin with `prefix` and come after `after`, in order; none if the bucket does not exist.
    None: our keys may not list the bucket, or the store cannot.

    Raises:
        StoreUnavailable: the store refuses it otherwise, or its response cannot be read.
    """
    found: list[str] = []
    token = ""
    while True:
        wanted = {"list-type": "2", "prefix": prefix, "encoding-type": "url"}
        wanted |= {"continuation-token": token} if token else {"start-after": after} if after else {}
        query = urlencode(wanted, quote_via=quote, safe="-_.~")
        try:
            answer = yield from once(requests, partial(requests.sign, "GET", None, query, {}))
        except StoreUnavailable as exc:
            if exc.code == "bucket_missing":
                return []
            raise
        if answer.status != 200:
            if (answer.code or str(answer.status)) in NOT_LISTED:
                return None
            raise refused(requests, answer, "s3:ListBucket", step="list")
        page = parsed(answer.body)
        if page is None or tag_of(page) != "ListBucketResult":
            raise StoreUnavailable(f"bucket {requests.bucket} at {requests.where}: list: not a list of objects")
        keys = [text_of(item, "Key") for item in page if tag_of(item) == "Contents"]
        if text_of(page, "EncodingType") == "url":
            keys = [unquote_plus(key) for key in keys]
        found += (key for key in keys if key > after)  # not every store knows start-after
        token = text_of(page, "NextContinuationToken")
        if text_of(page, "IsTruncated") != "true" or not token:
            return found
