"""Check and store keys and tenants."""

from __future__ import annotations

from collections.abc import Sequence

from producer.errors import KeyNotFound
from producer.intake.terms import Terms, read_terms, set_budget, terms_as_detail
from seedance.problems import InvalidInput, Problem, shorten
from storage import decisions
from storage.database import Connection
from storage.tenants import keys, purses, tenants
from storage.tenants.keys import MAX_NAME_CHARS, ApiKey, Scope
from storage.tenants.purses import Purse
from storage.tenants.tenants import DEFAULT_TENANT, Tenant
from storage.webhooks.recipients import set_recipients

OVERLAP_S = 86_400.0
"""How long a rotated key works beside the new one, if nothing else is said."""
MAX_KEY_S = 10 * 365 * 86_400.0


def check_tenant(name: str) -> str:
    """Check and return a tenant's name.

    Raises:
        InvalidInput: it has characters that are not allowed, or too many.
    """
    if not keys.is_tenant_name(name):
        message = f"must be 1 to 63 lower-case letters, digits, `.`, `_` or `-`, not {shorten(name)}"
        raise InvalidInput([Problem("tenant", message)])
    return name


def create_key(
    conn: Connection, tenant: str, name: str, scopes: Sequence[str], expires_in_s: float | None = None
) -> tuple[str, ApiKey]:
    """Create a key; only this call returns the key itself. `expires_in_s` None: it never expires.

    Raises:
        InvalidInput: the tenant, the name, a scope or the time is not valid.
    """
    _check_seconds("expires_in_seconds", expires_in_s, 1)
    check_tenant(tenant)
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME_CHARS:
        raise InvalidInput([Problem("name", f"must be 1 to {MAX_NAME_CHARS} printable characters")])
    known = [str(scope) for scope in Scope]
    if strange := sorted(set(scopes) - set(known)):
        raise InvalidInput([Problem("scope", f"must be one of {', '.join(known)}, not {shorten(strange[0])}")])
    if Scope.METRICS in scopes and tenant != DEFAULT_TENANT:
        message = f"metrics count the jobs of every tenant; only a key of tenant {DEFAULT_TENANT} may read them"
        raise InvalidInput([Problem("scope", message)])
    key, made = keys.new_key(conn, tenant, name, scopes, expires_in_s)
    decisions.record(conn, tenant, "key.created", f"key:{made.id}", name=name, scopes=made.scopes)
    return key, made


def set_terms(conn: Connection, name: str, terms: Terms, jobs_per_minute: int | None) -> Tenant:
    """Create or change a tenant; `jobs_per_minute` None leaves its limit unchanged, 0 removes it.

    Raises:
        InvalidInput: the name is not valid.
    """
    check_tenant(name)
    tenants.set_tenant(conn, name, weight=terms.weight, jobs_per_minute=jobs_per_minute)
    set_budget(conn, name, None, terms)
    if terms.notify is not None:
        set_recipients(conn, name, None, terms.notify)
    detail = {"jobs_per_minute": jobs_per_minute} if jobs_per_minute is not None else {}
    decisions.record(conn, name, "tenant.set", f"tenant:{name}", **terms_as_detail(terms), **detail)
    return tenants.list_tenants(conn, name)[0]


def rotate_key(
    conn: Connection,
    text: str,
    overlap_s: float = OVERLAP_S,
    *,
    tenant: str | None = None,
    expires_in_s: float | None = None,
) -> tuple[str, ApiKey]:
    """Create a key in place of another, given as its id or as the key itself. The old one works for `overlap_s` more
    seconds. Only this call returns the new key itself.

    Raises:
        KeyNotFound: there is no such key in use, or it is not that tenant's.
        InvalidInput: a time is not valid.
    """
    _check_seconds("overlap_seconds", overlap_s, 0)
    _check_seconds("expires_in_seconds", expires_in_s, 1)
    public = keys.key_id(text) or text
    rotated = keys.rotate(conn, public, overlap_s, tenant=tenant, expires_in_s=expires_in_s)
    if rotated is None:
        raise KeyNotFound(public)
    made = rotated[1]
    decisions.record(conn, made.tenant, "key.rotated", f"key:{public}", into=made.id, overlap_seconds=overlap_s)
    return rotated


def revoke_key(conn: Connection, text: str, *, tenant: str | None = None) -> str:
    """Revoke a key, given as its id or as the key itself; returns its id.

    Raises:
        KeyNotFound: there is no such key in use, or it is not that tenant's.
    """
    public = keys.key_id(text) or text
    if (owner := keys.revoke(conn, public, tenant)) is None:
        raise KeyNotFound(public)
    decisions.record(conn, owner, "key.revoked", f"key:{public}")
    return public


def purse_of_key(conn: Connection, text: str, *, tenant: str | None = None) -> Purse | None:
    """The purse of a key, given as its id or as the key itself; None: it has none.

    Raises:
        KeyNotFound: there is no such key, or it is not that tenant's.
    """
    public, _ = _owned(conn, text, tenant)
    return purses.purse_of(conn, public)


def set_purse(conn: Connection, text: str, amount: str, *, tenant: str | None = None) -> Purse | None:
    """Set what a key may spend, "20 USD", or remove its purse with "none"; returns the purse. Keys that replace it, or
    that it replaces, spend from the same one.

    Raises:
        KeyNotFound: there is no such key in use, or it is not that tenant's.
        InvalidInput: the amount is not valid.
    """
    try:
        money = read_terms(amount).budget
    except InvalidInput as exc:
        raise InvalidInput([Problem("purse", problem.message) for problem in exc.problems]) from exc
    public, owner = _owned(conn, text, tenant)
    if not purses.set_purse(
        conn, public, None if money is None else money.amount, "" if money is None else money.currency
    ):
        raise KeyNotFound(public)
    decisions.record(conn, owner, "key.purse", f"key:{public}", purse=amount)
    return purses.purse_of(conn, public)


def _owned(conn: Connection, text: str, tenant: str | None) -> tuple[str, str]:
    """A key's id and its tenant."""
    public = keys.key_id(text) or text
    owner = keys.tenant_of(conn, public)
    if owner is None or tenant not in (None, owner):
        raise KeyNotFound(public)
    return public, owner


def _check_seconds(name: str, value: float | None, least: float) -> None:
    if value is not None and not least <= value <= MAX_KEY_S:
        raise InvalidInput([Problem(name, f"must be {least:g} to {MAX_KEY_S:g} seconds, not {value:g}")])
