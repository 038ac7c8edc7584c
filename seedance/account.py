"""An account at a gateway, as configured."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from seedance.gateways.base import CallbackProof, Dialect
from seedance.gateways.registry import DIALECTS, GATEWAY_NAMES
from seedance.pricing import Rate
from seedance.problems import InvalidInput, Problem, shorten
from seedance.request import Tier

MAX_IN_FLIGHT, MAX_PER_MINUTE = 100_000, 1_000_000
"""The most that an account's limits may be."""
EVERY_TENANT = "*"
"""Among the tenants of an account: every tenant that no account names."""
TenantName = Annotated[str, Field(pattern=r"^(\*|[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?)$")]


def _check_base_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not any(c.isspace() for c in value)
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must be an http(s) URL")
    if parts.username is not None:  # it would be sent in place of the key
        raise ValueError("must have no user and password: the gateway takes its key in that place")
    if parts.query or parts.fragment:
        raise ValueError("must end with its path: each call adds its own to it")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def _check_gateway(value: str) -> str:
    if value not in GATEWAY_NAMES:
        raise ValueError(f"must be one of {', '.join(sorted(GATEWAY_NAMES))}, not {shorten(value)}")
    return value


class Account(BaseModel):
    """A gateway account: its address, its key and its limits.

    Give either `api_key` or `api_key_env`, the environment variable that holds it. `user_token` (or `user_token_env`)
    and `user_id` go together: give both or neither.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
    """Its name in jobs, lists and metrics. Tasks in flight keep it: do not give it to another account."""
    gateway: Annotated[str, AfterValidator(_check_gateway)]
    """The gateway whose API it speaks; docs/gateways.md lists them."""
    base_url: Annotated[str, AfterValidator(_check_base_url)] | None = None
    """The address of its API. None: the gateway's default."""
    api_key: SecretStr | None = None
    """The key itself. Better: `api_key_env`, so that the file holds no secret."""
    api_key_env: str | None = None
    """The environment variable that holds the key; its name with `_FILE` may name a file instead."""
    user_token: SecretStr | None = None
    """The access token of the account's user at a new-api gateway (from its dashboard, personal settings). The gateway
    lists the user's tasks with it. None: no lists are requested."""
    user_token_env: str | None = None
    """The environment variable that holds the user's access token."""
    user_id: Annotated[int, Field(ge=1)] | None = None
    """The number of that user."""
    max_in_flight: Annotated[int, Field(ge=1, le=MAX_IN_FLIGHT)] = 10
    """Generations at once."""
    requests_per_minute: Annotated[int, Field(ge=1, le=MAX_PER_MINUTE)] | None = None
    """POSTs that start a generation, in any 60 s. None: no limit of ours, only the gateway's 429."""
    polls_per_minute: Annotated[int, Field(ge=1, le=MAX_PER_MINUTE)] | None = None
    """Task queries in any 60 s; due polls beyond that wait. None: no limit of ours."""
    callbacks: bool = False
    """Ask the gateway to call `public_url` when a task ends, where it can; its tasks are then polled rarely."""
    webhook_secret: SecretStr | None = None
    """The secret with which the gateway signs callbacks (openrouter, kie). None: the token in each callback URL, which
    is unguessable, suffices."""
    webhook_secret_env: str | None = None
    """The environment variable that holds this secret."""
    webhook_keys_url: Annotated[str, AfterValidator(_check_base_url)] | None = None
    """Where the keys are that verify callbacks (fal). None: the gateway's own address if `base_url` is the gateway's
    own too, else callbacks are not verified."""
    models: dict[str, str | dict[str, Any]] = Field(default_factory=dict)
    """By tier or neutral name, the gateway's own name of the model, or a table with `id`, `like` (the model that it
    resembles) and every field of the row that differs. If a tier is named, one left out is not available; empty: the
    gateway's documented names."""
    default_model: str | None = None
    """The neutral name of the model for jobs that name neither a model nor a tier. None: that of the standard tier."""
    rates: tuple[Rate, ...] = ()
    """What this account pays; wins over the published prices. `gateway` may be left out."""
    assets: bool | None = None
    """Whether local files become assets of the gateway, which bills each upload. None: where the gateway has them, but
    links to our bucket where the key may not create them. True: never links. False: never assets."""

    tenants: Annotated[tuple[TenantName, ...], Field(min_length=1)] | None = None
    """The tenants whose jobs it may serve; `*` among them stands for every tenant that no account names. None: the same
    as `*` alone. A tenant that some account names is served only by accounts that name it."""

    _default_model: str | None = PrivateAttr(default=None)
    _key_id: int | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _name_gateway_in_rates(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or not isinstance(fields.get("rates"), list | tuple):
            return fields
        own = {"gateway": fields.get("gateway")}
        return fields | {"rates": [own | rate if isinstance(rate, dict) else rate for rate in fields["rates"]]}

    @model_validator(mode="after")
    def _check_against_gateway(self) -> Self:
        for problem in self._gateway_problems():
            raise PydanticCustomError("reelq_field", "{message}", {"field": problem.field, "message": problem.message})
        return self

    def _gateway_problems(self) -> Iterator[Problem]:
        where = f"accounts.{self.name}"
        dialect = DIALECTS[self.gateway]
        if self.base_url is None and dialect.default_base_url is None:
            yield Problem(f"{where}.base_url", f"is required: {self.gateway} publishes no address")
        try:
            own = dialect.with_models(self.models, base_url=self.base_url)
        except InvalidInput as exc:
            yield from (Problem(f"{where}.{problem.field}", problem.message) for problem in exc.problems)
        else:
            if self.default_model is not None and self.default_model not in own.catalog.models:
                sold = ", ".join(own.catalog.models)
                yield Problem(f"{where}.default_model", f"must be one of {sold}, not {shorten(self.default_model)}")
        if self.assets and not dialect.capabilities().assets:
            yield Problem(f"{where}.assets", f"{self.gateway} takes no assets through its API")
        limits = dialect.capabilities().list_limits
        if self.user_id is not None and not (limits is not None and limits.needs_user):
            yield Problem(f"{where}.user_id", f"must be left out: {self.gateway} does not list tasks by user token")
        yield from self._webhook_problems(where, dialect)
        for index, rate in enumerate(self.rates):
            if rate.gateway != self.gateway:
                yield Problem(f"{where}.rates[{index}].gateway", f"must be {self.gateway}, or left out")

    def _webhook_problems(self, where: str, dialect: Dialect) -> Iterator[Problem]:
        secret = self.webhook_secret is not None or self.webhook_secret_env is not None
        if secret and dialect.callback_proof is not CallbackProof.SECRET:
            yield Problem(f"{where}.webhook_secret", f"must be left out: {self.gateway} signs nothing with a secret")
        if self.webhook_keys_url is not None and dialect.callback_proof is not CallbackProof.PUBLISHED:
            yield Problem(f"{where}.webhook_keys_url", f"must be left out: {self.gateway} publishes no keys")

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if (self.api_key is None) == (self.api_key_env is None):
            raise ValueError("give exactly one of api_key and api_key_env")
        if self.user_token is not None and self.user_token_env is not None:
            raise ValueError("give at most one of user_token and user_token_env")
        if self.webhook_secret is not None and self.webhook_secret_env is not None:
            raise ValueError("give at most one of webhook_secret and webhook_secret_env")
        if (self.user_token is None and self.user_token_env is None) != (self.user_id is None):
            raise ValueError("give user_token (or user_token_env) and user_id together, or neither")
        return self

    @cached_property
    def dialect(self) -> Dialect:
        """The dialect of its gateway, with the models of this account."""
        return DIALECTS[self.gateway].with_models(
            self.models, base_url=self.base_url, default_model=self.default_model or self._default_model
        )

    def with_default_model(self, name: str) -> Self:
        """A copy whose jobs get this model if they name none, unless the account has a default of its own. Where it is
        not sold, the account cannot serve such jobs."""
        copy = self.model_copy()
        copy.__dict__.pop("dialect", None)
        copy._default_model = name
        return copy

    def with_key_id(self, key_id: int) -> Self:
        """A copy that knows under which number the database keeps its key."""
        copy = self.model_copy()
        copy._key_id = key_id
        return copy

    @property
    def key_id(self) -> int | None:
        """The number under which the database keeps its key; None: it is in the settings."""
        return self._key_id

    @property
    def named_tenants(self) -> frozenset[str]:
        """The tenants that it names."""
        return frozenset(self.tenants or ()) - {EVERY_TENANT}

    @property
    def shared(self) -> bool:
        """Whether it serves every tenant that no account names."""
        return self.tenants is None or EVERY_TENANT in self.tenants

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers this account can serve."""
        return tuple(self.dialect.capabilities().tiers)

    @property
    def can_list(self) -> bool:
        """Whether the gateway lists this account's tasks; new-api gateways do so only with `user_token`."""
        limits = self.dialect.capabilities().list_limits
        return limits is not None and (not limits.needs_user or self.user_id is not None)

    def key(self) -> str:
        """The API key; for the Authorization header only.

        Raises:
            InvalidInput: the environment variable is not set, or the key is not valid in a header.
        """
        return self._secret("api_key", self.api_key, self.api_key_env)

    def user(self) -> tuple[str, str] | None:
        """The user's access token (for a header only) and number; None where the account has none.

        Raises:
            InvalidInput: as `key`.
        """
        if self.user_id is None:
            return None
        return self._secret("user_token", self.user_token, self.user_token_env), str(self.user_id)

    def callback_secret(self) -> str | None:
        """The secret with which the gateway signs callbacks; None where the account has none.

        Raises:
            InvalidInput: as `key`.
        """
        if self.webhook_secret is None and self.webhook_secret_env is None:
            return None
        return self._secret("webhook_secret", self.webhook_secret, self.webhook_secret_env)

    @property
    def callback_keys_url(self) -> str | None:
        """Where the keys are that verify the gateway's callbacks; None: nothing verifies them."""
        own = self.base_url in (None, self.dialect.default_base_url)
        return self.webhook_keys_url or (self.dialect.callback_keys_url if own else None)

    def _secret(self, field: str, value: SecretStr | None, env: str | None) -> str:
        if value is not None:
            secret = value.get_secret_value()
        else:
            field, secret = f"{field}_env", _from_environment(env or "")
            if not secret:
                message = f"{env} is not set in the environment, nor {env}_FILE with the path of a file that has it"
                raise InvalidInput([Problem(f"accounts.{self.name}.{field}", message)])
        if not secret or not secret.isascii() or not secret.isprintable() or secret != secret.strip():
            message = "is empty, or has spaces around it, control characters or characters beyond ASCII"
            raise InvalidInput([Problem(f"accounts.{self.name}.{field}", message)])
        return secret


def _from_environment(name: str) -> str:
    """The variable, or the text of the file that `NAME_FILE` names, as orchestrators hand secrets over; "" if neither
    is there."""
    if value := os.environ.get(name, ""):
        return value
    try:
        return Path(path).read_text("utf-8").strip() if (path := os.environ.get(f"{name}_FILE")) else ""
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "is not UTF-8"
        raise InvalidInput([Problem(f"{name}_FILE", f"{path} cannot be read: {reason}")]) from exc


def account_named(name: str, accounts: Sequence[Account]) -> Account:
    """The account with a name.

    Raises:
        InvalidInput: none of the accounts has it.
    """
    account = next((account for account in accounts if account.name == name), None)
    if account is None:
        raise unknown_account(name, [account.name for account in accounts])
    return account


def unknown_account(name: str, known: Iterable[str]) -> InvalidInput:
    """That none of the known accounts has a name."""
    return InvalidInput([Problem("account", f"{name!r} is not configured; there is {', '.join(known) or 'none'}")])


def at_same_address(accounts: Sequence[Account], name: str) -> list[str]:
    """The names of the accounts at the same gateway and address as that one, itself among them: whatever their keys
    are, the same task may be listed for all of them."""
    own = next((account for account in accounts if account.name == name), None)
    if own is None:
        return [name]
    return [account.name for account in accounts if _address(account) == _address(own)]


def _address(account: Account) -> tuple[str, str | None]:
    return account.gateway, account.base_url or account.dialect.default_base_url
