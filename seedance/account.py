"""One account at one gateway, as the configuration gives it."""

from __future__ import annotations

import os
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from seedance.gateways.registry import GATEWAY_NAMES
from seedance.problems import InvalidInput, Problem, shorten


def _check_base_url(value: str) -> str:
    if not value.startswith(("http://", "https://")) or any(c.isspace() for c in value):
        raise ValueError("must be an http(s) URL")
    return value.rstrip("/")


def _check_gateway(value: str) -> str:
    if value not in GATEWAY_NAMES:
        raise ValueError(f"must be one of {', '.join(sorted(GATEWAY_NAMES))}, not {shorten(value)}")
    return value


class Account(BaseModel):
    """A gateway account: where it is, its key, and how much it may be used at once.

    Either `api_key` or `api_key_env` (the environment variable that holds it) must be given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
    gateway: Annotated[str, AfterValidator(_check_gateway)]
    base_url: Annotated[str, AfterValidator(_check_base_url)] | None = None
    """None: the gateway's own."""
    api_key: SecretStr | None = None
    api_key_env: str | None = None
    max_in_flight: Annotated[int, Field(ge=1, le=100_000)] = 10
    """Generations at once."""
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """POSTs that start a generation, in any 60 s. None: no limit of ours; the gateway's 429 slows us down."""
    callbacks: bool = False

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if (self.api_key is None) == (self.api_key_env is None):
            raise ValueError("give exactly one of api_key and api_key_env")
        return self

    def key(self) -> str:
        """The secret itself; for the Authorization header only.

        Raises:
            InvalidInput: the environment variable is not set, or the key cannot stand in a header.
        """
        if self.api_key is not None:
            field, key = "api_key", self.api_key.get_secret_value()
        else:
            field, key = "api_key_env", os.environ.get(self.api_key_env or "", "")
            if not key:
                raise InvalidInput(
                    [
                        Problem(
                            f"accounts.{self.name}.{field}",
                            f"{self.api_key_env} is not set in the environment",
                        )
                    ]
                )
        if not key or not key.isascii() or not key.isprintable() or key != key.strip():
            raise InvalidInput(
                [Problem(f"accounts.{self.name}.{field}", "is empty, or holds blanks or control characters")]
            )
        return key
