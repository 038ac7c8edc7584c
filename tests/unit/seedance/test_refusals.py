"""The closed lists of refusals: find a pair of status and code, and read a used-up quota."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from seedance.gateways import ark_codes
from seedance.gateways.ark_codes import QUOTA_PAUSE_S, refusal_of
from seedance.gateways.http_errors import MAX_RETRY_AFTER_S, ErrorBody, is_page
from seedance.gateways.refusals import Codes, Refusal, RefusalList

LIST = RefusalList({404: {"rejected": ("A.*",), "not_open": ("A.B",)}, 400: {"moderated": ("A",)}})


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "A.B", "not_open"),
        (404, "A.C", "rejected"),
        (404, "A.B.C", "rejected"),
        (404, "A", None),
        (404, "AB.C", None),
        (400, "A", "moderated"),
        (400, "A.B", None),
        (400, "a", None),
        (500, "A.B", None),
        (404, "", None),
        (404, ".", None),
    ],
)
def test_a_code_matches_exactly_or_by_its_prefix(status: int, code: str, kind: str | None) -> None:
    assert LIST.find(status, code) == kind


def test_codes_match_with_their_status_only() -> None:
    codes = Codes.of((404, "NotFound.*"), (409, "Late"))
    assert (404, "NotFound.Task") in codes and (409, "Late") in codes
    assert (409, "NotFound.Task") not in codes and (404, "Late") not in codes and (404, "NotFound") not in codes


@pytest.mark.parametrize(
    ("body", "page"),
    [
        (b"<html>", True),
        (b"\xef\xbb\xbf \r\n<!doctype html>", True),
        (b"<?xml version='1.0'?><Error/>", True),
        (b"", False),
        (b'{"a": "<html>"}', False),
        (b"404 page not found", False),
        (b"\x1f\x8b<html>", False),
    ],
)
def test_a_page_is_recognised_by_its_start(body: bytes, page: bool) -> None:
    assert is_page(body) is page


def quota(message: str, code: str = "QuotaExceeded") -> Refusal | None:
    return refusal_of(429, ErrorBody(code, message, own=True))


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        ("You have exceeded the weekly usage quota.", Refusal("throttled", QUOTA_PAUSE_S)),
        (
            "exceeded the monthly usage quota. It will reset at 2026-99-99 21:57:42 +0800 CST",
            Refusal("throttled", QUOTA_PAUSE_S),
        ),
        ("exceeded the 5-hour usage quota. It will reset at 2020-05-11 21:57:42 +0800 CST", Refusal("throttled", 60.0)),
        ("It will reset at 2099-05-11 21:57:42 +0800 CST", Refusal("throttled", MAX_RETRY_AFTER_S)),
        ("Your account has exhausted its free trial quota for the model.", Refusal("billing")),
        ("您的免费额度已用完", Refusal("billing")),
        ("您已达到每周用量限额", Refusal("throttled", QUOTA_PAUSE_S)),
        ("The request has exceeded the quota.", Refusal("throttled")),
        ("", Refusal("throttled")),
    ],
)
def test_the_message_tells_quotas_of_the_same_code_apart(message: str, refusal: Refusal) -> None:
    assert quota(message) == refusal


def test_a_quota_pauses_until_its_reset() -> None:
    at = datetime.now(UTC) + timedelta(minutes=20)
    for offset_h, shown in ((8, "+0800 CST"), (0, "+00:00"), (0, "Z"), (-5, "-0500")):
        local = (at + timedelta(hours=offset_h)).strftime("%Y-%m-%d %H:%M:%S")
        found = quota(
            f"You have exceeded the 5-hour usage quota. It will reset at {local} {shown}", "AccountQuotaExceeded"
        )
        assert found is not None and found.pause_s is not None
        assert 900 < found.pause_s <= 1200


def test_output_moderation_is_on_no_list() -> None:
    """A refused output means that something was generated."""
    assert not [code for _, code, _ in ark_codes.REFUSALS if code.startswith("Output")]


def test_too_many_at_once_is_never_taken_for_a_used_up_quota() -> None:
    assert quota("Activate a higher weekly quota.", "QuotaExceeded.Concurrency") == Refusal("throttled")


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("the specified parameter `camera_fixed` is not supported for model x, must be empty", "camera_fixed"),
        ("The parameter 'content[1].image_url' specified in the request is not valid", "content[1].image_url"),
        ("ratio must be adaptive", "ratio"),
        ("Invalid message.", ""),
        ("This must be something else", ""),
    ],
)
def test_the_field_that_a_text_names(message: str, field: str) -> None:
    assert ark_codes.named(message) == field
