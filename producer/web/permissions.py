"""What the page offers to its viewer."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from producer.http.doors.auth import principal_of
from storage.tenants.keys import Scope


@dataclass(frozen=True, slots=True)
class Permissions:
    """`may_enqueue`: enqueue, cancel and retry; `may_resolve`: decide about unconfirmed jobs; `may_operate`: see and
    resume the accounts. `has_key`: they came with a key, and so can sign out."""

    tenant: str
    may_enqueue: bool
    may_resolve: bool
    may_operate: bool
    has_key: bool


def permissions_of(request: Request) -> Permissions:
    """The permissions of a request that the guard has let through."""
    principal = principal_of(request)
    return Permissions(
        principal.tenant,
        may_enqueue=Scope.ENQUEUE in principal.scopes,
        may_resolve=Scope.ADMIN in principal.scopes,
        may_operate=principal.operator,
        has_key=principal.key_id is not None,
    )
