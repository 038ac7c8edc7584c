"""The settings of the way out: proxy, certificate authorities, and networks that count as public."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, field_validator

from seedance.network.allowed import Network, parse_network
from seedance.network.outbound import Outbound, read_outbound
from seedance.network.proxies import NONE, parse_proxy


def _networks(value: Any) -> Any:
    if isinstance(value, str):
        value = [item for item in re.split(r"[,\s]+", value) if item]
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of networks such as 198.18.0.0/15")
    return tuple(parse_network(item) if isinstance(item, str) else item for item in value)


Networks = Annotated[tuple[Network, ...], BeforeValidator(_networks)]


class AllowedNetworks(BaseModel):
    """Networks whose addresses count as public when they come from a name, by purpose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    downloads: Networks = ()
    """For videos that gateways offer, and files that jobs name."""
    webhooks: Networks = ()
    """For deliveries of webhooks."""


class NetworkSettings(BaseModel):
    """The part of `Settings` that says how others are reached over HTTP."""

    proxy: SecretStr | None = None
    """The proxy for gateways, downloads, the store and webhooks, such as `http://user:password@proxy.example:3128`.
    None: what `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` say. `none`: no proxy. `NO_PROXY` counts in any case."""
    ca_file: str | None = None
    """A PEM file with certificate authorities that count in addition to the system's."""
    allowed_networks: AllowedNetworks = AllowedNetworks()
    """Networks that count as public when a name leads there, such as 198.18.0.0/15 of a fake-IP resolver. A list is for
    downloads and webhooks alike; a table has a list for each. As a variable: with commas, or JSON."""

    @field_validator("proxy", mode="after")
    @classmethod
    def _check_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value().strip():
            return None
        text = value.get_secret_value().strip()
        if text.lower() == NONE:
            return SecretStr(NONE)
        parse_proxy(text)
        return SecretStr(text)

    @field_validator("ca_file", mode="after")
    @classmethod
    def _expand(cls, value: str | None) -> str | None:
        return os.path.abspath(os.path.expanduser(value)) if value else None

    @field_validator("allowed_networks", mode="before")
    @classmethod
    def _for_each_purpose(cls, value: Any) -> Any:
        if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
            value = json.loads(value)
        if isinstance(value, Mapping | AllowedNetworks):
            return value
        networks = _networks(value)
        return AllowedNetworks(downloads=networks, webhooks=networks)

    def outbound(self, environ: Mapping[str, str] = os.environ) -> Outbound:
        """How others are reached over HTTP, by these settings and the environment.

        Raises:
            InvalidInput: a proxy or a file of the environment cannot be used, or `ca_file`.
        """
        proxy = self.proxy.get_secret_value() if self.proxy is not None else None
        return read_outbound(environ, proxy, self.ca_file)
