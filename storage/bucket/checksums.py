"""The checksum that goes with a body, so that the store verifies what it receives.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Literal

try:
    from isal.isal_zlib import crc32 as crc32_of
except ImportError:  # it is made for some processors only
    from zlib import crc32 as crc32_of

__all__ = ["ALGORITHMS", "FALLBACKS", "Checksum", "Sums", "crc32", "crc32_of"]

Checksum = Literal["crc32", "sha256", "md5", "none"]

FALLBACKS: tuple[Checksum, ...] = ("crc32", "md5", "none")
"""What `s3_checksum = "auto"` tries, in this order. Content-MD5 is as old as S3; stores that refuse the newer headers
take it, and buckets with object lock require one of the two."""
_NAMES = {"crc32": "x-amz-checksum-crc32", "sha256": "x-amz-checksum-sha256", "md5": "Content-MD5"}
ALGORITHMS = {"crc32": "CRC32", "sha256": "SHA256"}
"""Those that a multipart upload declares when it begins."""


def crc32(data: bytes | bytearray | memoryview) -> str:
    """A checksum in the format of `x-amz-checksum-crc32`."""
    return base64.b64encode(crc32_of(data).to_bytes(4, "big")).decode()


class Sums:
    """The checksums of one body, each computed when it is first needed. Known ones are given, as the store takes them:
    `crc32` in base64, `sha256` in hex."""

    def __init__(self, chunks: Sequence[memoryview], *, crc32: str | None = None, sha256: str | None = None) -> None:
        self._chunks = chunks
        self._known: dict[str, str] = {} if crc32 is None else {"crc32": crc32}
        if sha256 is not None:
            self._known["sha256"] = base64.b64encode(bytes.fromhex(sha256)).decode()

    def is_known(self, kind: Checksum) -> bool:
        """Whether this checksum needs no computing."""
        return kind == "none" or kind in self._known

    def value(self, kind: Checksum) -> str:
        """A checksum in base64; "" for `none`."""
        if kind == "none":
            return ""
        if kind not in self._known:
            self._known[kind] = self._compute(kind)
        return self._known[kind]

    def headers(self, kind: Checksum) -> dict[str, str]:
        """The header that carries the checksum."""
        return {} if kind == "none" else {_NAMES[kind]: self.value(kind)}

    def _compute(self, kind: Checksum) -> str:
        if kind == "crc32":
            crc = 0
            for chunk in self._chunks:
                crc = crc32_of(chunk, crc)
            return base64.b64encode(crc.to_bytes(4, "big")).decode()
        digest = hashlib.new(kind, usedforsecurity=False)
        for chunk in self._chunks:
            digest.update(chunk)
        return base64.b64encode(digest.digest()).decode()
