"""References to images, videos and audio in a request."""

from __future__ import annotations

import re
from enum import StrEnum
from urllib.parse import urlsplit

MEDIA_TYPES = {
    "image": frozenset({"jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff", "heic", "heif"}),
    "video": frozenset({"mp4", "mov"}),
    "audio": frozenset({"mp3", "wav"}),
}


class MediaKind(StrEnum):
    """Where a reference points."""

    URL = "url"  # http(s), fetched by the gateway
    DATA = "data"  # a data URI, carried in the request
    ASSET = "asset"  # asset://ID, known to the gateway
    UPLOAD = "upload"  # upload://<sha256>.<ext>, in our own bucket
    PATH = "path"  # a file on the producer's machine, uploaded before the job is stored


_DATA_URI = re.compile(r"data:(?:image|video|audio)/[\w.+-]+;base64,([A-Za-z0-9+/]+={0,2})\Z", re.ASCII)
_ASSET = re.compile(r"asset://[\w.-]{1,128}\Z", re.ASCII)
_UPLOAD = re.compile(r"upload://[0-9a-f]{64}\.[a-z0-9]{2,5}\Z")
_URL = re.compile(r"https?://[^\s/?#]+\S*\Z", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # unclosed brackets, or a port that is not a number
        return False


def _is_unicode(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def media_kind(reference: str) -> MediaKind:
    """The kind of a reference, by its form alone; nothing is opened or fetched.

    Raises:
        ValueError: not a supported form; the message names the supported ones.
    """
    if not _is_unicode(reference):
        raise ValueError("holds half of a surrogate pair")
    if reference.startswith("data:"):
        if (found := _DATA_URI.match(reference)) and (found.end() - found.start(1)) % 4 == 0:
            return MediaKind.DATA
        raise ValueError("a data URI must be data:image|video|audio/<subtype>;base64,<data>")
    if reference.startswith("asset://"):
        if _ASSET.match(reference):
            return MediaKind.ASSET
        raise ValueError("an asset is asset://ID, where ID is letters, digits, '-', '_' and '.'")
    if reference.startswith("upload://"):
        if _UPLOAD.match(reference):
            return MediaKind.UPLOAD
        raise ValueError("an upload is upload://<sha256>.<extension>")
    if reference.lower().startswith(("http://", "https://")):
        if _URL.match(reference) and len(reference) <= 8192 and _has_host(reference):
            return MediaKind.URL
        raise ValueError("is not a valid http(s) URL of at most 8192 characters")
    if scheme := _SCHEME.match(reference):
        raise ValueError(f"{scheme[1]}: is not supported; use an http(s) URL, a data URI, asset://ID or a local path")
    if not reference.strip() or "\0" in reference or "\n" in reference:
        raise ValueError("is empty or not a path; use an http(s) URL, a data URI, asset://ID or a local path")
    return MediaKind.PATH
