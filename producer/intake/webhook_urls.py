"""Which webhook URLs are allowed: checked when they are given; the addresses are checked again at each delivery."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from seedance.gateways.checks import is_public
from seedance.problems import shorten
from storage.own_services import own_services, target_of
from storage.settings import Settings

MAX_URL_CHARS = 2048


def form_problem(url: str) -> str | None:
    """Why a text is not a URL that can be called; None if it is one."""
    if not url.lower().startswith(("http://", "https://")) or not url.isprintable() or " " in url:
        return f"must be an http(s) URL, not {shorten(url)}"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and len(url) <= MAX_URL_CHARS
    except ValueError:
        usable = False
    return None if usable else f"is not a usable URL: {shorten(url)}"


def address_problem(url: str, settings: Settings) -> str | None:
    """Why a well-formed URL would never be called; None if it may be, as far as its text shows."""
    host = urlsplit(url).hostname or ""
    if (target := target_of(url)) is not None and own_services(settings).has(*target):
        return f"{target[0]}:{target[1]} is one of this installation's own services, which webhooks never reach"
    if settings.allow_private_networks or _may_be_public(host):
        return None
    return f"{host} is not a public address, so it is never called; set allow_private_networks if it is intended"


def job_url_problem(url: str, settings: Settings) -> str | None:
    """As `address_problem`, for the `webhook_url` of a job, whose deliveries the installation signs."""
    if settings.webhook_secret is None:
        return "deliveries are signed, and no webhook_secret is set; create one with `reelq webhooks secret --new`"
    return address_problem(url, settings)


def _may_be_public(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        # No host name ends in a number: 127.1 and 0x7f.1 are disguised addresses.
        last = host.rstrip(".").rpartition(".")[2]
        return is_public(host) and not (last.isdecimal() or last.startswith("0x"))
    return is_public(host)
