"""Check media references: a public URL, an inline data URI, or an asset.

Sources: AnyFast's manual (formats and sizes of each kind) and asset page (`asset://<ID>`).
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import urlsplit

MIB = 1024 * 1024
MAX_BYTES = {"image": 30 * MIB, "video": 50 * MIB, "audio": 15 * MIB}
FORMATS = {
    "image": frozenset({"jpeg", "jpg", "png", "gif", "webp", "bmp", "tiff", "heic", "heif"}),
    "video": frozenset({"mp4", "quicktime", "mov"}),
    "audio": frozenset({"mpeg", "mp3", "wav", "x-wav", "wave", "vnd.wave"}),
}
MAX_URL = 8192
_ASSET = re.compile(r"asset://([A-Za-z0-9][A-Za-z0-9_.-]{0,127})")
_DATA = re.compile(r"data:([a-z]+)/([a-z0-9.+-]+);base64,", re.IGNORECASE)


class BadMedia(ValueError):
    """No gateway would accept this reference; the text says why."""


def check_media(kind: str, value: str, *, inline: bool | None = None, assets: bool = True) -> str:
    """Validate a reference; returns the asset's id, or an empty string for a URL or data URI.

    `inline`: whether a data URI is allowed. None: as documented, for images and audio but not for video.

    Raises:
        BadMedia: says what is wrong.
    """
    if value.startswith("asset://"):
        found = _ASSET.fullmatch(value)
        if not assets or not found:
            raise BadMedia("malformed asset reference" if assets else "asset references are not supported here")
        return found[1]
    if value.startswith("data:"):
        if not (kind != "video" if inline is None else inline):
            raise BadMedia(f"{kind} must be a URL, not inline data")
        _check_data(kind, value)
        return ""
    try:
        parts = urlsplit(value)
    except ValueError as exc:
        raise BadMedia("malformed URL") from exc
    if parts.scheme not in ("http", "https") or not parts.hostname or len(value) > MAX_URL or " " in value:
        raise BadMedia(f"must be a public URL of at most {MAX_URL} characters")
    return ""


def _check_data(kind: str, value: str) -> None:
    found = _DATA.match(value)
    if not found or found[1].lower() != kind or found[2].lower() not in FORMATS[kind]:
        raise BadMedia(f"must be data:{kind}/<format>;base64,…")
    payload = value[found.end() :]
    if len(payload) * 3 // 4 >= MAX_BYTES[kind]:
        raise BadMedia(f"must be smaller than {MAX_BYTES[kind] // MIB} MB")
    try:
        data = base64.b64decode(payload, validate=True)
    except binascii.Error as exc:
        raise BadMedia("not valid Base64") from exc
    if not data:
        raise BadMedia("empty")
