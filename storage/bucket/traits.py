"""What a store turns out to want: where the bucket is, how it is addressed, and which checksum it takes.

Stores differ, and few say so in advance. What the configuration leaves open is learned from refusals, once per process:
the first request of a process is small, so learning costs little.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace

from storage.bucket.answers import Answer, Refusal
from storage.bucket.checksums import FALLBACKS, Checksum
from storage.bucket.place import Place, Style, may_be_virtual, place_of
from storage.settings import Settings

log = logging.getLogger("reelq.store")

OTHER_REGION = frozenset({
    "AuthorizationHeaderMalformed", "AuthorizationQueryParametersError", "IllegalLocationConstraintException",
    "PermanentRedirect", "Redirect", "TemporaryRedirect", "InvalidRegion", "InvalidRegionName",
})  # fmt: skip
_WANTS_VIRTUAL = frozenset({
    "InvalidPathAccess",  # Volcengine TOS
    "PathStyleDomainForbidden",  # Tencent COS
    "SecondLevelDomainForbidden",  # Alibaba OSS
})  # fmt: skip
_VIRTUAL_WORDS = re.compile(r"third.level domain|virtual.?(?:hosted|styled?)|path.?style", re.IGNORECASE)
_EXPECTED_REGION = (
    re.compile(r"expecting '([a-z0-9-]+)'"),  # AWS, MinIO
    re.compile(r"expected: '?[^/\s]*/([a-z0-9-]+)/s3/aws4_request"),  # Garage
)
_REGION_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NOT_THE_CHECKSUM = frozenset({
    "BadDigest", "EntityTooLarge", "ExpiredToken", "IncompleteBody", "InvalidAccessKeyId", "InvalidToken",
    "NoSuchBucket", "NoSuchUpload", "QuotaExceeded", "RequestTimeTooSkewed", "RequestTimeout", "SlowDown",
    "TokenRefreshRequired", "XAmzContentChecksumMismatch",
})  # fmt: skip
"""Refusals that have nothing to do with the kind of checksum, or that say that the bytes are wrong."""
_CHECKSUM_WORDS = re.compile(
    r"checksum|trailer|unsupported header|content-md5|header.{0,40}not implemented", re.IGNORECASE
)


class Traits:
    """What is known of the store. Threads may share it: every value is replaced as a whole."""

    def __init__(self, settings: Settings, region: str | None = None) -> None:
        """`region`: where AWS's own tools look for the bucket, if the settings do not say it."""
        self._style: Style = settings.s3_addressing_style
        self.place = place_of(settings.s3_bucket, settings.s3_endpoint_url, settings.s3_region or region, self._style)
        self._may_learn_checksum = settings.s3_checksum == "auto"
        self.checksum: Checksum = FALLBACKS[0] if settings.s3_checksum == "auto" else settings.s3_checksum
        self._checksum_works = not self._may_learn_checksum
        self.proven = False
        """Whether the store has answered a request at `place`."""

    def checksums(self) -> tuple[Checksum, ...]:
        """The checksums to try, the most likely first."""
        if not self._may_learn_checksum:
            return (self.checksum,)
        return FALLBACKS[FALLBACKS.index(self.checksum) :]

    def may_refuse_checksum(self, answer: Answer) -> bool:
        """Whether a refusal may be one of the checksum, so that another one is worth a try. Where one has already been
        accepted, only a refusal that speaks of it counts."""
        if not self._may_learn_checksum or not (400 <= answer.status < 500 or answer.status == 501):
            return False
        refusal = answer.refusal
        if refusal is not None and _CHECKSUM_WORDS.search(f"{refusal.code} {refusal.message}"):
            return refusal.code not in _NOT_THE_CHECKSUM
        return not self._checksum_works and answer.code not in _NOT_THE_CHECKSUM

    def note_checksum(self, kind: Checksum) -> None:
        """Record that the store has accepted this checksum."""
        if kind != self.checksum:
            log.warning("store.checksum from=%s to=%s: the store refuses the first one", self.checksum, kind)
        self.checksum, self._checksum_works = kind, True

    def drop_checksum(self, kind: Checksum) -> None:
        """Record that the store refuses this checksum in a place where it cannot be replaced; later uploads use the
        next one."""
        if self._may_learn_checksum and kind == self.checksum and kind != FALLBACKS[-1]:
            self.note_checksum(FALLBACKS[FALLBACKS.index(kind) + 1])

    def learn(self, used: Place, answer: Answer) -> bool:
        """Whether the answer to a request at `used` says that the bucket is elsewhere, or addressed otherwise; then
        `place` has changed, and the request is worth repeating."""
        if 200 <= answer.status < 300:
            self.proven = True
            return False
        if self.place != used:
            return True  # another thread has learned it
        found = self._other_place(used, answer)
        if found is None:
            return False
        log.warning("store.moved from=%s region=%s to=%s region=%s", used.base, used.region, found.base, found.region)
        self.place = found
        return True

    def _other_place(self, used: Place, answer: Answer) -> Place | None:
        refusal = answer.refusal or Refusal("", "")
        if self._wants_virtual(used, refusal):
            return replace(used, virtual=True)
        redirected = answer.status in (301, 302, 307, 308)
        named = answer.status == 400 and "x-amz-bucket-region" in answer.headers  # a HEAD has no body with a code
        if redirected or named or refusal.code in OTHER_REGION:
            region = _region_in(answer, refusal)
            if region is not None and region != used.region:
                return used.in_region(region)
        address = refusal.endpoint if redirected or "specified endpoint" in refusal.message else ""
        if not address and redirected:
            address = answer.headers.get("location", "")
        return used.at(address) if address else None

    def _wants_virtual(self, used: Place, refusal: Refusal) -> bool:
        if used.virtual or self._style != "auto" or not may_be_virtual(used):
            return False
        return refusal.code in _WANTS_VIRTUAL or _VIRTUAL_WORDS.search(refusal.message) is not None


def _region_in(answer: Answer, refusal: Refusal) -> str | None:
    said = [answer.headers.get("x-amz-bucket-region", ""), refusal.region]
    said += [found[1] for pattern in _EXPECTED_REGION if (found := pattern.search(refusal.message)) is not None]
    return next((region for region in said if _REGION_NAME.fullmatch(region)), None)
