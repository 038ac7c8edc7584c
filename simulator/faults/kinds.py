"""Every kind of fault: where it can strike and which parameters it takes. The documentation is drawn from this list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Where = Literal["create", "query", "download", "list", "delete", "asset", "callback"]
Group = Literal["entry", "answer", "fate", "view", "download"]
"""When a kind acts: before the request is read, instead of or around the answer, on the task that is created, on what
a query shows, or on the bytes of a download."""

BODIES = ("json", "proxy", "html", "empty")
CALLS: tuple[Where, ...] = ("create", "query", "list", "delete", "asset", "download")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value a rule may carry."""

    types: tuple[type, ...]
    default: Any = None
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    group: Group
    where: tuple[Where, ...]
    """The first is taken when a rule names none."""
    parameters: Mapping[str, Parameter]
    about: str


def _text(default: str = "", *choices: str) -> Parameter:
    return Parameter((str,), default, choices)


def _number(default: float | None, low: float = 0, high: float | None = None) -> Parameter:
    return Parameter((int, float), default, (), low, high)


def _whole(default: int | None, low: int = 0, high: int | None = None) -> Parameter:
    return Parameter((int,), default, (), low, high)


def _flag(default: bool = False) -> Parameter:
    return Parameter((bool,), default)


RULE_FIELDS: Mapping[str, Parameter] = {
    "kind": _text(),
    "where": _text(),
    "gateway": _text(),
    "account": _text(),
    "model": _text(),
    "prompt_contains": _text(),
    "task": _text(),
    "probability": _number(None, 0, 1),
    "every": _whole(None, 1),
    "first": _whole(None, 1),
    "times": _whole(None, 1),
    "after": _whole(0),
    "per": _text("rule", "rule", "task"),
    "delay_s": _number(0),
    "duration_s": _number(None),
}

_ALL = (
    Kind(
        "status",
        "answer",
        CALLS,
        {
            "status": _whole(503, 200, 599),
            "body": _text("json", *BODIES),
            "code": _text(),
            "message": _text(),
            "retry_after": _number(None),
        },
        "any HTTP status, with the gateway's own error body, a proxy's JSON (`message` alone), an HTML page or nothing",
    ),
    Kind("rate_limit", "answer", CALLS, {"retry_after": _number(None)}, "429 with the gateway's own body"),
    Kind("no_money", "answer", ("create",), {}, "the gateway's own answer to an empty account"),
    Kind("bad_key", "answer", CALLS[:5], {}, "the gateway's own answer to a wrong key"),
    Kind("garbage", "answer", CALLS, {}, "200 and bytes that are no JSON"),
    Kind("html_200", "answer", CALLS, {}, "200 and an HTML page"),
    Kind("empty_200", "answer", CALLS, {}, "200 and nothing"),
    Kind(
        "hang",
        "answer",
        CALLS,
        {"seconds": _number(30), "accepted": _flag()},
        "no answer for `seconds`, then the connection is closed; `accepted`: the request is carried out first",
    ),
    Kind("slow", "answer", CALLS, {"seconds": _number(2)}, "a normal answer, later"),
    Kind("close_before_read", "entry", CALLS, {}, "the connection is closed before the body is read"),
    Kind("close_after_accept", "answer", CALLS, {}, "the request is carried out, then closed without an answer"),
    Kind("rst_after_accept", "answer", CALLS, {}, "the same with a reset"),
    Kind(
        "accept_then_500",
        "answer",
        ("create",),
        {
            "status": _whole(500, 300, 599),
            "body": _text("json", *BODIES),
            "code": _text(),
            "message": _text(),
            "retry_after": _number(None),
        },
        "the task is created and the answer is an error",
    ),
    Kind(
        "moderate_input",
        "answer",
        ("create",),
        {"modality": _text("text", "text", "image", "video", "audio"), "detail": _text()},
        "refused for its content; `detail`: PolicyViolation or PrivacyInformation",
    ),
    Kind(
        "stale_status",
        "view",
        ("query",),
        {"seconds": _number(15)},
        "shows the task as it was so many seconds ago",
    ),
    Kind("unknown_status", "view", ("query",), {"status": _text("ARCHIVED")}, "a status word no page mentions"),
    Kind("missing_url", "view", ("query",), {}, "succeeded, but without the video's URL"),
    Kind(
        "fail",
        "fate",
        ("create",),
        {"code": _text("InternalServiceError"), "message": _text("The service encountered an unexpected error.")},
        "the task ends as failed",
    ),
    Kind(
        "moderate_output",
        "fate",
        ("create",),
        {"modality": _text("video", "video", "audio", "image"), "detail": _text()},
        "the task fails because of what was generated",
    ),
    Kind("lost", "fate", ("create",), {}, "the gateway calls it failed while it still runs upstream"),
    Kind("inner_expired", "fate", ("create",), {}, "it expires upstream; new-api goes on to say IN_PROGRESS 30%"),
    Kind(
        "url_dies",
        "fate",
        ("create",),
        {"after_s": _number(None), "after_fetches": _whole(None), "for_good": _flag()},
        "a URL answers 403 after so many seconds or fetches; a fresh one works unless `for_good`",
    ),
    Kind(
        "cut",
        "download",
        ("download",),
        {"bytes": _whole(None), "fraction": _number(0.5, 0, 1), "reset": _flag(True)},
        "the connection is cut after so many bytes, or that share; a reset loses what is still on its way",
    ),
    Kind(
        "short",
        "download",
        ("download",),
        {"bytes": _whole(None), "fraction": _number(0.5, 0, 1), "honest": _flag()},
        "fewer bytes than Content-Length says; `honest`: Content-Length says so too",
    ),
    Kind(
        "wrong_content",
        "download",
        ("download",),
        {"body": _text("html", "html", "empty", "zeros")},
        "200 with an HTML page, no bytes, or zero bytes of the right length",
    ),
    Kind("slow_download", "download", ("download",), {"bytes_per_s": _number(65536, 1)}, "bytes arrive this slowly"),
    Kind("asset_fails", "fate", ("asset",), {}, "what is uploaded ends as Failed instead of Active"),
    Kind("no_callback", "view", ("callback",), {}, "the callback is not sent"),
    Kind("callback_twice", "view", ("callback",), {}, "the callback is sent twice"),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}


def check_parameters(
    given: Mapping[str, Any], known: Mapping[str, Parameter], *, strict: bool = False
) -> dict[str, Any]:
    """The values of all known parameters, with defaults.

    Raises:
        ValueError: naming the parameter and what is allowed.
    """
    if strict and (unknown := [name for name in given if name not in known]):
        allowed = ", ".join(known) or "no parameters"
        raise ValueError(f"{unknown[0]}: not known here; there is {allowed}")
    return {name: _check(name, given.get(name), parameter) for name, parameter in known.items()}


def _check(name: str, given: object, parameter: Parameter) -> Any:
    if given is None:
        return parameter.default
    value: Any = given
    if not isinstance(given, parameter.types) or (isinstance(given, bool) and bool not in parameter.types):
        raise ValueError(f"{name}: must be {' or '.join(kind.__name__ for kind in parameter.types)}, not {value!r}")
    if parameter.choices and value not in parameter.choices:
        raise ValueError(f"{name}: must be one of {', '.join(parameter.choices)}, not {value!r}")
    if parameter.low is not None and value < parameter.low:
        raise ValueError(f"{name}: must be at least {parameter.low:g}, not {value!r}")
    if parameter.high is not None and value > parameter.high:
        raise ValueError(f"{name}: must be at most {parameter.high:g}, not {value!r}")
    return value
