"""Every kind of fault: the calls it applies to and its parameters. A test compares `docs/simulator.md` with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from simulator.wire.ark_error import QUOTAS, REFUSALS

Where = Literal["create", "query", "download", "list", "delete", "asset", "callback"]
Group = Literal["entry", "answer", "fate", "view", "download"]
"""When a kind acts: before the request is read, instead of or around the answer, on the created task, on the content of
an answer, or on the bytes of a download."""

BODIES = ("json", "proxy", "html", "empty")
CALLS: tuple[Where, ...] = ("create", "query", "list", "delete", "asset", "download")


@dataclass(frozen=True, slots=True)
class Parameter:
    """The type, default and bounds of one field of a rule."""

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
    """The first is the default of a rule without `where`."""
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
        "any HTTP status, with the gateway's error body, a proxy's JSON (`message` only), an HTML page, or no body",
    ),
    Kind("rate_limit", "answer", CALLS, {"retry_after": _number(None)}, "429 with the gateway's error body"),
    Kind("no_money", "answer", ("create",), {}, "the gateway's answer to an account without credit"),
    Kind("bad_key", "answer", CALLS[:5], {}, "the gateway's answer to a wrong key"),
    Kind("garbage", "answer", CALLS, {}, "200 and bytes that are not JSON"),
    Kind("html_200", "answer", CALLS, {}, "200 and an HTML page"),
    Kind("empty_200", "answer", CALLS, {}, "200 and an empty body"),
    Kind(
        "hang",
        "answer",
        CALLS,
        {"seconds": _number(30), "accepted": _flag()},
        "no answer for `seconds`, then the connection is closed; with `accepted` the request is processed first",
    ),
    Kind("slow", "answer", CALLS, {"seconds": _number(2)}, "a normal answer after `seconds`"),
    Kind("close_before_read", "entry", CALLS, {}, "the connection is closed before the body is read"),
    Kind(
        "close_after_accept",
        "answer",
        CALLS,
        {},
        "the request is processed, then the connection is closed without an answer",
    ),
    Kind(
        "rst_after_accept",
        "answer",
        CALLS,
        {},
        "the request is processed, then the connection is reset without an answer",
    ),
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
        "the task is created, but the answer is an error",
    ),
    Kind(
        "moderate_input",
        "answer",
        ("create",),
        {"modality": _text("text", "text", "image", "video", "audio"), "detail": _text()},
        "rejected by input moderation; `detail`: PolicyViolation or PrivacyInformation",
    ),
    Kind(
        "refuse",
        "answer",
        ("create",),
        {
            "code": _text("ModelNotOpen", *REFUSALS),
            "quota": _text("queue", *QUOTAS),
            "reset_s": _number(900),
        },
        "refused with one of Ark's codes, wrapped where the gateway wraps them; `quota`: the text of `QuotaExceeded`",
    ),
    Kind(
        "stale_status",
        "view",
        ("query",),
        {"seconds": _number(15)},
        "the task as it was `seconds` ago",
    ),
    Kind("unknown_status", "view", ("query",), {"status": _text("ARCHIVED")}, "an undocumented status"),
    Kind("missing_url", "view", ("query",), {}, "succeeded, but without the video URL"),
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
        "the task fails by output moderation",
    ),
    Kind("lost", "fate", ("create",), {}, "the gateway reports a failure while the task still runs upstream"),
    Kind(
        "inner_expired", "fate", ("create",), {}, "the task expires upstream; new-api keeps reporting IN_PROGRESS 30%"
    ),
    Kind(
        "url_dies",
        "fate",
        ("create",),
        {"after_s": _number(None), "after_fetches": _whole(None), "for_good": _flag()},
        "a URL answers 403 after `after_s` seconds or `after_fetches` fetches; a new URL works unless `for_good`",
    ),
    Kind(
        "video_format",
        "fate",
        ("create",),
        {"format": _text("h265", "h264", "h265", "mov")},
        "the video is H.264, 10-bit H.265 (hvc1), or a MOV with 4:4:4 H.264 and PCM, whatever the model delivers",
    ),
    Kind(
        "cut",
        "download",
        ("download",),
        {"bytes": _whole(None), "fraction": _number(0.5, 0, 1), "reset": _flag(True)},
        "the connection is cut after `bytes` bytes, or that fraction; a reset loses the bytes in transit",
    ),
    Kind(
        "short",
        "download",
        ("download",),
        {"bytes": _whole(None), "fraction": _number(0.5, 0, 1), "honest": _flag()},
        "fewer bytes than Content-Length; with `honest`, Content-Length is the smaller number",
    ),
    Kind(
        "wrong_content",
        "download",
        ("download",),
        {"body": _text("html", "html", "empty", "zeros")},
        "200 with an HTML page, an empty body, or zero bytes of the right length",
    ),
    Kind(
        "slow_download",
        "download",
        ("download",),
        {"bytes_per_s": _number(65536, 1)},
        "the download is limited to this rate",
    ),
    Kind("asset_fails", "fate", ("asset",), {}, "the asset ends as Failed instead of Active"),
    Kind("no_callback", "view", ("callback",), {}, "the callback is not sent"),
    Kind("callback_twice", "view", ("callback",), {}, "the callback is sent twice"),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}


def check_parameters(
    given: Mapping[str, Any], known: Mapping[str, Parameter], *, strict: bool = False
) -> dict[str, Any]:
    """Validate the given values; returns all known parameters, with defaults.

    Raises:
        ValueError: names the parameter and the allowed values.
    """
    if strict and (unknown := [name for name in given if name not in known]):
        allowed = f"the parameters are {', '.join(known)}" if known else "this kind has no parameters"
        raise ValueError(f"{unknown[0]}: unknown parameter; {allowed}")
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
