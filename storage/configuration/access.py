"""The settings that say where the API is reached from outside, and who may use it."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from storage.addresses.own import is_loopback


class AccessSettings(BaseModel):
    """What `Settings` has about access."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    public_url: str | None = None
    """The URL at which gateways reach our callbacks, and clients the API. If its host is not a loopback name, programs
    on this machine need a key too: a proxy on this machine could pass for one of them."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """The addresses or networks (CIDR) of our own proxies, whose `X-Forwarded-For`, `-Proto` and `-Host` are believed.
    Others' are not. If any is set, every request needs a key."""
    own_urls: tuple[str, ...] = ()
    """URLs of our own services that no other setting names, such as Flower's: webhooks never reach them, nor the
    database, the broker, the store, `public_url` and the gateways. `reelq up` adds what it starts."""
    flower_url: str | None = None
    """The URL at which operators reach Flower: the page links each step of a job to the task that made it."""
    api_require_keys: bool = False
    """Require a key from programs on this machine too. Programs on other machines always need one."""
    api_key: Annotated[SecretStr, Field(min_length=20)] | None = None
    """The operator's API key, in addition to those in the database: tenant `default`, every scope. For the first start
    in a container, where `reelq keys create --name NAME` cannot be run before."""

    api_requests_per_minute: Annotated[int, Field(ge=0, le=10_000_000)] = 60_000
    """How many requests with a key each tenant may send per minute to each API process; a tenth of them may come at
    once. 0: no limit. Programs on this machine without a key have none."""

    @field_validator("public_url", "flower_url", mode="after")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if not value:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be http:// or https:// and a host, such as https://reelq.example.com")
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _read_proxies(cls, value: Any) -> Any:
        parts = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            raise ValueError('must be a list of addresses or networks, such as ["127.0.0.1", "10.0.0.0/8"]')
        try:
            return tuple(ip_network(part) for part in parts)
        except ValueError as exc:
            raise ValueError(f"{exc}; give addresses or networks, such as 127.0.0.1 or 10.0.0.0/8") from None

    @field_validator("own_urls", mode="before")
    @classmethod
    def _read_urls(cls, value: Any) -> Any:
        urls = value.replace(",", " ").split() if isinstance(value, str) else value
        if isinstance(urls, list | tuple) and all("://" in str(url) for url in urls):
            return tuple(urls)
        raise ValueError('must be a list of URLs, such as ["http://127.0.0.1:5555"]')

    @property
    def keys_for_all(self) -> bool:
        """Whether the settings themselves ask for a key from every program, also on this machine."""
        return self.api_require_keys or bool(self.trusted_proxies) or self._is_published()

    def _is_published(self) -> bool:
        """Whether `public_url` leads here from other machines."""
        return self.public_url is not None and not is_loopback(urlsplit(self.public_url).hostname or "")
