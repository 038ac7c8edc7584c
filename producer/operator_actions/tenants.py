"""Keys and tenants as people give them: checked, then stored."""

from __future__ import annotations

from collections.abc import Sequence

from producer.intake.terms import Terms, set_budget
from seedance.problems import InvalidInput, Problem, shorten
from storage.database import Connection
from storage.tenants import keys, tenants
from storage.tenants.keys import MAX_NAME_CHARS, ApiKey, Scope
from storage.tenants.tenants import DEFAULT_TENANT, Tenant


def check_tenant(name: str) -> str:
    """A tenant's name as given, if it can be one.

    Raises:
        InvalidInput: it has other characters, or too many.
    """
    if not keys.is_tenant_name(name):
        message = f"must be 1 to 63 lower-case letters, digits, `.`, `_` or `-`, not {shorten(name)}"
        raise InvalidInput([Problem("tenant", message)])
    return name


def create_key(conn: Connection, tenant: str, name: str, scopes: Sequence[str]) -> tuple[str, ApiKey]:
    """Make a key; the key itself is given this once.

    Raises:
        InvalidInput: the tenant, the name or a scope cannot be used.
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
    """Make a tenant or change it; `jobs_per_minute` None leaves its limit, 0 takes it away.

    Raises:
        InvalidInput: there can be no tenant of that name.
    """
    check_tenant(name)
    tenants.set_tenant(conn, name, weight=terms.weight, jobs_per_minute=jobs_per_minute)
    set_budget(conn, name, None, terms)
    return tenants.list_tenants(conn, name)[0]


def revoke_key(conn: Connection, text: str) -> str:
    """End the key of that id, or the key itself; gives its id.

    Raises:
        InvalidInput: there is none in use.
    """
    public = keys.key_id(text) or text
    if not keys.revoke(conn, public):
        raise InvalidInput([Problem("", f"there is no key {shorten(public)} in use; see `reelq keys list`")])
    return public
