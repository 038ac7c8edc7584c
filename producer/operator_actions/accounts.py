"""Who may manage which account, and with which fields.

An operator manages every account. An admin of another tenant manages the accounts that serve only that tenant, under
names of the tenant's own, a dot and one word. They choose no address: a gateway's host may be any address of our own
network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seedance.account import Account
from seedance.problems import InvalidInput, Problem
from storage.accounts import changes
from storage.accounts.changes import AccountNotFound
from storage.accounts.keys import SECRETS
from storage.database import Connection
from storage.settings import Settings

OF_TENANTS = frozenset(
    {"gateway", "max_in_flight", "requests_per_minute", "polls_per_minute", "callbacks", "default_model", "user_id"}
)
"""The fields that a tenant's admin may set, besides the secrets."""


def add(
    conn: Connection, settings: Settings, tenant: str | None, name: str, fields: Mapping[str, Any], secrets: Any
) -> Account:
    """Add an account. `tenant`: whose admin asks; None: an operator.

    Raises:
        InvalidInput: a field is not allowed or breaks a rule, or the name is taken.
    """
    given = dict(fields)
    if tenant is not None:
        # Nothing more: `acme.eu.main` belongs to the tenant acme.eu, and whether it exists is not acme's to know.
        if not name.startswith(f"{tenant}.") or "." in name.removeprefix(f"{tenant}."):
            raise InvalidInput([Problem("name", f"must be `{tenant}.` and a name without a dot")])
        _check_fields(given)
        given["tenants"] = [tenant]
    return changes.add_account(conn, settings, name, given, checked_secrets(secrets))


def change(conn: Connection, settings: Settings, tenant: str | None, name: str, fields: Mapping[str, Any]) -> Account:
    """Change fields of an account; None removes one.

    Raises:
        AccountNotFound: there is none that they may manage.
        InvalidInput: as `add`.
    """
    require(conn, settings, tenant, name)
    if tenant is not None:
        _check_fields(fields)
    return changes.set_account(conn, settings, name, fields)


def may_manage(admin_of: str | None, tenants: Sequence[str] | None) -> bool:
    """Whether an admin manages an account. `admin_of`: their tenant; None: an operator. `tenants`: those that the
    account names; None: it names none."""
    return admin_of is None or list(tenants or ()) == [admin_of]


def require(conn: Connection, settings: Settings, tenant: str | None, name: str) -> list[str] | None:
    """The tenants that an account names. `tenant`: whose admin asks; None: an operator.

    Raises:
        AccountNotFound: there is none that they may manage; another tenant's is the same as none.
    """
    found = changes.tenants_named(conn, settings, name)
    if not may_manage(tenant, found):
        raise AccountNotFound.because(name)
    return found


def checked_secrets(given: Mapping[str, str | None]) -> dict[str, str]:
    """The secrets that are given, by field.

    Raises:
        InvalidInput: one has a name that no account knows.
    """
    if strange := sorted(given.keys() - set(SECRETS)):
        raise InvalidInput([Problem(strange[0], f"is no secret of an account; those are {', '.join(SECRETS)}")])
    return {name: value for name, value in given.items() if value is not None}


def _check_fields(fields: Mapping[str, Any]) -> None:
    if wrong := sorted(fields.keys() - OF_TENANTS):
        raise InvalidInput([Problem(name, "can be set by an operator only") for name in wrong])
