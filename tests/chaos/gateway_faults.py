"""Gateway faults, one account for each kind, so that no fault hides another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LOST = {"kind": "close_after_accept", "where": "create", "every": 2}
# What each kind may lead to besides success: "failed" where the gateway says that the job has failed, "held" where it
# does not say whether it accepted the job.
KINDS: Mapping[str, tuple[str, tuple[Mapping[str, Any], ...]]] = {
    "status-503": ("held", ({"kind": "status", "where": "create", "status": 503, "first": 2},)),
    "status-502-html": ("held", ({"kind": "status", "where": "create", "status": 502, "body": "html", "every": 2},)),
    "rate-limit": ("", ({"kind": "rate_limit", "where": "create", "retry_after": 1, "first": 3},)),
    "no-money": ("", ({"kind": "no_money", "first": 1},)),
    "bad-key": ("", ({"kind": "bad_key", "where": "create", "first": 1},)),
    "garbage": ("held", ({"kind": "garbage", "where": "create", "every": 2},)),
    "html-200": ("held", ({"kind": "html_200", "where": "create", "every": 2},)),
    "empty-200": ("held", ({"kind": "empty_200", "where": "create", "every": 2},)),
    "hang": ("held", ({"kind": "hang", "where": "create", "seconds": 8, "every": 2},)),
    "hang-accepted": ("held", ({"kind": "hang", "where": "create", "seconds": 8, "accepted": True, "every": 2},)),
    "slow": ("", ({"kind": "slow", "where": "create", "seconds": 2},)),
    "close-before-read": ("held", ({"kind": "close_before_read", "where": "create", "every": 2},)),
    "close-after-accept": ("held", ({"kind": "close_after_accept", "every": 2},)),
    "rst-after-accept": ("held", ({"kind": "rst_after_accept", "every": 2},)),
    "accept-then-500-html": ("held", ({"kind": "accept_then_500", "body": "html", "every": 2},)),
    "accept-then-503-wait": (
        "held",
        ({"kind": "accept_then_500", "status": 503, "body": "proxy", "retry_after": 1, "every": 2},),
    ),
    "accept-then-429-proxy": ("held", ({"kind": "accept_then_500", "status": 429, "body": "proxy", "every": 2},)),
    # At gateways that list: every job finds its task, whatever else the gateway does.
    "lost-ark": ("", (_LOST, {"kind": "status", "where": "list", "status": 502, "body": "html", "every": 3})),
    "lost-new-api": ("", (_LOST, {"kind": "garbage", "where": "list", "every": 3})),
    "route-404": ("", ({"kind": "status", "where": "create", "status": 404, "body": "proxy", "first": 2},)),
    "model-closed": (
        "",
        ({"kind": "status", "where": "create", "status": 404, "body": "json", "code": "ModelNotOpen", "first": 2},),
    ),
    "page-403": ("", ({"kind": "status", "where": "create", "status": 403, "body": "html", "first": 2},)),
    "moderate-input": ("failed", ({"kind": "moderate_input", "every": 2},)),
    "fail": ("failed", ({"kind": "fail", "every": 2},)),
    "moderate-output": ("failed", ({"kind": "moderate_output", "every": 2},)),
    "lost": ("failed", ({"kind": "lost", "every": 2},)),
    "inner-expired": ("failed", ({"kind": "inner_expired", "every": 2},)),
    # The first download is cut and its URL has expired since; a fresh URL works.
    "url-dies": ("", ({"kind": "url_dies", "after_fetches": 1}, {"kind": "cut", "first": 1, "per": "task"})),
    "query-502": (
        "",
        ({"kind": "status", "where": "query", "status": 502, "body": "html", "first": 2, "per": "task"},),
    ),
    "query-404-proxy": (
        "",
        ({"kind": "status", "where": "query", "status": 404, "body": "proxy", "first": 8, "per": "task"},),
    ),
    "query-garbage": ("", ({"kind": "garbage", "where": "query", "first": 2, "per": "task"},)),
    "query-hangs": ("", ({"kind": "hang", "where": "query", "seconds": 8, "first": 1, "per": "task"},)),
    "stale-status": ("", ({"kind": "stale_status", "seconds": 3},)),
    "unknown-status": ("", ({"kind": "unknown_status", "first": 2, "per": "task"},)),
    "missing-url": ("", ({"kind": "missing_url", "first": 2, "per": "task"},)),
    "files-503": (
        "",
        ({"kind": "status", "where": "download", "status": 503, "body": "html", "first": 3, "per": "task"},),
    ),
    "cut": ("", ({"kind": "cut", "first": 2, "per": "task"},)),
    "short": ("", ({"kind": "short", "first": 1, "per": "task"},)),
    "short-honest": ("", ({"kind": "short", "honest": True, "first": 1, "per": "task"},)),
    "wrong-content": ("", ({"kind": "wrong_content", "first": 2, "per": "task"},)),
    "zero-bytes": ("", ({"kind": "wrong_content", "body": "zeros", "first": 1, "per": "task"},)),
    "slow-download": ("", ({"kind": "slow_download", "bytes_per_s": 40_000, "first": 1, "per": "task"},)),
}

OTHER_ACCOUNTS: Mapping[str, Mapping[str, Any]] = {
    "lost-ark": {"gateway": "ark", "path": "/ark/api/v3"},
    "model-closed": {"gateway": "ark", "path": "/ark/api/v3"},
    "lost-new-api": {"user_token": "chaos-user-token-0123456789", "user_id": 7},
}
"""Accounts of kinds that differ from the usual one."""


def rules_for(key_by_name: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """The rules of all kinds, each for the key of its own account only."""
    return [{**rule, "account": key} for name, key in key_by_name.items() for rule in KINDS[name][1]]
