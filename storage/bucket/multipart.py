"""S3 multipart uploads: signed requests to begin, complete and abort one, and how to read the responses.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode
from xml.etree import ElementTree

from storage.bucket.objects import Objects, Part, SignedRequest

_XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"
_NOTHING = hashlib.sha256().hexdigest()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error in a response of the store."""

    code: str
    message: str


def sign_begin(objects: Objects, key: str, content_type: str) -> SignedRequest:
    """A request to begin an upload; each part will carry its CRC-32."""
    headers = {"Content-Type": content_type, "x-amz-checksum-algorithm": "CRC32"}
    return _signed(objects, "POST", key, "uploads", headers)


def sign_complete(objects: Objects, key: str, upload_id: str, parts: Sequence[Part]) -> SignedRequest:
    """A request to join the parts into one object."""
    query = urlencode({"uploadId": upload_id})
    return _signed(objects, "POST", key, query, {"Content-Type": "application/xml"}, completion(parts))


def sign_abort(objects: Objects, key: str, upload_id: str) -> SignedRequest:
    """A request to abort an upload and delete its parts."""
    return _signed(objects, "DELETE", key, urlencode({"uploadId": upload_id}), {})


def _signed(
    objects: Objects,
    method: Literal["POST", "DELETE"],
    key: str,
    query: str,
    headers: dict[str, str],
    body: bytes = b"",
) -> SignedRequest:
    sha256 = hashlib.sha256(body).hexdigest() if body else _NOTHING
    return objects.sign(method, key, query, {"Content-Length": str(len(body)), **headers}, sha256, body)


def completion(parts: Sequence[Part]) -> bytes:
    """The list of parts that completes an upload."""
    root = ElementTree.Element("CompleteMultipartUpload", xmlns=_XMLNS)
    for part in parts:
        item = ElementTree.SubElement(root, "Part")
        ElementTree.SubElement(item, "PartNumber").text = str(part.number)
        ElementTree.SubElement(item, "ETag").text = part.etag
        ElementTree.SubElement(item, "ChecksumCRC32").text = part.crc32
    return ElementTree.tostring(root)


def upload_id_in(answer: bytes) -> str | None:
    """The id of the new upload, None if the response has none."""
    root = _parsed(answer)
    return None if root is None else _text(root, "UploadId") or None


def is_completed(answer: bytes) -> bool:
    """Whether the body confirms that the object exists. The status does not: the store sends 200 before it knows."""
    root = _parsed(answer)
    return root is not None and _name(root) == "CompleteMultipartUploadResult"


def refusal_in(answer: bytes) -> Refusal | None:
    """The error in a response, None if it has none that can be read."""
    root = _parsed(answer)
    if root is None or _name(root) != "Error":
        return None
    return Refusal(_text(root, "Code"), _text(root, "Message"))


def _parsed(answer: bytes) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(answer.strip())  # noqa: S314 # short, from the operator's own store
    except ElementTree.ParseError:
        return None


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(root: ElementTree.Element, name: str) -> str:
    return next(((child.text or "").strip() for child in root if _name(child) == name), "")
