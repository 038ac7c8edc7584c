"""docs/configuration.md as text."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from seedance.account import Account
from seedance.pricing import Rate
from storage.configuration.access import AccessSettings
from storage.configuration.account_book import AccountSettings
from storage.configuration.logs import LogSettings
from storage.configuration.mail import MailSettings
from storage.configuration.network import AllowedNetworks, NetworkSettings
from storage.configuration.secrets import SecretSettings
from storage.configuration.store import StoreSettings
from storage.settings import Settings
from tools.configuration.fields import Key, as_toml, keys_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"
EXAMPLE = ROOT / "examples" / "reelq.toml"
SINCE = Path(__file__).with_name("since.toml")
NEXT = "next release"
TABLES: Mapping[str, type[BaseModel]] = {
    "": Settings,
    "allowed_networks.": AllowedNetworks,
    "accounts.": Account,
    "accounts.rates.": Rate,
}
"""What has keys, by the beginning of their names."""

_SERVERS, _WORK, _VIDEOS, _HOUSEKEEPING = "Database and broker", "Jobs and polls", "Videos", "Housekeeping"
_BY_CLASS: Mapping[type[BaseModel], str] = {
    SecretSettings: _SERVERS,
    StoreSettings: "Object store",
    AccessSettings: "Access to the API",
    NetworkSettings: "Networks",
    MailSettings: "Mail",
    LogSettings: "Logs",
    AccountSettings: "Accounts and models",
}
_BY_BEGINNING = {
    "database_": _SERVERS,
    "broker_": _SERVERS,
    "allow_private_": "Networks",
    "webhook_": "Webhooks",
    "poster": _VIDEOS,
    "sidecar": _VIDEOS,
    "playable_": _VIDEOS,
    "transfer_": _VIDEOS,
    "keep_": _HOUSEKEEPING,
    "uploads_": _HOUSEKEEPING,
    "alive_": _HOUSEKEEPING,
}
"""Of the keys that `Settings` itself has; every other one is in "Jobs and polls"."""
_ORDER = (
    "Accounts and models",
    _SERVERS,
    "Object store",
    "Access to the API",
    "Networks",
    _WORK,
    _VIDEOS,
    "Webhooks",
    "Mail",
    "Logs",
    _HOUSEKEEPING,
)


def page() -> str:
    """The whole page."""
    example = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    since = _since()
    parts = [_text("introduction")]
    sections: dict[str, list[Key]] = {title: [] for title in _ORDER}
    for key in keys_of(Settings):
        sections[_section(key)].append(key)
    for title, keys in sections.items():
        parts.append(f"## {title}\n")
        parts.extend(_entry(key, key.name, since, example.get(key.name), table="") for key in keys)
        if title == "Networks":
            parts.extend(_table("allowed_networks", AllowedNetworks, since, example["allowed_networks"], "[%s]", "###"))
    accounts: list[dict[str, Any]] = example["accounts"]
    parts.extend(_table("accounts", Account, since, _merged(accounts), "[[%s]]", "##"))
    rates = [rate for account in accounts for rate in account.get("rates", ())]
    parts.extend(_table("accounts.rates", Rate, since, _merged(rates), "[[%s]]", "##"))
    parts.append(_text("variables"))
    return "\n".join(parts)


def unlisted() -> list[str]:
    """The keys of which since.toml does not say which release brought them."""
    names = [prefix + key.name for prefix, model in TABLES.items() for key in keys_of(model)]
    return [name for name in names if name not in _since()]


def list_under(release: str) -> None:
    """Write into since.toml that this release brought every key that is not listed.

    Raises:
        ValueError: since.toml has this release.
    """
    if release in tomllib.loads(SINCE.read_text(encoding="utf-8")):
        raise ValueError(f"{SINCE.name} has {release} already; add the keys there by hand: {', '.join(unlisted())}")
    lines = "".join(f'  "{name}",\n' for name in unlisted())
    with SINCE.open("a", encoding="utf-8") as file:
        file.write(f'"{release}" = [\n{lines}]\n')


def _text(name: str) -> str:
    return Path(__file__).with_name(f"{name}.md").read_text(encoding="utf-8")


def _since() -> dict[str, str]:
    releases = tomllib.loads(SINCE.read_text(encoding="utf-8"))
    return {name: release for release, names in releases.items() for name in names}


def _section(key: Key) -> str:
    if (title := _BY_CLASS.get(key.owner)) is not None:
        return title
    return next((title for begin, title in _BY_BEGINNING.items() if key.name.startswith(begin)), _WORK)


def _merged(tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The first value of each key among several tables."""
    found: dict[str, Any] = {}
    for table in tables:
        found = {**table, **found}
    return found


def _table(
    name: str,
    model: type[BaseModel],
    since: Mapping[str, str],
    example: Mapping[str, Any],
    head: str,
    level: str,
) -> Iterator[str]:
    yield f"{level} `{head % name}`\n"
    for key in keys_of(model):
        yield _entry(key, f"{name}.{key.name}", since, example.get(key.name), table=head % name)


def _entry(key: Key, name: str, since: Mapping[str, str], example: Any, *, table: str) -> str:
    facts = [("type", key.type)]
    if key.required:
        facts.append(("required", "yes"))
    else:
        facts.append(("default", "none" if key.default is None else f"`{key.default}`"))
    if key.limits:
        facts.append(("allowed", key.limits.replace("|", "\\|")))
    if key.unit:
        facts.append(("unit", key.unit))
    if not table:
        facts.append(("variable", f"`REELQ_{key.name.upper()}`"))
    facts.append(("since", since.get(name, NEXT)))
    text = re.sub(r"\bNone:", "Not set:", re.sub(r"\b(True|False)\b", lambda word: f"`{word[0].lower()}`", key.text))
    shown = _example(key, example, table)
    return (
        f"### `{name}`\n\n{text}\n\n"
        f"| {' | '.join(title for title, _ in facts)} |\n|{'---|' * len(facts)}\n"
        f"| {' | '.join(value for _, value in facts)} |\n" + (f"\nExample: `{shown}`\n" if shown else "")
    )


def _example(key: Key, value: Any, table: str) -> str:
    if key.secret and not table:
        return f"REELQ_{key.name.upper()}_FILE=/run/secrets/{key.name}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return ""  # a list of tables has a section of its own
    if value is not None:
        return f"{key.name} = {as_toml(value)}"
    return f"{key.name} = {key.default}" if key.default is not None else ""
