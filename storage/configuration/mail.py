"""The settings of mail: the server that takes it, and how it is written."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr, field_validator, model_validator

from storage.addresses.mail import address_problem, split_sender

_PORTS = {"smtp": 587, "smtps": 465}
Starttls = Literal["auto", "always", "never"]


class SmtpServer(BaseModel):
    """A server that takes mail. `tls`: the connection begins with TLS (`smtps`)."""

    host: str
    port: int
    tls: bool
    user: str | None


def parse_smtp_url(url: str) -> SmtpServer:
    """The server that a URL names: `smtp://user@host:587` or `smtps://user@host`.

    Raises:
        ValueError: it is no such URL, or it has a password.
    """
    form = "must be smtp://[user@]host[:port] or smtps://[user@]host[:port]"
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise ValueError(form) from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(form)
    if parts.password is not None:
        raise ValueError("must not have the password; set smtp_password")
    user = unquote(parts.username) if parts.username else None
    if user is not None and not user.isprintable():
        raise ValueError(form)
    return SmtpServer(host=parts.hostname, port=port or _PORTS[parts.scheme], tls=parts.scheme == "smtps", user=user)


class MailSettings(BaseModel):
    """The part of `Settings` about mail."""

    smtp_url: str | None = None
    """The server that takes mail: `smtp://user@mail.example:587`, or `smtps://…` for TLS from the first byte. The user
    is percent-encoded: `anna%40shop.example`. None: no mail is sent."""
    smtp_password: SecretStr | None = None
    """The password of that user."""
    smtp_from: str | None = None
    """The sender: `reelq@shop.example`, or `reelq <reelq@shop.example>`. Needed with `smtp_url`."""
    smtp_starttls: Starttls = "auto"
    """With `smtp://`: `auto`: encrypt if the server offers it, and never send a password otherwise; `always`: send
    nothing unencrypted; `never`: for a server on this machine without certificates."""
    mail_language: Literal["en", "zh"] = "en"
    """The language of mail."""

    @field_validator("smtp_url", mode="after")
    @classmethod
    def _check_smtp_url(cls, value: str | None) -> str | None:
        if not value:
            return None
        parse_smtp_url(value)
        return value.strip()

    @field_validator("smtp_from", mode="after")
    @classmethod
    def _check_smtp_from(cls, value: str | None) -> str | None:
        if not value:
            return None
        if (problem := address_problem(split_sender(value)[1])) is not None:
            raise ValueError(problem)
        return value.strip()

    @model_validator(mode="after")
    def _check_mail(self) -> Self:
        if self.smtp_url is not None and self.smtp_from is None:
            raise ValueError("smtp_url needs smtp_from, the address that sends")
        server = self.smtp_server
        if server is not None and server.user is not None and self.smtp_password is None:
            raise ValueError("smtp_url has a user; set smtp_password, or take the user away")
        return self

    @property
    def smtp_server(self) -> SmtpServer | None:
        """The server that takes mail; None: none is configured."""
        return None if self.smtp_url is None else parse_smtp_url(self.smtp_url)
