"""Check and store keys and tenants."""

from __future__ import annotations

from collections.abc import Sequence

from producer.intake.terms import Terms, set_budget
from seedance.problems import InvalidInput, Problem, shorten
from storage.database import Connection
from storage.tenants import keys, tenants
from storage.tenants.keys import MAX_NAME_CHARS, ApiKey, Scope
from storage.tenants.tenants import DEFAULT_TENANT, Tenant


def check_tenant(name: str) -> str:
    """Check and return a tenant's name.

    Raises:
        InvalidInput: it has characters that are not allowed, or too many.
    """
    if not keys.is_tenant_name(name):
        message = f"must be 1 to 63 lower-case letters, digits, `.`, `_` or `-`, not {shorten(name)}"
        raise InvalidInput([Problem("tenant", message)])
    return name


def create_key(conn: Connection, tenant: str, name: str, scopes: Sequence[str]) -> tuple[str, ApiKey]:
    """Create a key; only this call returns the key itself.

    Raises:
        InvalidInput: the tenant, the name or a scope is not valid.
    """
    check_tenant(tenant)
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME_CHARS:
        raise InvalidInput([Problem("name", f"must be 1 to {MAX_NAME_CHARS} printable characters")])
    known = [str(scope) for scope in Scope]
    if strange := sorted(set(scopes) - set(known)):
        raise InvalidInput([Problem("scope", f"must be one of {', '.join(known)}, not {shorten(strange[0])}")])
    if Scope.METRICS in scopes and tenant != DEFAULT_TENANT:
        message = f"metrics count the jobs of every tenant; only a key of tenant {DEFAULT_TENANT} may read them"
        raise InvalidInput([Problem("scope", message)])
    return keys.new_key(conn, tenant, name, scopes)


def set_terms(conn: Connection, name: str, terms: Terms, jobs_per_minute: int | None) -> Tenant:
    """Create or change a tenant; `jobs_per_minute` None leaves its limit unchanged, 0 removes it.

    Raises:
        InvalidInput: the name is not valid.
    """
    check_tenant(name)
    tenants.set_tenant(conn, name, weight=terms.weight, jobs_per_minute=jobs_per_minute)
    set_budget(conn, name, None, terms)
    return tenants.list_tenants(conn, name)[0]


def revoke_key(conn: Connection, text: str) -> str:
    """Revoke a key, given as its id or as the key itself; returns its id.

    Raises:
        InvalidInput: there is no such key in use.
    """
    public = keys.key_id(text) or text
    if not keys.revoke(conn, public):
        raise InvalidInput([Problem("", f"there is no key {shorten(public)} in use; see `reelq keys list`")])
    return public
