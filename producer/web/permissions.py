"""Who looks at the page, and what the page offers him."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from producer.http.auth import principal_of
from storage.tenants.keys import Scope


@dataclass(frozen=True, slots=True)
class Permissions:
    """`may_enqueue`: and cancel and retry; `may_resolve`: decide about unconfirmed jobs; `may_operate`: see and resume
    the accounts. `has_key` when he came with one, and so can sign out."""

    tenant: str
    may_enqueue: bool
    may_resolve: bool
    may_operate: bool
    has_key: bool


def permissions_of(request: Request) -> Permissions:
    """The permissions of a request that came past the guard."""
    principal = principal_of(request)
    return Permissions(
        principal.tenant,
        may_enqueue=Scope.ENQUEUE in principal.scopes,
        may_resolve=Scope.ADMIN in principal.scopes,
        may_operate=principal.operator,
        has_key=principal.key_id is not None,
    )
