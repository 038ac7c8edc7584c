"""S3 multipart uploads: signed requests to complete and abort one, and how to read the responses.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from urllib.parse import urlencode
from xml.etree import ElementTree

from storage.bucket.answers import parsed, tag_of, text_of
from storage.bucket.checksums import Checksum
from storage.bucket.requests import Part, Requests, SignedRequest

_XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"
_ELEMENTS = {"crc32": "ChecksumCRC32", "sha256": "ChecksumSHA256"}


def sign_complete(
    requests: Requests, key: str, upload_id: str, parts: Sequence[Part], checksum: Checksum
) -> SignedRequest:
    """A request to join the parts into one object."""
    body = completion(parts, checksum)
    headers = {"Content-Length": str(len(body)), "Content-Type": "application/xml"}
    query = urlencode({"uploadId": upload_id})
    return requests.sign("POST", key, query, headers, hashlib.sha256(body).hexdigest(), body)


def sign_abort(requests: Requests, key: str, upload_id: str) -> SignedRequest:
    """A request to abort an upload and delete its parts."""
    return requests.sign("DELETE", key, urlencode({"uploadId": upload_id}), {"Content-Length": "0"})


def completion(parts: Sequence[Part], checksum: Checksum) -> bytes:
    """The list of parts that completes an upload whose parts carry this checksum."""
    root = ElementTree.Element("CompleteMultipartUpload", xmlns=_XMLNS)
    for part in parts:
        item = ElementTree.SubElement(root, "Part")
        ElementTree.SubElement(item, "PartNumber").text = str(part.number)
        ElementTree.SubElement(item, "ETag").text = part.etag
        if checksum in _ELEMENTS:
            ElementTree.SubElement(item, _ELEMENTS[checksum]).text = part.checksum
    return ElementTree.tostring(root)


def upload_id_in(answer: bytes) -> str | None:
    """The id of the new upload, None if the response has none."""
    root = parsed(answer)
    return None if root is None else text_of(root, "UploadId") or None


def is_completed(answer: bytes) -> bool:
    """Whether the body confirms that the object exists. The status does not: the store sends 200 before it knows."""
    root = parsed(answer)
    return root is not None and tag_of(root) == "CompleteMultipartUploadResult"
