"""What a refusal of the store means for the person who runs reelq: one table, for doctor, `/readyz`, jobs and logs."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from storage.bucket.answers import Answer
from storage.bucket.requests import Requests, StoreUnavailable
from storage.bucket.traits import OTHER_REGION

_BAD_KEYS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"})
_FULL = frozenset({"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "InsufficientCapacity"})
RIGHTS = {"PUT": "s3:PutObject", "GET": "s3:GetObject", "DELETE": "s3:DeleteObject"}
ABORT_RIGHT = "s3:AbortMultipartUpload"

SKEW_S = 60.0
"""A difference of clocks that is worth a warning. Stores refuse requests from 15 minutes on, and links end early."""


def skew_of(answer: Answer) -> float | None:
    """How many seconds this host's clock is ahead of the store's; None: the answer does not say the time."""
    try:
        return time.time() - parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None


def fault_of(answer: Answer, *rights: str) -> tuple[str, str]:
    """The row of docs/doctor.md for a refusal, and what to do, "" if nothing general is known. `rights`: those that the
    request needed."""
    code = answer.code
    if code == "RequestTimeTooSkewed":
        skew_s = skew_of(answer)
        by = "" if skew_s is None else f" by {abs(skew_s):.0f} s"
        return "store_clock", f"the clocks of this host and the store differ{by}; set both by NTP"
    if code in _BAD_KEYS:
        return "store_key", "check s3_access_key_id and s3_secret_access_key"
    if code in OTHER_REGION:
        return "store_region", "set s3_region to the region of the bucket"
    if code in _FULL or answer.status == 507:
        return "store_full", "free space in the store, or raise its quota"
    if answer.status == 403:
        return "store_right", f"allow {', '.join(rights or RIGHTS.values())} for this key on this bucket"
    return "store_refuses", ""


def refused(requests: Requests, answer: Answer, *rights: str, step: str = "") -> StoreUnavailable:
    """The error for a request that the store refuses; `rights` as in `fault_of`. `step`: what the request was for."""
    code, advice = fault_of(answer, *rights)
    said = f"{step}: {answer.describe()}" if step else answer.describe()
    text = f"bucket {requests.bucket} at {requests.where}: {said}"
    return StoreUnavailable(f"{text}; {advice}" if advice else text, code=code)
