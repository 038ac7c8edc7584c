"""Who may come in, as long as there are no keys: programs on this machine, unless the configuration opens the door.

A server that listens on loopback can still be reached from outside: by a web page in a browser of this machine, by a
name that an attacker lets point to 127.0.0.1, and through a proxy that somebody set up for callbacks. Each is refused.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from producer.api.problems import ApiProblem, problem_response
from seedance.problems import InvalidInput, Problem
from storage.settings import Settings

OPEN = ("/healthz", "/readyz", "/metrics")
CALLBACKS = "/callbacks/"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_ADVICE = (
    "The API has no keys: set api_allow_public = true (REELQ_API_ALLOW_PUBLIC=1) only where the network keeps "
    "strangers out."
)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def check_bind(host: str, settings: Settings) -> None:
    """Pass for an address that the API may listen at.

    Raises:
        InvalidInput: it is reachable from elsewhere, and the settings do not allow that.
    """
    if not (settings.api_allow_public or is_loopback(host)):
        message = f"{host} can be reached from elsewhere, and the API has no keys; set it to true to allow that"
        raise InvalidInput([Problem("api_allow_public", message)])


class Guard:
    """Refuses requests before any route sees them. Health, metrics and gateways' callbacks are open to all."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._public = settings.api_allow_public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (problem := self._problem(scope)) is not None:
            await problem_response(problem, scope["path"])(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _problem(self, scope: Scope) -> ApiProblem | None:
        if "\0" in scope["path"] or b"%00" in scope.get("query_string", b""):
            return ApiProblem(400, "bad_request", "the URL holds a NUL character")
        if scope["path"] in OPEN or scope["path"].startswith(CALLBACKS):
            return None
        headers = Headers(scope=scope)
        if not self._public:
            came_to = (scope.get("server") or ("",))[0]
            asked_for = _host_of(headers.get("host", ""))
            if not (is_loopback(came_to) and is_loopback(asked_for)):
                return ApiProblem(403, "not_local", "only programs on this machine may use this API", advice=_ADVICE)
        if scope["method"] not in _SAFE and _is_cross_site(headers):
            return ApiProblem(403, "cross_site", "a web page of another site may not do this")
        return None


def _host_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_cross_site(headers: Headers) -> bool:
    """Whether a browser says that a page of another site asks. Programs say nothing of the kind."""
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc != headers.get("host", "") if "://" in origin else True
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
