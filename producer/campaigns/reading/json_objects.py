"""Read JSON objects and lists strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from seedance.problems import shorten

T = TypeVar("T")
_SPACE = re.compile(r"[ \t\n\r]*")


def parse_object(text: str) -> dict[str, Any]:
    """Read one JSON object strictly: no key twice, no NaN or Infinity.

    Raises:
        ValueError: it is not a JSON object; the text says why.
    """
    value = _parsed(text)
    if not isinstance(value, dict):
        raise ValueError(f"must be a JSON object, not {shorten(value, 40)}")
    return value


def parse_list(text: str) -> list[Any]:
    """Read one JSON list with the same strictness.

    Raises:
        ValueError: it is not a JSON list; the text says why.
    """
    value = _parsed(text)
    if not isinstance(value, list):
        raise ValueError(f"must be a JSON list, not {shorten(value, 40)}")
    return value


def parse_items(text: str) -> Iterator[Any]:
    """The items of one JSON list, one at a time, with the same strictness.

    Raises:
        ValueError: while iterating: it is not a JSON list; the text says why.
    """
    at = _after_space(text, 0)
    if text[at : at + 1] != "[":
        raise ValueError(f"must be a JSON list, not {shorten(text[at : at + 40], 40)}")
    at = _after_space(text, at + 1)
    if text[at : at + 1] == "]":
        at += 1
    else:
        while True:
            item, at = _strictly(partial(_DECODER.raw_decode, text, at))
            yield item
            at = _after_space(text, at)
            if (mark := text[at : at + 1]) not in (",", "]"):
                raise ValueError(f"is not JSON: expected ',' or ']' after an item, at character {at + 1}")
            at = _after_space(text, at + 1)
            if mark == "]":
                break
    if _after_space(text, at) != len(text):
        raise ValueError(f"is not JSON: there is more after the list, at character {at + 1}")


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _parsed(text: str) -> Any:
    return _strictly(lambda: _DECODER.decode(text))


def _strictly(parse: Callable[[], T]) -> T:
    try:
        return parse()
    except json.JSONDecodeError as exc:
        raise ValueError(f"is not JSON: {exc.msg} at column {exc.colno}") from exc
    except RecursionError as exc:
        raise ValueError("is JSON that is nested too deeply") from exc
    except ValueError as exc:
        if str(exc).startswith("Exceeds the limit"):  # Python's limit for the digits of a number
            raise ValueError("is JSON with a number of thousands of digits") from exc
        raise


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {shorten(key)} occurs twice in one object")
        found[key] = value
    return found


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
