"""A job as a caller writes it: the request, and the fields of the job itself."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from datetime import MAXYEAR, UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from producer.intake.webhook_urls import form_problem
from seedance.gateways.registry import GATEWAY_NAMES
from seedance.problems import InvalidInput, Problem, shorten
from seedance.request import GenerationRequest, problems_of
from storage.jobs.records import DEFAULT_PRIORITY

MAX_KEY_CHARS = 200
MAX_ACCOUNT_CHARS = 63
MAX_TAGS, MAX_TAG_CHARS = 50, 100
MAX_METADATA_BYTES = 64 * 1024
MAX_DEADLINE_S = 30 * 86400
_MAX_DEPTH = 16
_NO_FIELD = "no field"
"""A name that is refused: then pydantic does not come to the rules about several fields."""


def _refuse(message: str) -> PydanticCustomError:
    return PydanticCustomError("reelq", "{message}", {"message": message})


def _short_text(limit: int) -> AfterValidator:
    def check(value: str) -> str:
        if not value.strip():
            raise _refuse("is blank")
        if len(value) > limit:
            raise _refuse(f"at most {limit} characters, not {len(value)}")
        if not value.isprintable():
            raise _refuse(f"holds a control character: {shorten(value)}")
        return value

    return AfterValidator(check)


def _check_priority(value: object) -> object:
    if isinstance(value, bool):  # pydantic would read true as 1
        raise _refuse(f"must be a whole number from 0 to 9, not {shorten(value)}")
    return value


def _check_priority_range(value: int) -> int:
    if not 0 <= value <= 9:
        raise _refuse(f"must be 0 to 9, higher first, not {value}")
    return value


def _check_deadline(value: object) -> object:
    wanted = "must be seconds from now or an ISO 8601 instant with its offset (2030-01-31T18:00:00+08:00)"
    match value:
        case bool():
            raise _refuse(f"{wanted}, not {shorten(value)}")
        case int() | float():
            if not (math.isfinite(value) and 0 < value <= MAX_DEADLINE_S):
                raise _refuse(f"must be more than 0 and at most {MAX_DEADLINE_S} seconds from now, not {value}")
            return float(value)
        case str():
            try:
                instant = datetime.fromisoformat(value)
                if len(value.strip()) <= len("2030-01-31"):
                    raise ValueError
            except ValueError:
                raise _refuse(f"{wanted}, not {shorten(value)}") from None
        case datetime():
            instant = value
        case _:
            raise _refuse(f"{wanted}, not {shorten(value)}")
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise _refuse(f"needs its offset from UTC, as in {value}+00:00 or {value}Z")
    if instant <= datetime.now(UTC):
        raise _refuse(f"has passed: {value}")
    if instant.year >= MAXYEAR:  # in another offset it may be out of range
        raise _refuse(f"must be before the year {MAXYEAR}, not {value}")
    return instant


def _check_webhook(value: str) -> str:
    if (problem := form_problem(value)) is not None:
        raise _refuse(problem)
    return value


def _check_storable(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Check that PostgreSQL can store the JSON: no NUL, no lone surrogate, no NaN, limited depth and size."""
    for problem in _unstorable(value, 0):
        raise _refuse(problem)
    try:
        size = len(orjson.dumps(value))
    except TypeError as exc:  # a number beyond 64 bits, a key that is not text
        raise _refuse(f"cannot be stored: {exc}") from exc
    if size > MAX_METADATA_BYTES:
        raise _refuse(f"at most {MAX_METADATA_BYTES // 1024} KiB of JSON, not {size / 1024:.0f}")
    return value


def _unstorable(value: object, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        yield f"is nested more than {_MAX_DEPTH} deep"
        return
    match value:
        case str():
            if "\0" in value:
                yield "holds a NUL character"
            elif not _is_unicode(value):
                yield "holds half of a surrogate pair"
        case float():
            if not math.isfinite(value):
                yield f"holds {value}, which JSON does not have"
        case dict():
            for key, item in value.items():
                yield from _unstorable(key, depth + 1)
                yield from _unstorable(item, depth + 1)
        case list():
            for item in value:
                yield from _unstorable(item, depth + 1)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class JobSpec(GenerationRequest):
    """A caller's job: every field of the request, and those of the job itself."""

    idempotency_key: Annotated[str, _short_text(MAX_KEY_CHARS)] | None = None
    """Unique over all jobs: the same key again is the same job."""
    priority: Annotated[int, BeforeValidator(_check_priority), AfterValidator(_check_priority_range)] = DEFAULT_PRIORITY
    """0 to 9, higher first."""
    account: Annotated[str, _short_text(MAX_ACCOUNT_CHARS)] | None = None
    """The only account that may serve the job; None: any that can."""
    deadline: Annotated[float | datetime, BeforeValidator(_check_deadline)] | None = None
    """Seconds from now, or an instant; a job that has not succeeded by then fails."""
    webhook_url: Annotated[str, AfterValidator(_check_webhook)] | None = None
    """Called when the job has ended or needs a person; see docs/webhooks.md."""
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    """The caller's own data; stored and returned, never interpreted."""
    tags: Annotated[tuple[Annotated[str, _short_text(MAX_TAG_CHARS)], ...], Field(max_length=MAX_TAGS)] = ()

    @field_validator("metadata", "gateway_options", mode="after")
    @classmethod
    def _check_json(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        return _check_storable(value)

    @field_validator("gateway_options", mode="after")
    @classmethod
    def _check_gateways(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for name, options in value.items():
            if isinstance(options, dict) and name not in GATEWAY_NAMES:
                raise ValueError(f"{shorten(name)} is not a gateway; known are {', '.join(sorted(GATEWAY_NAMES))}")
        return value

    def request(self) -> GenerationRequest:
        """What to generate, without the fields of the job."""
        return GenerationRequest.model_construct(**{name: getattr(self, name) for name in REQUEST_FIELDS})

    def canonical(self) -> dict[str, Any]:
        """The request alone as JSON, without unset fields: stored, hashed and shown."""
        return self.model_dump(mode="json", exclude_defaults=True, include=_OF_THE_REQUEST)

    def request_hash(self) -> str:
        """SHA-256 of the canonical request and the account pin, which decide what is generated and where."""
        return hash_of(self.canonical(), self.account)


def hash_of(canonical: Mapping[str, Any], account: str | None) -> str:
    """As `JobSpec.request_hash`, from its parts."""
    content = {"request": canonical, "account": account}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


REQUEST_FIELDS = tuple(GenerationRequest.model_fields)
_OF_THE_REQUEST = set(REQUEST_FIELDS)
JOB_FIELDS = tuple(JobSpec.model_fields)


def problems_of_each(fields: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with each field of a job by itself. Rules about several fields are not applied, because others may
    be unknown; a missing prompt counts."""
    known = {name: value for name, value in fields.items() if name in JobSpec.model_fields and value is not None}
    try:
        JobSpec.model_validate(known | {_NO_FIELD: None})
    except ValidationError as exc:
        return [problem for problem in problems_of(exc, JobSpec.model_fields) if problem.field != _NO_FIELD]
    return []


def parse_job(fields: Mapping[str, Any], where: str = "") -> JobSpec:
    """Build a job from plain fields, where None means "not given"; `where` names the row they come from.

    Raises:
        InvalidInput: with every field that breaks a rule.
    """
    try:
        return JobSpec.model_validate(
            {name: value for name, value in fields.items() if value is not None or name not in JobSpec.model_fields}
        )
    except ValidationError as exc:
        raise InvalidInput(problems_of(exc, JobSpec.model_fields), where) from exc
