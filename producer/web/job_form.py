"""The form for one job: its choices, its input, and the job's fields made from it."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import orjson

from producer.web.forms import Form
from seedance.models.catalog import outermost_seconds
from seedance.problems import InvalidInput, Problem
from seedance.request import AUTO_DURATION, OutputFormat, Ratio, Resolution, Tier

_SHORTEST, _LONGEST = outermost_seconds()
CHOICES: Mapping[str, Sequence[object]] = {
    "tier": get_args(Tier),
    "resolution": get_args(Resolution),
    "ratio": get_args(Ratio),
    "output_format": get_args(OutputFormat),
    "duration": (AUTO_DURATION, *range(_SHORTEST, _LONGEST + 1)),
}
_TEXTS = (
    "tier",
    "model",
    "output_format",
    "resolution",
    "ratio",
    "first_frame",
    "last_frame",
    "idempotency_key",
    "account",
)
_NUMBERS = ("duration", "seed", "priority")
_ANSWERS = ("audio", "watermark", "camera_fixed", "web_search", "return_last_frame")
_LINES = ("reference_images",)
FIELDS = ("prompt", *_TEXTS, *_NUMBERS, *_ANSWERS, *_LINES, "tags")
_ALWAYS_SEEN = frozenset({"prompt", "tier", "resolution", "ratio", "duration", "audio", "priority"})
_ONCE = re.compile(r"[\w-]{8,40}")


@dataclass(frozen=True, slots=True)
class JobForm:
    """The form as it is shown. `problems` by field; `other`: problems of no field of the form. `once` identifies this
    form, so that sending it twice makes one job."""

    given: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)
    other: Sequence[str] = ()
    once: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @property
    def more_open(self) -> bool:
        """Whether a field that is hidden at first has a value."""
        hidden = [name for name in FIELDS if name not in _ALWAYS_SEEN]
        return any(self.given.get(name) or self.problems.get(name) for name in hidden)


def fields_of(form: Form) -> dict[str, Any]:
    """A job's fields as the API takes them, without the empty ones."""
    found: dict[str, Any] = {}
    if form.get("prompt", "").strip():
        found["prompt"] = form["prompt"].replace("\r\n", "\n").strip()
    for name in _TEXTS:
        if text := form.get(name, "").strip():
            found[name] = text
    for name in _NUMBERS:
        if text := form.get(name, "").strip():
            found[name] = int(text) if re.fullmatch(r"-?[0-9]{1,15}", text) else text
    for name in _ANSWERS:
        if text := form.get(name, ""):
            found[name] = {"yes": True, "no": False}.get(text, text)
    for name in _LINES:
        if lines := [line.strip() for line in form.get(name, "").splitlines() if line.strip()]:
            found[name] = lines
    if tags := [tag.strip() for tag in re.split(r"[,，]", form.get("tags", "")) if tag.strip()]:
        found["tags"] = tags
    return found


def with_own_key(fields: dict[str, Any], once: str) -> dict[str, Any]:
    """The fields with an idempotency key derived from this form, unless they have one: a double click makes one job,
    a changed form another."""
    if "idempotency_key" in fields or not _ONCE.fullmatch(once):
        return fields
    digest = hashlib.blake2b(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
    return fields | {"idempotency_key": f"page:{once}:{digest}"}


def refused(form: Form, exc: InvalidInput) -> JobForm:
    """The form again, with the problem beside each field."""
    by_field: dict[str, list[str]] = {}
    other = []
    for problem in exc.problems:
        name = problem.field.partition("[")[0].partition(".")[0]
        if name in FIELDS:
            by_field.setdefault(name, []).append(_said(problem, name))
        else:
            other.append(str(problem))
    return JobForm({name: form.get(name, "") for name in FIELDS}, by_field, other, form.get("once", ""))


def _said(problem: Problem, name: str) -> str:
    """The message, with the position if it is about an item of a list."""
    return problem.message if problem.field == name else f"{problem.field}: {problem.message}"
