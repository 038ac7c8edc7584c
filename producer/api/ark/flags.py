"""Flags at the end of a prompt, as clients of Ark wrote them before its parameters: `a fox --ratio 16:9 --dur 5`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from seedance.problems import InvalidInput, Problem, shorten

_NAMES: Mapping[str, str] = {
    "resolution": "resolution",
    "rs": "resolution",
    "ratio": "ratio",
    "rt": "ratio",
    "duration": "duration",
    "dur": "duration",
    "frames": "frames",
    "framespersecond": "framespersecond",
    "fps": "framespersecond",
    "seed": "seed",
    "camerafixed": "camera_fixed",
    "camera_fixed": "camera_fixed",
    "cf": "camera_fixed",
    "watermark": "watermark",
    "wm": "watermark",
    "generate_audio": "generate_audio",
    "return_last_frame": "return_last_frame",
    "draft": "draft",
}
"""Each flag and the parameter that it stands for."""
_NUMBERS = frozenset({"duration", "frames", "framespersecond", "seed"})
_WORDS = frozenset({"resolution", "ratio"})
_FLAG = r"--(?P<name>[A-Za-z][A-Za-z_]*)(?:[ \t=]+(?P<value>(?!--)\S+))?"
_TAIL = re.compile(r"(?:^|(?<=\s))(?:--[A-Za-z][A-Za-z_]*(?:[ \t=]+(?!--)\S+)?\s*)+$")
_KNOWN = re.compile(rf"(?:^|\s)--(?:{'|'.join(_NAMES)})\s")


def split_flags(text: str) -> tuple[str, dict[str, Any]]:
    """The prompt without its flags, and their parameters.

    Raises:
        InvalidInput: a flag is not known, has no value or the wrong kind of value, is given twice, or has text after
            it.
    """
    found = _TAIL.search(text)
    if found is not None and not _KNOWN.search(f"{found[0]} "):
        found = None  # such as a sign that says --sale
    prompt = text if found is None else text[: found.start()].rstrip()
    if _KNOWN.search(f"{prompt} "):
        raise _wrong(f"flags such as --ratio 16:9 go to the end of the text, not before words: {shorten(text)}")
    given: dict[str, Any] = {}
    for flag in re.finditer(_FLAG, "" if found is None else found[0]):
        name = _NAMES.get(flag["name"].lower())
        if name is None:
            raise _wrong(f"--{flag['name']} is not a flag that is known; use the parameters of the request instead")
        if flag["value"] is None:
            raise _wrong(f"--{flag['name']} needs a value")
        if name in given:
            raise _wrong(f"--{flag['name']} is given twice")
        given[name] = _read(flag["name"], name, flag["value"])
    return prompt, given


def _read(flag: str, name: str, value: str) -> Any:
    if name in _WORDS:
        return value
    if name in _NUMBERS:
        if re.fullmatch(r"-?\d{1,12}", value):
            return int(value)
        raise _wrong(f"--{flag} needs a whole number, not {shorten(value)}")
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _wrong(f"--{flag} needs true or false, not {shorten(value)}")


def _wrong(message: str) -> InvalidInput:
    return InvalidInput([Problem("content.text", message)])
