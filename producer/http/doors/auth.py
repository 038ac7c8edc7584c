"""Who sends a request: a key belongs to a principal, and the guard finds it before a route sees the request.

Routes read it with `principal_of`. GET needs the scope read and everything else the scope enqueue, which the guard
checks; a route that needs more calls `require_scope`.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response

from producer.http.problems import ApiProblem
from storage.actors import Kind
from storage.database import DatabaseUnavailable
from storage.tenants.keys import ALL_SCOPES, PREFIX, Scope
from storage.tenants.sessions import LIFE_S
from storage.tenants.tenants import DEFAULT_TENANT

SESSION_COOKIE = "reelq_session"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request, and what they may do. `key_id` is None for a program on this machine, which needs no key."""

    tenant: str
    scopes: frozenset[str]
    key_id: str | None
    jobs_per_minute: int | None = None
    """How many jobs the tenant may enqueue; None: no limit."""
    actor: str = Kind.LOCAL_PROGRAM.value
    """Who they are, for the events of what they decide."""

    @property
    def operator(self) -> bool:
        """Whether they may see and manage the whole installation: an admin of the default tenant."""
        return self.tenant == DEFAULT_TENANT and Scope.ADMIN in self.scopes


LOCAL = Principal(DEFAULT_TENANT, ALL_SCOPES, None)
"""A program on this machine that sends no key."""


def principal_of(connection: HTTPConnection) -> Principal:
    """Who sends the request. Every request has a principal, except on the paths that are open to all."""
    return cast(Principal, connection.state.principal)


def require_scope(connection: HTTPConnection, scope: Scope) -> Principal:
    """Who sends the request, if they have the scope.

    Raises:
        ApiProblem: their key does not have it.
    """
    principal = principal_of(connection)
    if scope not in principal.scopes:
        raise missing_scope(scope)
    return principal


def require_operator(connection: HTTPConnection) -> Principal:
    """Who sends the request, if they may see the whole installation.

    Raises:
        ApiProblem: their key is another tenant's, or not an admin's.
    """
    principal = principal_of(connection)
    if not principal.operator:
        detail = f"this needs a key of tenant {DEFAULT_TENANT} with the scope admin"
        raise ApiProblem(403, "missing_scope", detail)
    return principal


def missing_scope(scope: str) -> ApiProblem:
    """The error for a key without the scope."""
    detail = f"the key does not have the scope {scope}"
    return ApiProblem(
        403, "missing_scope", detail, advice=f"Create a key with it: `reelq keys create --name NAME --scope {scope}`."
    )


def unauthorized(detail: str) -> ApiProblem:
    """The error for a request without a valid key."""
    return ApiProblem(
        401,
        "unauthorized",
        detail,
        advice="Send a key as `Authorization: Bearer rq_…` or `X-API-Key`; `reelq keys create --name NAME` makes one.",
        headers={"WWW-Authenticate": 'Bearer realm="reelq"'},
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows: a key, or with `is_session` the id of a session."""

    secret: str
    is_session: bool = False


def shown_by(headers: Headers, cookies: dict[str, str], configured: str | None) -> Shown | None:
    """The key or the session of a request, None if it shows neither.

    `configured` is the operator's own key, which may have any form. The placeholders that other programs send, such as
    the openai package's, are not keys.
    """
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    candidates = [bearer.strip()] if scheme.lower() == "bearer" else []
    candidates.append(headers.get("x-api-key", "").strip())
    key = next((item for item in candidates if item.startswith(PREFIX) or is_same(item, configured)), None)
    if key is not None:
        return Shown(key)
    session = cookies.get(SESSION_COOKIE, "")
    return Shown(session, is_session=True) if session else None


async def is_still_allowed(connection: HTTPConnection) -> bool:
    """Whether the sender of a request that takes long may still read. While the database does not answer: True."""
    try:
        principal = await connection.state.look_again()
    except ApiProblem:
        return False
    except DatabaseUnavailable:
        return True
    return principal.tenant == principal_of(connection).tenant and Scope.READ in principal.scopes


def is_same(key: str, configured: str | None) -> bool:
    """Whether this is the operator's own key, compared in constant time."""
    return configured is not None and hmac.compare_digest(key.encode(), configured.encode())


# --- the page's session ----------------------------------------------------------------------------------------------


def keep_session(response: Response, session: str, *, secure: bool) -> None:
    """Store a session's id in a browser, where no script can read it and no other site can use it. `secure`: send it
    back by https only."""
    response.set_cookie(SESSION_COOKIE, session, max_age=LIFE_S, httponly=True, samesite="strict", secure=secure)


def forget_session(response: Response) -> None:
    """Remove the session from a browser."""
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")


def is_encrypted(connection: HTTPConnection, public_url: str | None) -> bool:
    """Whether the browser came by https, also through a proxy that is not trusted: a false claim only harms the client
    that makes it."""
    claimed = connection.headers.get("x-forwarded-proto", "").lower() == "https"
    public = urlsplit(public_url or "")
    at_public = public.scheme == "https" and connection.headers.get("host", "").lower() == public.netloc.lower()
    return connection.scope.get("scheme") == "https" or claimed or at_public


def login_url(path: str) -> str:
    """The page that asks for a key, and then leads back to `path`."""
    return f"/login?next={quote(path, safe='/')}"
