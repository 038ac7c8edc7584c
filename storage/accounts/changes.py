"""Change accounts while everything runs. Each change is one transaction of the caller and is recorded with its actor.

A change takes a new version and writes it to every account that schedulers lock. A scheduler with older settings grants
nothing to an account before it has read the new ones, so a change holds from the moment it is committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, Self
from urllib.parse import urlsplit

from seedance.account import EVERY_TENANT, Account
from seedance.problems import InvalidInput, Problem
from storage import decisions
from storage.accounts import keys
from storage.accounts.keys import SECRETS
from storage.accounts.reading import account_of
from storage.admission import circuit_breaker, model_limits
from storage.database import Connection
from storage.jsonb import dumps
from storage.sealing import CannotOpen, Sealer
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT

_ENV = ("api_key_env", "user_token_env", "webhook_secret_env")
FIELDS = frozenset(Account.model_fields) - {"name", *SECRETS, *_ENV}
"""The fields that a stored account may have, besides its secrets. Variables of the environment differ between
machines, and a user who names one could send its value to an address of their own."""


class AccountNotFound(InvalidInput):
    """There is no such account, or it cannot be used here."""

    @classmethod
    def because(cls, name: str, why: str = "") -> Self:
        """The error about an account; `why`: it exists, but cannot be used."""
        return cls([Problem("account", f"{name} cannot be used: {why}" if why else f"there is no account {name!r}")])


class AccountInUse(InvalidInput):
    """The change would leave tasks or jobs without an account, or with another's."""


_NEXT_VERSION: LiteralString = "UPDATE accounts_version SET version = version + 1 RETURNING version"
_LOCK: LiteralString = "SELECT version FROM accounts_version FOR UPDATE"
_PUBLISH: LiteralString = "UPDATE account_states SET version = %(version)s"
_ENSURE: LiteralString = "INSERT INTO account_states (name) VALUES (%(name)s) ON CONFLICT (name) DO NOTHING"
_GET: LiteralString = "SELECT settings, key_id FROM accounts WHERE name = %(name)s"
_INSERT: LiteralString = """
INSERT INTO accounts (name, settings, key_id) VALUES (%(name)s, %(settings)s::jsonb, %(key_id)s)
"""
_UPDATE: LiteralString = """
UPDATE accounts SET settings = %(settings)s::jsonb, key_id = %(key_id)s, changed_at = now() WHERE name = %(name)s
"""
_PAUSE: LiteralString = """
INSERT INTO account_states (name, paused_at) VALUES (%(name)s, now())
ON CONFLICT (name) DO UPDATE SET paused_at = coalesce(account_states.paused_at, now())
"""
_RESUME: LiteralString = "UPDATE account_states SET paused_at = NULL WHERE name = %(name)s AND paused_at IS NOT NULL"
_KEEP: LiteralString = "UPDATE accounts SET removing_at = NULL WHERE name = %(name)s AND removing_at IS NOT NULL"
_REMOVING: LiteralString = "UPDATE accounts SET removing_at = coalesce(removing_at, now()) WHERE name = %(name)s"
# Claimed jobs too: a worker is about to submit them.
_TASKS: LiteralString = """
SELECT (SELECT count(*) FROM jobs WHERE account = %(name)s AND due_at IS NOT NULL AND state <> 'transferring'
          AND state IN ('queued', 'submitting', 'unconfirmed', 'generating')
          AND (state <> 'queued' OR due_at > now()))
     + (SELECT count(*) FROM jobs WHERE state = 'transferring' AND account = %(name)s)
     + (SELECT count(*) FROM attempts WHERE look_at IS NOT NULL AND account = %(name)s)
"""
_WAITING: LiteralString = "SELECT count(*) FROM jobs WHERE tenant = %(tenant)s AND state = 'queued'"
_FORGET_ASSETS: LiteralString = "DELETE FROM assets WHERE account = %(name)s"
_FORGET: tuple[LiteralString, ...] = (
    "DELETE FROM accounts WHERE name = %(name)s",
    "DELETE FROM account_keys WHERE account = %(name)s",
    "DELETE FROM account_states WHERE name = %(name)s",
    "DELETE FROM account_turns WHERE account = %(name)s",
    "DELETE FROM circuit_breakers WHERE account = %(name)s",
    "DELETE FROM model_limits WHERE account = %(name)s",
    "DELETE FROM poll_counts WHERE account = %(name)s",
    _FORGET_ASSETS,
)


def add_account(
    conn: Connection, settings: Settings, name: str, fields: Mapping[str, Any], secrets: Mapping[str, str]
) -> Account:
    """Add an account. `fields` are those of `[[accounts]]`, without secrets.

    Raises:
        InvalidInput: the name is taken, a field breaks a rule, or no master key is set.
    """
    version = _begin(conn)
    if any(account.name == name for account in settings.configured_accounts):
        raise _wrong("name", f"{name} is an account in the configuration; choose another name, or remove it there")
    if _stored(conn, name) is not None:
        raise _wrong("name", f"there is an account {name} already; change it with `reelq accounts set {name}`")
    _check_fields(fields)
    account = account_of(settings, name, fields, secrets)
    key_id = _add_key(conn, settings.sealer(), name, secrets)
    conn.execute(_INSERT, {"name": name, "settings": dumps(dict(fields)), "key_id": key_id})
    conn.execute(_ENSURE, {"name": name})
    _record(conn, "account.added", account, **_shown(fields))
    _publish(conn, version)
    return account.with_key_id(key_id)


def set_account(
    conn: Connection, settings: Settings, name: str, changes: Mapping[str, Any], *, to_shared: bool = False
) -> Account:
    """Change fields of a stored account; a value of None removes the field. `to_shared`: allow that waiting jobs of a
    tenant without another account of its own run on shared accounts.

    Raises:
        AccountNotFound, AccountInUse: as their names say.
        InvalidInput: a field breaks a rule, or the account is in the configuration.
    """
    version = _begin(conn)
    fields, key_id = _require(conn, settings, name)
    _check_fields(changes)
    merged = {field: value for field, value in {**fields, **changes}.items() if value is not None}
    if merged.get("gateway") != fields.get("gateway") or merged.get("base_url") != fields.get("base_url"):
        _check_idle(conn, name, "its gateway and address cannot change while it has tasks there")
    account = account_of(settings, name, merged, _secrets(conn, settings, name, key_id))
    _check_not_orphaned(conn, settings, name, fields.get("tenants"), account.tenants, to_shared)
    conn.execute(_UPDATE, {"name": name, "settings": dumps(merged), "key_id": key_id})
    _record(conn, "account.changed", account, **_shown(changes))
    _publish(conn, version)
    return account.with_key_id(key_id)


def rekey_account(
    conn: Connection,
    settings: Settings,
    name: str,
    secrets: Mapping[str, str],
    *,
    revoked: bool = False,
    other_project: bool = False,
) -> Account:
    """Give a stored account other secrets; those not given stay. New jobs use them at once.

    Tasks keep the secrets that they were submitted with until they end, since those of another project would not find
    them. `revoked`: the old ones do not work any more: delete them now, so that tasks use the new ones.
    `other_project`: files that became assets of the old project are uploaded again when a job needs them.

    Raises:
        AccountNotFound: there is none.
        InvalidInput: a secret is not valid, or the account is in the configuration.
    """
    version = _begin(conn)
    fields, before = _require(conn, settings, name)
    try:
        known = _secrets(conn, settings, name, before)
    except InvalidInput:
        if "api_key" not in secrets:
            raise
        known = {}  # with a lost master key, a new key makes the account usable again
    account = account_of(settings, name, fields, {**known, **secrets})
    key_id = _add_key(conn, settings.sealer(), name, {**known, **secrets})
    keys.retire_others(conn, name, key_id, delete=revoked)
    conn.execute(_UPDATE, {"name": name, "settings": dumps(fields), "key_id": key_id})
    if other_project:
        conn.execute(_FORGET_ASSETS, {"name": name})
    circuit_breaker.reset(conn, name)
    model_limits.reset(conn, name)
    old = "deleted" if revoked else "kept"
    _record(conn, "account.rekeyed", account, secrets=sorted(secrets), old_key=old, other_project=other_project)
    _publish(conn, version)
    return account.with_key_id(key_id)


def pause_account(conn: Connection, name: str, tenants: Sequence[str] | None = None) -> None:
    """Submit nothing more to an account, also to one of the configuration. Its tasks go on. `tenants`: those that it
    names."""
    version = _begin(conn)
    conn.execute(_PAUSE, {"name": name})
    decisions.record(conn, _tenant_of(tenants), "account.paused", f"account:{name}")
    _publish(conn, version)


def resume_account(conn: Connection, name: str, tenants: Sequence[str] | None = None) -> None:
    """Use an account again at once, up to its configured limits: after a pause, or after its gateway refused it."""
    version = _begin(conn)
    paused = conn.execute(_RESUME, {"name": name}).rowcount + conn.execute(_KEEP, {"name": name}).rowcount
    circuit_breaker.reset(conn, name)
    model_limits.reset(conn, name)
    decisions.record(conn, _tenant_of(tenants), "account.resumed", f"account:{name}")
    if paused:
        _publish(conn, version)


def remove_account(
    conn: Connection, settings: Settings, name: str, *, drain: bool = False, to_shared: bool = False
) -> bool:
    """Remove a stored account; True if it is gone. `drain`: while it has tasks, submit nothing more, and remove it when
    the last one has ended. `to_shared`: as of `set_account`.

    Raises:
        AccountNotFound: there is none.
        AccountInUse: it has tasks, or a tenant's waiting jobs would run on shared accounts.
        InvalidInput: the account is in the configuration.
    """
    version = _begin(conn)
    fields, _ = _require(conn, settings, name)
    _check_not_orphaned(conn, settings, name, fields.get("tenants"), (), to_shared)
    tasks = _tasks(conn, name)
    if tasks and not drain:
        advice = f"`reelq accounts remove {name} --drain` removes it when they have ended"
        raise AccountInUse([Problem("account", f"{name} has {tasks} unfinished jobs; {advice}")])
    if tasks:
        conn.execute(_REMOVING, {"name": name})
    else:
        _forget(conn, name)
    what = "account.removing" if tasks else "account.removed"
    decisions.record(conn, _tenant_of(fields.get("tenants")), what, f"account:{name}")
    _publish(conn, version)
    return not tasks


def reencrypt(conn: Connection, settings: Settings) -> tuple[int, list[str]]:
    """Encrypt every key with the first master key: how many were changed, and accounts whose key no master key opens.

    Raises:
        InvalidInput: no master key is set.
    """
    version = _begin(conn)
    try:
        changed, closed = keys.reseal(conn, settings.sealer())
    except CannotOpen as exc:
        raise _no_master_key() from exc
    decisions.record(conn, DEFAULT_TENANT, "account.reencrypted", "accounts", keys=changed)
    _publish(conn, version)
    return changed, closed


def tidy_up(conn: Connection, settings: Settings) -> int:
    """Delete replaced keys that no task needs any more, and accounts that are removed and have no task; returns how
    many of both."""
    book = settings.book
    if not (book.retired_keys or book.removing):
        return 0
    conn.execute(_LOCK)
    done = keys.delete_unused(conn, settings.lease_seconds)
    for name in sorted(book.removing):
        if not _tasks(conn, name):
            _forget(conn, name)
            decisions.record(conn, DEFAULT_TENANT, "account.removed", f"account:{name}")
            done += 1
    if done:
        _publish(conn, _begin(conn))
    return done


def tenants_named(conn: Connection, settings: Settings, name: str) -> list[str] | None:
    """The tenants that an account names, of the configuration or of the database; None: it names none.

    Raises:
        AccountNotFound: there is no such account.
    """
    for account in settings.configured_accounts:
        if account.name == name:
            return None if account.tenants is None else list(account.tenants)
    found = _stored(conn, name)
    if found is None:
        raise AccountNotFound.because(name)
    return found[0].get("tenants")


def _begin(conn: Connection) -> int:
    """Take the next version; other changes wait until this transaction ends."""
    row = conn.execute(_NEXT_VERSION).fetchone()
    assert row is not None  # noqa: S101 - the migration made the row
    return int(row[0])


def _publish(conn: Connection, version: int) -> None:
    """Last, because schedulers skip what is locked."""
    conn.execute(_PUBLISH, {"version": version})


def _forget(conn: Connection, name: str) -> None:
    for statement in _FORGET:
        conn.execute(statement, {"name": name})


def _stored(conn: Connection, name: str) -> tuple[dict[str, Any], int] | None:
    row = conn.execute(_GET, {"name": name}).fetchone()
    return None if row is None else (row[0], row[1])


def _require(conn: Connection, settings: Settings, name: str) -> tuple[dict[str, Any], int]:
    found = _stored(conn, name)
    if found is not None:
        return found
    if any(account.name == name for account in settings.configured_accounts):
        message = f"{name} is in the configuration; change it there, and restart"
        raise _wrong("account", message)
    raise AccountNotFound.because(name)


def _secrets(conn: Connection, settings: Settings, name: str, key_id: int) -> dict[str, str]:
    found = next((key for key in keys.stored_keys(conn) if key.id == key_id), None)
    try:
        return {} if found is None else keys.opened(settings.sealer(), found)
    except CannotOpen as exc:
        raise _wrong("master_key", f"the key of {name} cannot be decrypted: {exc}") from exc


def _add_key(conn: Connection, sealer: Sealer, name: str, secrets: Mapping[str, str]) -> int:
    try:
        return keys.add_key(conn, sealer, name, secrets)
    except CannotOpen as exc:
        raise _no_master_key() from exc


def _no_master_key() -> InvalidInput:
    return _wrong(
        "master_key",
        "is not set, so no key can be stored; make one with `reelq accounts master-key`, and set it as "
        "REELQ_MASTER_KEY or REELQ_MASTER_KEY_FILE for every process",
    )


def _check_fields(fields: Mapping[str, Any]) -> None:
    for field in fields:
        if field in _ENV:
            raise _wrong(field, "cannot be stored: give the secret itself, which is encrypted")
        if field not in FIELDS:
            raise _wrong(field, f"is not a field that can be set; those are {', '.join(sorted(FIELDS))}")
    if "@" in urlsplit(str(fields.get("base_url") or "")).netloc:
        raise _wrong("base_url", "must not contain a user or a password")


def _check_idle(conn: Connection, name: str, why: str) -> None:
    if tasks := _tasks(conn, name):
        raise AccountInUse([Problem("account", f"{name} has {tasks} unfinished jobs; {why}")])


def _check_not_orphaned(
    conn: Connection, settings: Settings, name: str, before: Any, after: tuple[str, ...] | None, to_shared: bool
) -> None:
    """Check that no tenant loses its last account while it has waiting jobs: they would run on shared accounts."""
    lost = set(before or ()) - set(after or ()) - {EVERY_TENANT}
    others = [*_tenants_of_others(conn, name), *(a.tenants or () for a in settings.configured_accounts)]
    for tenant in sorted(lost.difference(*others)):
        row = conn.execute(_WAITING, {"tenant": tenant}).fetchone()
        if row is not None and row[0] and not to_shared:
            message = (
                f"{tenant} has no other account of its own, so its {row[0]} waiting jobs would run on shared accounts; "
                f"pause {name} instead, or say so with --to-shared"
            )
            raise AccountInUse([Problem("account", message)])


def _tenants_of_others(conn: Connection, name: str) -> list[list[str]]:
    rows = conn.execute("SELECT settings -> 'tenants' FROM accounts WHERE name <> %s", [name]).fetchall()
    return [row[0] or [] for row in rows]


def _tasks(conn: Connection, name: str) -> int:
    row = conn.execute(_TASKS, {"name": name}).fetchone()
    return 0 if row is None else int(row[0])


def _record(conn: Connection, what: str, account: Account, **detail: Any) -> None:
    decisions.record(conn, _tenant_of(account.tenants), what, f"account:{account.name}", **detail)


def _tenant_of(tenants: Any) -> str:
    """Whose decision it is: that of the only tenant of the account, else the operator's."""
    only = list(tenants or ())
    return only[0] if len(only) == 1 and only[0] != EVERY_TENANT else DEFAULT_TENANT


def _shown(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"fields": {field: value for field, value in fields.items() if field not in SECRETS}}


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput([Problem(field, message)])
