"""The form for one job: what it offers, what it was given, and the fields that it makes of that."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import orjson

from producer.web.forms import Form
from seedance.problems import InvalidInput, Problem
from seedance.request import AUTO_DURATION, MAX_DURATION_S, MIN_DURATION_S, Ratio, Resolution, Tier

CHOICES: Mapping[str, Sequence[object]] = {
    "tier": get_args(Tier),
    "resolution": get_args(Resolution),
    "ratio": get_args(Ratio),
    "duration": (AUTO_DURATION, *range(MIN_DURATION_S, MAX_DURATION_S + 1)),
}
_TEXTS = ("tier", "resolution", "ratio", "first_frame", "last_frame", "idempotency_key", "account")
_NUMBERS = ("duration", "seed", "priority")
_ANSWERS = ("audio", "watermark", "camera_fixed", "web_search", "return_last_frame")
_LINES = ("reference_images",)
FIELDS = ("prompt", *_TEXTS, *_NUMBERS, *_ANSWERS, *_LINES, "tags")
_ALWAYS_SEEN = frozenset({"prompt", "tier", "resolution", "ratio", "duration", "audio", "priority"})
_ONCE = re.compile(r"[\w-]{8,40}")


@dataclass(frozen=True, slots=True)
class JobForm:
    """The form as it is shown. `problems` are those of a field, by its name; `other` those of none that it has. `once`
    tells this form from every other, so that sending it twice makes one job."""

    given: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)
    other: Sequence[str] = ()
    once: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @property
    def more_open(self) -> bool:
        """Whether the fields that are hidden at first hold something."""
        hidden = [name for name in FIELDS if name not in _ALWAYS_SEEN]
        return any(self.given.get(name) or self.problems.get(name) for name in hidden)


def fields_of(form: Form) -> dict[str, Any]:
    """A job's fields as the API takes them; what was left empty is not among them."""
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
    """The fields with an idempotency key of this form, unless they have one: what is sent twice by a double click is
    one job, what was changed in between is another."""
    if "idempotency_key" in fields or not _ONCE.fullmatch(once):
        return fields
    digest = hashlib.blake2b(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
    return fields | {"idempotency_key": f"page:{once}:{digest}"}


def refused(form: Form, exc: InvalidInput) -> JobForm:
    """The form again, with what is wrong beside each field."""
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
    """The message; with the place in a list, where it is about one."""
    return problem.message if problem.field == name else f"{problem.field}: {problem.message}"
