"""The bodies of requests about accounts. Secrets are accepted and never returned."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictBool

from seedance.account import MAX_IN_FLIGHT, MAX_PER_MINUTE

_MAX_ITEMS = 1_000
_MAX_URL_CHARS = 2_000
Word = Annotated[str, Field(max_length=200)]
PerMinute = Annotated[int, Field(ge=1, le=MAX_PER_MINUTE)]
_KEY = "The account's key at the gateway; it is encrypted and never shown."


class _Secrets(BaseModel):
    """The secrets of an account."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    user_token: Annotated[
        SecretStr | None, Field(description="The access token of the user, for lists at new-api gateways.")
    ] = None
    webhook_secret: Annotated[SecretStr | None, Field(description="With which the gateway signs callbacks.")] = None

    def secrets(self) -> dict[str, str]:
        """Those that are given, by field."""
        names = ("api_key", "user_token", "webhook_secret")
        given = {name: getattr(self, name, None) for name in names}
        return {name: value.get_secret_value() for name, value in given.items() if value is not None}


class AccountFields(BaseModel):
    """The fields of an account that can change. Those that are left out stay; null removes one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    tenants: Annotated[
        Annotated[list[Word], Field(max_length=_MAX_ITEMS)] | None,
        Field(description="Whose jobs it may serve; `*`: every tenant that no account names. Operators only."),
    ] = None
    max_in_flight: Annotated[
        Annotated[int, Field(ge=1, le=MAX_IN_FLIGHT)] | None, Field(description="Jobs at once.")
    ] = None
    requests_per_minute: PerMinute | None = None
    polls_per_minute: PerMinute | None = None
    callbacks: StrictBool | None = None
    default_model: Word | None = None
    user_id: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    base_url: Annotated[
        Annotated[str, Field(max_length=_MAX_URL_CHARS)] | None, Field(description="Operators only.")
    ] = None
    models: Annotated[dict[str, Any] | None, Field(description="As `[accounts.models]`. Operators only.")] = None
    rates: Annotated[
        Annotated[list[dict[str, Any]], Field(max_length=_MAX_ITEMS)] | None,
        Field(description="What it pays. Operators only."),
    ] = None

    def fields(self) -> dict[str, Any]:
        """Those that are given."""
        return self.model_dump(exclude_unset=True, include=set(AccountFields.model_fields))


class NewAccount(AccountFields, _Secrets):
    """An account to add."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "acme.main", "gateway": "ark", "api_key": "KEY", "tenants": ["acme"]}]}
    )

    name: Annotated[Word, Field(description="A tenant's admin begins it with the tenant's name and a dot.")]
    gateway: Word
    api_key: Annotated[SecretStr, Field(description=_KEY)]


class AccountChange(AccountFields):
    """Changes of an account."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"max_in_flight": 20}]})


class NewAccountKey(_Secrets):
    """New secrets of an account. Those that are left out stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"api_key": "KEY"}]})

    api_key: Annotated[SecretStr, Field(description=_KEY)]
    revoked: Annotated[
        StrictBool,
        Field(description="The old key does not work any more: tasks in flight use the new one, too."),
    ] = False
    other_project: Annotated[
        StrictBool, Field(description="It belongs to another project, which does not know uploaded assets.")
    ] = False


ACCOUNT_BODIES = (NewAccount, AccountChange, NewAccountKey)
