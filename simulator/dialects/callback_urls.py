"""Which callback addresses gateways accept, and how often they retry.

Real gateways reject private addresses. A rehearsal runs on loopback, so loopback is the only exception here.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from simulator.tasks.task import Phase

MAX_LENGTH = 2048


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """How a gateway calls back."""

    phases: frozenset[Phase]
    """A callback is sent when one of these phases begins."""
    timeout_s: float
    retries_s: tuple[float, ...]
    """The pause before each retry."""


def bad_callback_url(value: object, *, https_only: bool) -> str | None:
    """Why a gateway would reject this address; None when it is valid."""
    if not isinstance(value, str) or len(value) > MAX_LENGTH:
        return f"must be a URL of at most {MAX_LENGTH} characters"
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError:
        return "malformed URL"
    if parts.scheme not in ("http", "https") or not host:
        return "must be an http or https URL"
    if is_loopback(host):
        return None
    if https_only and parts.scheme != "https":
        return "must be an https URL"
    try:
        private = not ipaddress.ip_address(host).is_global
    except ValueError:
        private = False
    return "must not be a private address" if private else None


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
