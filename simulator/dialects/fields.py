"""Read and validate the fields of flat JSON bodies, for gateways that do not use Ark's content array."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from simulator.dialects.media_refs import BadMedia, check_media

_MENTION = re.compile(r"@(image|video|audio)_file_(\d+)")


class BadField(ValueError):
    """A field breaks the documentation."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


def only(given: Mapping[str, Any], known: Collection[str], at: str = "") -> None:
    for name in given:
        if name not in known:
            raise BadField(f"{at}{name}", "no such parameter")


def mapping(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadField(name, "must be an object")
    return {key: item for key, item in value.items() if item is not None}


def text(given: Mapping[str, Any], name: str, *, longest: int | None = None) -> str:
    """A required, non-empty string."""
    value = given.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadField(name, "is required")
    if longest is not None and len(value) > longest:
        raise BadField(name, f"must have at most {longest} characters")
    return value


def choice(given: Mapping[str, Any], name: str, allowed: Collection[str], default: str, at: str = "") -> str:
    value = given.get(name, default)
    if not isinstance(value, str) or value not in allowed:
        raise BadField(f"{at}{name}", f"must be one of {', '.join(allowed)}")
    return value


def flag(given: Mapping[str, Any], name: str, default: bool, at: str = "", *, as_text: bool = False) -> bool:
    value = given.get(name, default)
    if as_text and value in ("true", "false"):
        return bool(value == "true")
    if not isinstance(value, bool):
        raise BadField(f"{at}{name}", "must be a boolean")
    return value


def whole(given: Mapping[str, Any], name: str, default: int, low: int, high: int, at: str = "") -> int:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadField(f"{at}{name}", f"must be an integer from {low} to {high}")
    return value


def urls(
    given: Mapping[str, Any],
    name: str,
    kind: str,
    most: int,
    at: str = "",
    *,
    inline: bool = False,
    assets: bool = False,
) -> tuple[str, ...]:
    """A list of media references; a missing list is empty."""
    values = given.get(name)
    if values is None:
        return ()
    if not isinstance(values, list):
        raise BadField(f"{at}{name}", "must be a list of URLs")
    if len(values) > most:
        raise BadField(f"{at}{name}", f"must have at most {most} items")
    return tuple(
        url({f"{name}[{n}]": value}, f"{name}[{n}]", kind, at, inline=inline, assets=assets)
        for n, value in enumerate(values)
    )


def url(
    given: Mapping[str, Any], name: str, kind: str, at: str = "", *, inline: bool = False, assets: bool = False
) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise BadField(f"{at}{name}", "must be a URL")
    try:
        check_media(kind, value, inline=inline, assets=assets)
    except BadMedia as exc:
        raise BadField(f"{at}{name}", str(exc)) from exc
    return value


def check_mentions(prompt: str, counts: Mapping[str, int]) -> None:
    """Check that each mention refers to a file: `@image_file_2` needs a second image."""
    for kind, number in _MENTION.findall(prompt):
        if not 1 <= int(number) <= counts[kind]:
            raise BadField("prompt", f"@{kind}_file_{number} refers to no file")
