"""Who may use the server: clients with a key, and programs on this machine.

A server that listens on loopback can still be reached from outside: by a web page in a browser on this machine, by a
name that an attacker points to 127.0.0.1, and through a proxy on this machine. None of these counts as a program on
this machine; each needs a key. So does every program as soon as anything says that the server is meant for others: it
listens beyond loopback, `public_url` or `trusted_proxies` is set, or there is a second tenant.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from producer.http.doors import auth
from producer.http.doors.auth import Principal, Shown
from producer.http.doors.failed_keys import FailedKeys
from producer.http.doors.keyring import KeyRing
from producer.http.doors.local_programs import why_not_local
from producer.http.problems import ApiProblem, problem_response
from producer.http.sharing.places import Places
from producer.http.sharing.request_rates import RequestRates
from producer.http.sharing.sender import sent_by
from seedance.problems import InvalidInput, Problem
from storage.actors import acting
from storage.addresses.own import is_loopback
from storage.database import DatabaseUnavailable, connect
from storage.logs.context import bound
from storage.settings import Settings
from storage.tenants import keys

OPEN = ("/healthz", "/readyz", "/login", "/logout", "/preferences")
OPEN_BELOW = ("/callbacks/", "/static/", "/share/")
METRICS = "/metrics"
STORES_NOTHING = ("/v1/estimate", "/v1/explain", "/mcp")
"""Paths whose POST is a question; the tools of `/mcp` check their own scopes."""
MAX_HEADERS = 100
MAX_REQUESTS = 3_000
"""Requests that are being answered, streams included. Fewer than the connections, so that a key can always be checked;
a tenant alone gets half of them."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def check_bind(host: str, settings: Settings) -> None:
    """Check that the API may listen at an address.

    Raises:
        InvalidInput: other machines can reach it, and there is no key yet.
        DatabaseUnavailable: whether there is a key is unknown.
    """
    if is_loopback(host) or settings.api_key is not None:
        return
    with connect(settings.require_database_url()) as conn:
        if keys.any_in_use(conn):
            return
    message = f"other machines can reach {host}, and there is no key; run `reelq keys create --name NAME`, or set this"
    raise InvalidInput([Problem("api_key", message)])


class Guard:
    """Finds the principal of a request before any route sees it, and refuses requests without one. Every path is
    guarded unless it is listed as open."""

    def __init__(
        self,
        app: ASGIApp,
        keyring: KeyRing,
        failed: FailedKeys,
        rates: RequestRates,
        keys_for_all: bool,
        check_fit: Callable[[], None],
    ) -> None:
        """`check_fit`: raises `ApiProblem` while nothing may be written."""
        self._app = app
        self._check_fit = check_fit
        self._failed = failed
        self._keyring = keyring
        self._rates = rates
        self._places = Places(MAX_REQUESTS, "too many requests at once")
        self._keys_for_all = keys_for_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        try:
            await self._check(connection)
        except (ApiProblem, DatabaseUnavailable) as exc:
            await _refusal(exc, connection)(scope, receive, send)
            return
        principal: Principal | None = getattr(connection.state, "principal", None)
        if principal is None:
            await self._app(scope, receive, send)
            return
        who = bound(tenant=principal.tenant, key_id=principal.key_id)
        with acting(principal.actor), sent_by(principal.tenant), who:
            try:
                if principal.key_id is not None:
                    self._rates.count(principal.tenant)
                place = self._places.take()
            except ApiProblem as exc:
                await _refusal(exc, connection)(scope, receive, send)
                return
            try:
                await self._app(scope, receive, _with_rate(connection, send))
            finally:
                self._places.give_back(place)

    async def _check(self, connection: HTTPConnection) -> None:
        # Not `connection.url`: it contains the Host header, which may be anything.
        path, method = connection.scope["path"], connection.scope["method"]
        _check_head(connection)
        if "\0" in path or b"%00" in connection.scope.get("query_string", b""):
            raise ApiProblem(400, "bad_request", "the URL contains a NUL character")
        is_callback = path.startswith("/callbacks/")
        if not is_callback and method not in _SAFE and _is_cross_site(connection.headers):
            raise ApiProblem(403, "cross_site", "web pages of other sites may not do this")
        if path in OPEN or path.startswith(OPEN_BELOW):
            return
        shown = auth.shown_by(connection.headers, connection.cookies, self._keyring.configured)
        connection.state.look_again = partial(self._principal, connection, shown)
        principal = await self._first_look(connection, shown)
        needed = _scope_for(path, method)
        if needed not in principal.scopes:
            raise auth.missing_scope(needed)
        if needed is keys.Scope.ENQUEUE:
            self._check_fit()
        connection.state.principal = principal

    async def _first_look(self, connection: HTTPConnection, shown: Shown | None) -> Principal:
        if shown is None:
            return await self._principal(connection, None)
        address = (connection.scope.get("client") or ("",))[0]
        await self._failed.wait(address, shown.secret)
        try:
            principal = await self._principal(connection, shown)
        except ApiProblem:
            key_id = "session" if shown.is_session else keys.key_id(shown.secret)
            self._failed.note(address, connection.scope["path"], shown.secret, key_id)
            raise
        guessable = not shown.is_session and auth.is_same(shown.secret, self._keyring.configured)
        self._failed.was_right(address, shown.secret, guessable=guessable)
        return principal

    async def _principal(self, connection: HTTPConnection, shown: Shown | None) -> Principal:
        if shown is None:
            if self._keys_for_all:
                raise auth.unauthorized("a key is required")
            if (reason := await why_not_local(connection)) is not None:
                raise auth.unauthorized(f"a key is required: {reason}")
            return await self._keyring.local()
        if shown.is_session:
            if (found := await self._keyring.of_session(shown.secret)) is None:
                raise auth.unauthorized("the session has ended; sign in again")
            return found
        if (found := await self._keyring.principal(shown.secret)) is None:
            raise auth.unauthorized("the key is unknown, was revoked or has expired")
        return found


def _scope_for(path: str, method: str) -> keys.Scope:
    if path == METRICS:
        return keys.Scope.METRICS
    return keys.Scope.READ if method in _SAFE or path in STORES_NOTHING else keys.Scope.ENQUEUE


def _with_rate(connection: HTTPConnection, send: Send) -> Send:
    """Adds headers with the rest of the limit, if the tenant has one."""

    async def send_with_rate(message: Message) -> None:
        if message["type"] == "http.response.start" and (rate := getattr(connection.state, "rate_headers", None)):
            message["headers"] = [
                *message.get("headers", ()),
                *((name.lower().encode(), value.encode()) for name, value in rate.items()),
            ]
        await send(message)

    principal = getattr(connection.state, "principal", None)
    return send if principal is None or principal.jobs_per_minute is None else send_with_rate


def _check_head(connection: HTTPConnection) -> None:
    """Check the head of a request.

    Raises:
        ApiProblem: it has too many headers, or two lengths, of which a proxy before us may have used the other.
    """
    headers = connection.headers
    if len(headers) > MAX_HEADERS:
        detail = f"the request has {len(headers)} headers; at most {MAX_HEADERS}"
        raise ApiProblem(431, "too_many_headers", detail, headers={"Connection": "close"})
    if "transfer-encoding" in headers and "content-length" in headers:
        detail = "the request has both a Content-Length and a Transfer-Encoding"
        raise ApiProblem(400, "bad_request", detail, headers={"Connection": "close"})


def _refusal(exc: ApiProblem | DatabaseUnavailable, connection: HTTPConnection) -> Response:
    """A problem; a browser is sent to the page that asks for a key."""
    response = problem_response(exc, connection.scope["path"])
    if isinstance(exc, ApiProblem) and exc.status == 401:
        if _is_page(connection):
            response = RedirectResponse(auth.login_url(_path_and_query(connection)), 303)
        if auth.SESSION_COOKIE in connection.cookies:  # else a stale cookie would lock out a local browser for ever
            auth.forget_session(response)
    return response


def _is_page(connection: HTTPConnection) -> bool:
    return (
        connection.scope["method"] in ("GET", "HEAD")
        and not connection.scope["path"].startswith("/v1/")
        and "text/html" in connection.headers.get("accept", "")
    )


def _path_and_query(connection: HTTPConnection) -> str:
    query = connection.scope.get("query_string", b"").decode("latin-1")
    return f"{connection.scope['path']}?{query}" if query else str(connection.scope["path"])


def _is_cross_site(headers: Headers) -> bool:
    """Whether a browser says that a page of another site sends the request. Programs send no such header."""
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc != headers.get("host", "") if "://" in origin else True
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
