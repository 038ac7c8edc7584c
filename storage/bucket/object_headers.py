"""The headers that the configuration adds to stored objects: encryption, storage class, tags, caching, a file name.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode
from uuid import UUID

from storage.settings import Settings

_NAME_CHARS = 80
_COPIED = {
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-tagging": "Tagging",
}
_NOT_IN_NAMES = re.compile(r"[^\w.()-]+")


def object_headers(settings: Settings, *, video: bool, filename: str | None = None) -> dict[str, str]:
    """The headers of a PUT, or of the request that begins a multipart upload.

    The storage class is for videos only: infrequent-access classes bill small files as large ones.
    """
    headers: dict[str, str] = {}
    if settings.s3_encryption is not None:
        headers["x-amz-server-side-encryption"] = settings.s3_encryption
    if settings.s3_kms_key_id is not None:
        headers["x-amz-server-side-encryption-aws-kms-key-id"] = settings.s3_kms_key_id
    if settings.s3_storage_class is not None and video:
        headers["x-amz-storage-class"] = settings.s3_storage_class
    if settings.s3_tags:
        headers["x-amz-tagging"] = urlencode(settings.s3_tags)
    if settings.s3_cache_control is not None:
        headers["Cache-Control"] = settings.s3_cache_control
    if filename is not None and settings.s3_content_disposition != "none":
        headers["Content-Disposition"] = content_disposition(filename, settings.s3_content_disposition)
    return headers


def copy_arguments(settings: Settings) -> dict[str, str]:
    """What boto3's `copy_object` must be given, because a copy does not take it over from its source."""
    headers = object_headers(settings, video=False)
    named = {name: headers[header] for header, name in _COPIED.items() if header in headers}
    return named | ({"TaggingDirective": "REPLACE"} if "Tagging" in named else {})


def content_disposition(filename: str, kind: str = "inline") -> str:
    """A header that gives a file its name, with an ASCII form for old clients.

    Source: RFC 6266, RFC 8187.
    """
    plain = filename if filename.isascii() else "".join(letter if letter.isascii() else "_" for letter in filename)
    header = f'{kind}; filename="{plain}"'
    return header if plain == filename else f"{header}; filename*=UTF-8''{quote(filename, safe='')}"


def readable_name(job_id: UUID, campaign: str | None, key: str | None, prompt: str) -> str:
    """The name of a job's files for people, without its suffix: campaign and key, or the beginning of the prompt and
    the end of the id."""
    words = [campaign or "", key] if key else [campaign or "", prompt[: _NAME_CHARS // 2], str(job_id)[-8:]]
    parts = [_NOT_IN_NAMES.sub("-", word).strip("-.") for word in words]
    return "_".join(part for part in parts if part)[-_NAME_CHARS:].lstrip("-._") or str(job_id)
