"""JSON objects and lists, read strictly."""

from __future__ import annotations

import json
from typing import Any

from seedance.problems import shorten


def parse_object(text: str) -> dict[str, Any]:
    """Read one JSON object strictly: no key twice, no NaN or Infinity.

    Raises:
        ValueError: it is not one; the text says why.
    """
    value = _parsed(text)
    if not isinstance(value, dict):
        raise ValueError(f"must be a JSON object, not {shorten(value, 40)}")
    return value


def parse_list(text: str) -> list[Any]:
    """Read one JSON list as strictly.

    Raises:
        ValueError: it is not one; the text says why.
    """
    value = _parsed(text)
    if not isinstance(value, list):
        raise ValueError(f"must be a JSON list, not {shorten(value, 40)}")
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as exc:
        raise ValueError(f"is not JSON: {exc.msg} at column {exc.colno}") from exc
    except RecursionError as exc:
        raise ValueError("is not JSON we take: nested too deep") from exc
    except ValueError as exc:
        if str(exc).startswith("Exceeds the limit"):  # of Python, for the digits of a number
            raise ValueError("is not JSON we take: a number has thousands of digits") from exc
        raise


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {shorten(key)} stands twice in one object")
        found[key] = value
    return found


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
