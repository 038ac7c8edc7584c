"""Who is asking: a key is a principal, and every request has one by the time a route sees it.

Routes read it with `principal_of`; what more than reading (GET) or enqueueing (all else) needs a scope, they ask for
with `require_scope`. The guard sees to the rest.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response

from producer.http.problems import ApiProblem
from storage.tenants.keys import ALL_SCOPES, PREFIX, Scope
from storage.tenants.tenants import DEFAULT_TENANT

SESSION_COOKIE = "reelq_session"
SESSION_S = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, and what he may do. `key_id` is None for a program on this machine, which needs no key."""

    tenant: str
    scopes: frozenset[str]
    key_id: str | None
    jobs_per_minute: int | None = None
    """What the tenant may enqueue; None: as many as it likes."""

    @property
    def operator(self) -> bool:
        """Whether he may see and decide about the whole installation: an admin of the default tenant."""
        return self.tenant == DEFAULT_TENANT and Scope.ADMIN in self.scopes


LOCAL = Principal(DEFAULT_TENANT, ALL_SCOPES, None)
"""A program on this machine that shows no key."""


def principal_of(connection: HTTPConnection) -> Principal:
    """Who asks. Every request that came past the guard has one, except on the paths that are open to all."""
    return cast(Principal, connection.state.principal)


def require_scope(connection: HTTPConnection, scope: Scope) -> Principal:
    """Who asks, if he may do this.

    Raises:
        ApiProblem: his key does not have the scope.
    """
    principal = principal_of(connection)
    if scope not in principal.scopes:
        raise missing_scope(scope)
    return principal


def require_operator(connection: HTTPConnection) -> Principal:
    """Who asks, if he may see the whole installation.

    Raises:
        ApiProblem: his key is another tenant's, or no admin's.
    """
    principal = principal_of(connection)
    if not principal.operator:
        detail = f"this concerns the whole installation; it needs a key of tenant {DEFAULT_TENANT} with the scope admin"
        raise ApiProblem(403, "missing_scope", detail)
    return principal


def missing_scope(scope: str) -> ApiProblem:
    """The refusal of what a key may not do."""
    detail = f"the key does not have the scope {scope}"
    return ApiProblem(403, "missing_scope", detail, advice="Make a key that has it: `reelq keys create --scope …`.")


def unauthorized(detail: str) -> ApiProblem:
    """The refusal of who is not known."""
    return ApiProblem(
        401,
        "unauthorized",
        detail,
        advice="Send a key as `Authorization: Bearer rq_…` or `X-API-Key`; `reelq keys create` makes one.",
        headers={"WWW-Authenticate": 'Bearer realm="reelq"'},
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """A key that a request shows; `is_cookie` when it came as one."""

    key: str
    is_cookie: bool = False


def shown_key(headers: Headers, cookies: dict[str, str], configured: str | None) -> Shown | None:
    """The key of a request, None when it shows nothing that can be one of ours.

    `configured` is the operator's own, which may have any form. What other programs send for lack of a key, such as a
    placeholder of the openai package, is none.
    """
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    candidates = [Shown(bearer.strip())] if scheme.lower() == "bearer" else []
    candidates += [Shown(headers.get("x-api-key", "").strip()), Shown(cookies.get(SESSION_COOKIE, ""), is_cookie=True)]
    return next((item for item in candidates if item.key.startswith(PREFIX) or is_same(item.key, configured)), None)


def is_same(key: str, configured: str | None) -> bool:
    """Whether this is the operator's own key, in a time that tells nothing."""
    return configured is not None and hmac.compare_digest(key.encode(), configured.encode())


# --- the page's session ----------------------------------------------------------------------------------------------


def start_session(response: Response, connection: HTTPConnection, key: str) -> None:
    """Let a browser keep a key, where no script can read it and no other site can use it."""
    response.set_cookie(
        SESSION_COOKIE,
        key,
        max_age=SESSION_S,
        httponly=True,
        samesite="strict",
        secure=connection.scope.get("scheme") == "https",
    )


def end_session(response: Response) -> None:
    """Let a browser forget it."""
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")


def login_url(path: str) -> str:
    """Where a person goes to show a key, and where he comes back to."""
    return f"/login?next={quote(path, safe='/')}"
