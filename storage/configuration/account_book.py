"""The accounts of one moment: those of the configuration, and those that the database keeps. Pure.

`AccountSettings` is the part of `Settings` about accounts. Processes replace their settings when the database's version
of the accounts changes; see `storage.accounts.live`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr, ValidationInfo, field_validator

from seedance.account import EVERY_TENANT, Account
from storage.configuration.account_models import with_default_model
from storage.sealing import Sealer, master_key_bytes


@dataclass(frozen=True, slots=True)
class AccountBook:
    """What the database says about accounts. `version` grows with each change."""

    version: int = 0
    accounts: tuple[Account, ...] = ()
    """The stored accounts that can be used, with the keys of new jobs."""
    by_key: Mapping[int, Account] = field(default_factory=dict)
    """The same accounts with each of their stored keys, by its number."""
    paused: frozenset[str] = frozenset()
    """Accounts, also of the configuration, that get no new job."""
    removing: frozenset[str] = frozenset()
    """Of those, stored accounts that are deleted when their last task has ended."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Stored accounts that cannot be used, and why: the key cannot be decrypted, or the settings are not valid here."""
    unusable_tenants: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    """The `tenants` of each unusable account."""
    tenants: frozenset[str] = frozenset()
    """Tenants that stored accounts name, whether those can be used or not."""
    retired_keys: bool = False
    """Whether some account has a replaced key."""


@dataclass(frozen=True, slots=True)
class Serves:
    """The tenants that an account may serve: `only` these (None: all) except `besides`."""

    only: frozenset[str] | None = None
    besides: frozenset[str] = frozenset()

    def __contains__(self, tenant: str) -> bool:
        return (self.only is None or tenant in self.only) and tenant not in self.besides


class AccountSettings(BaseModel):
    """What `Settings` has about accounts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default_model: str | None = None
    """The neutral name of the model for jobs that name neither a model nor a tier, at accounts without a default of
    their own. None: the model of the account's standard tier. Where it is not sold, such jobs are not served."""
    models_file: Path | None = None
    """A TOML file with more models, by gateway: each table is as `[accounts.models]`, for every account there."""
    accounts: tuple[Account, ...] = ()
    """The accounts, in the order in which they are tried: those of the configuration, then those of the database."""
    master_key: SecretStr | None = None
    """The key that encrypts the keys of accounts in the database; `reelq accounts master-key` makes one. To replace it,
    set two with a space between, the new one first, and run `reelq accounts reencrypt`."""

    _book: AccountBook = PrivateAttr(default_factory=AccountBook)
    _configured: tuple[Account, ...] | None = PrivateAttr(default=None)
    _every: tuple[Account, ...] | None = PrivateAttr(default=None)
    _unusable: Mapping[str, str] | None = PrivateAttr(default=None)
    _views: dict[str, Any] = PrivateAttr(default_factory=dict)
    _named: frozenset[str] | None = PrivateAttr(default=None)

    @field_validator("accounts", mode="after")
    @classmethod
    def _set_default_model(cls, value: tuple[Account, ...], info: ValidationInfo) -> tuple[Account, ...]:
        return with_default_model(value, info.data.get("default_model"))

    @field_validator("master_key", mode="after")
    @classmethod
    def _check_master_key(cls, value: SecretStr | None) -> SecretStr | None:
        for key in [] if value is None else value.get_secret_value().split():
            try:
                master_key_bytes(key)
            except ValueError as exc:
                raise ValueError(f"{exc}; `reelq accounts master-key` makes one") from None
        return value

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, as of any model; with other `accounts`, those are all there are."""
        copy = super().model_copy(update=update, deep=deep)
        copy._views, copy._named = {}, None
        if update is not None and "accounts" in update:
            copy._configured, copy._every = None, None
        return copy

    def sealer(self) -> Sealer:
        """Encrypts and decrypts keys of accounts, with the master keys that are set."""
        return Sealer([] if self.master_key is None else self.master_key.get_secret_value().split())

    @property
    def book(self) -> AccountBook:
        """What the database said about accounts when these settings were made."""
        return self._book

    @property
    def whole(self) -> Self:
        """The settings that these are one tenant's part of."""
        return cast("Self", self._views.get("", self))

    @property
    def configured_accounts(self) -> tuple[Account, ...]:
        """The accounts of the configuration alone."""
        return self.accounts if self._configured is None else self._configured

    @property
    def every_account(self) -> tuple[Account, ...]:
        """The accounts of all tenants, also in the settings of one."""
        return self.accounts if self._every is None else self._every

    def with_book(self, book: AccountBook) -> Self:
        """These settings with the accounts of the database too. A name of the configuration hides the same one of the
        database, whose tasks keep their keys."""
        own = self.configured_accounts
        names = {account.name for account in own}
        stored = tuple(account for account in book.accounts if account.name not in names)
        copy = self.model_copy(update={"accounts": own + stored})
        copy._book, copy._configured = book, own
        return copy

    def account(self, name: str) -> Account | None:
        """The account with this name; None: there is none."""
        return next((account for account in self.accounts if account.name == name), None)

    def account_with_key(self, name: str, key_id: int | None) -> Account | None:
        """The account with the key that a task was submitted with, or with its present key if that one is gone."""
        known = None if key_id is None else self._book.by_key.get(key_id)
        return known if known is not None and known.name == name else self.account(name)

    def accounts_named(self, name: str) -> list[Account]:
        """The account of this name with its present key, then with each earlier one that is still stored."""
        present = self.account(name)
        others = [account for account in self._book.by_key.values() if account.name == name and account != present]
        return others if present is None else [present, *others]

    @property
    def unusable_accounts(self) -> Mapping[str, str]:
        """The stored accounts that would serve these jobs and cannot be used, and why; of all tenants, or of the one
        whose settings these are."""
        return self._book.unusable if self._unusable is None else self._unusable

    def serves(self, account: Account) -> Serves:
        """The tenants whose jobs the account may serve.

        A tenant that an account names uses only accounts that name it: so its jobs never run on another's money, also
        while its own account is paused or cannot be used.
        """
        return self._serves(account.tenants)

    def _serves(self, tenants: tuple[str, ...] | None) -> Serves:
        mine = frozenset(tenants or ()) - {EVERY_TENANT}
        if tenants is not None and EVERY_TENANT not in tenants:
            return Serves(only=mine)
        if self._named is None:
            self._named = self._book.tenants.union(*(other.named_tenants for other in self.every_account))
        return Serves(besides=self._named - mine)

    def for_tenant(self, tenant: str) -> Self:
        """These settings as they are for a tenant: other tenants' accounts do not exist."""
        if not self._book.tenants and all(account.tenants is None for account in self.every_account):
            return self
        if tenant not in self._views:
            mine = tuple(account for account in self.every_account if tenant in self.serves(account))
            view = self.model_copy(update={"accounts": mine})
            view._unusable = {
                name: why
                for name, why in self._book.unusable.items()
                if tenant in self._serves(self._book.unusable_tenants.get(name))
            }
            self._views.setdefault("", self)
            view._configured, view._every, view._views = self.configured_accounts, self.every_account, self._views
            self._views[tenant] = view  # shared by all views: a tenant's own view of its view is the same
        return cast("Self", self._views[tenant])
