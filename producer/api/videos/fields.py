"""From what OpenAI's clients send to the fields of a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from producer.api.videos.models import fields_of
from producer.api.videos.sizes import parse_size
from producer.campaigns.reading.cells import value_of
from producer.campaigns.reading.kinds import LISTS, OBJECTS
from producer.http.forms import FormFile
from producer.intake.job_spec import JOB_FIELDS
from seedance.account import Account
from seedance.gateways.registry import DIALECTS
from seedance.problems import InvalidInput, Problem, shorten

DEFAULT_SECONDS = 4
DEFAULT_RESOLUTION, DEFAULT_RATIO = "720p", "9:16"
"""OpenAI's own defaults: 4 s, 720x1280."""
OPENAI_FIELDS = ("model", "seconds", "size")
MEDIA_FIELDS = frozenset({"first_frame", "last_frame", "reference_images", "reference_videos", "reference_audios"})
_ELSEWHERE = {  # names of other servers with the same routes
    "images": "first_frame and last_frame, or reference_images",
    "image": "first_frame or input_reference",
    "image_url": "input_reference[image_url]",
    "videos": "reference_videos",
    "audios": "reference_audios",
    "user": "metadata[user]",
    "generate_audio": "audio",
    "n": "one request for each video",
}
_OPTION_KINDS = {
    name: option.kind for dialect in DIALECTS.values() for name, option in dialect.capabilities().options.items()
}


def job_fields(given: Mapping[str, Any], accounts: Iterable[Account], *, more: Iterable[str] = ()) -> dict[str, Any]:
    """The fields of a job; OpenAI's fields are translated. `more`: other names, which the caller handles and which are
    returned as they are.

    Raises:
        InvalidInput: with every field that is unknown or cannot be understood.
    """
    problems: list[Problem] = []
    fields: dict[str, Any] = {}
    given_by: dict[str, str] = {}
    for name, value in given.items():
        if value is None:
            continue
        try:
            if name in OPENAI_FIELDS or name in JOB_FIELDS:
                own = _translated(name, value, accounts) if name in OPENAI_FIELDS else {name: value}
                for field in own:
                    if field in fields and fields[field] != own[field]:
                        raise InvalidInput([Problem(name, f"contradicts {given_by[field]}; send only one of them")])
                    given_by[field] = name
                fields |= own
            elif name in more:
                fields[name] = value
            else:
                hint = f"; use {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
                problems.append(Problem(name, f"is not a field we know{hint}"))
        except InvalidInput as exc:
            problems += exc.problems
    if problems:
        raise InvalidInput(problems)
    return fields


def with_defaults(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same with OpenAI's own defaults."""
    defaults = {"duration": DEFAULT_SECONDS, "resolution": DEFAULT_RESOLUTION, "ratio": DEFAULT_RATIO}
    return defaults | dict(fields)


def _translated(name: str, value: object, accounts: Iterable[Account]) -> dict[str, Any]:
    if name == "seconds":
        return {"duration": _seconds(value)}
    if not isinstance(value, str):
        raise InvalidInput([Problem(name, f"must be text, not {shorten(value)}")])
    if name == "model":
        return fields_of(value, accounts)
    resolution, ratio = parse_size(value)
    return {"resolution": resolution, "ratio": ratio}


def _seconds(value: object) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 6:
        raise InvalidInput([Problem("seconds", f"must be a whole number of seconds, not {shorten(value)}")])
    return int(text)


def in_their_words(exc: InvalidInput, given: Mapping[str, Any]) -> InvalidInput:
    """The same problems with the names that the caller used."""
    names = {"tier": "model", "duration": "seconds", "resolution": "size", "ratio": "size"}
    names |= {"first_frame": "input_reference", "reference_videos[0]": "video" if "video" in given else ""}
    if "first_frame" not in given and "reference_videos" not in given and "video" not in given:
        names["reference_videos[0]"] = "input_reference"

    def named(problem: Problem) -> Problem:
        theirs = names.get(problem.field, "")
        own = problem.field.partition("[")[0]
        return Problem(theirs, problem.message) if theirs in given and own not in given else problem

    return InvalidInput([named(problem) for problem in exc.problems], exc.where)


# --- forms, where everything is text ---------------------------------------------------------------------------------


def from_form(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a form with the types of their names. Empty values count as not given.

    Raises:
        InvalidInput: with every field that has the wrong type.
    """
    fields: dict[str, Any] = {}
    problems = []
    for name, value in given.items():
        if value in ("", [], {}):
            continue
        try:
            fields[name] = _typed(name, value)
        except ValueError as exc:
            problems.append(Problem(name, str(exc)))
    if problems:
        raise InvalidInput(problems)
    return fields


def _typed(name: str, value: Any) -> Any:
    if name in LISTS:
        return _listed(name, value)
    if name == "gateway_options" and isinstance(value, Mapping):
        return {key: _option(key, item) for key, item in value.items()}
    known = name in JOB_FIELDS or name in OPENAI_FIELDS
    if known and isinstance(value, list) and name not in OBJECTS:
        raise ValueError("is repeated; send it only once")
    return value_of(name, value) if isinstance(value, str) and name in JOB_FIELDS else value


def _listed(name: str, value: Any) -> list[Any]:
    match value:
        case str() if value.lstrip().startswith("["):
            found = value_of(name, value)
            return found if isinstance(found, list) else [found]
        case list():
            return value
        case dict() if all(isinstance(item, str | FormFile) for item in value.values()):
            return list(_in_order(value))
        case str() | FormFile():
            return [value]
    raise ValueError("must be a list")


def _in_order(indexed: Mapping[str, Any]) -> Iterator[Any]:
    if not all(key.isdecimal() and len(key) < 6 for key in indexed):
        raise ValueError("must be a list, such as name[]=…")
    for key in sorted(indexed, key=int):
        yield indexed[key]


def _option(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _option(key, item) for key, item in value.items()}
    match _OPTION_KINDS.get(name):
        case "boolean" if value in ("true", "false"):
            return value == "true"
        case "integer" if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) < 16:
            return int(value)
    return value
