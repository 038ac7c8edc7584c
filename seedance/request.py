"""The neutral request: what a caller may ask of Seedance, on any gateway."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self, get_args
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from seedance.media import MEDIA_TYPES, MediaKind, media_kind
from seedance.problems import InvalidInput, Problem, shorten, similar

Tier = Literal["standard", "fast", "mini"]
Resolution = Literal["480p", "720p", "1080p", "4k"]
Ratio = Literal["16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "adaptive"]
Operation = Literal["edit", "extend"]
TaskType = Literal["auto", "reference", "edit", "extend"]
OutputFormat = Literal["mp4", "mov"]
Modality = Literal["image", "video", "audio"]
Mode = Literal["text", "first_frame", "first_last_frame", "reference"]
Use = Literal["text", "first_frame", "first_last_frame", "reference", "edit", "extend"]
"""A mode, or what is done with the reference video."""

MAX_PROMPT_CHARS = 20_000  # far above any gateway's own limit, which its dialect enforces
MODEL_NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
# The outermost bounds of all models, here and below; a model's own are in its row (`seedance/models/`).
MAX_REFERENCES: Mapping[str, int] = {"reference_images": 30, "reference_videos": 10, "reference_audios": 10}
_MODALITIES: tuple[tuple[str, Modality], ...] = tuple(zip(MAX_REFERENCES, get_args(Modality), strict=True))
AUTO_DURATION = -1
DRAFT_RESOLUTION: Resolution = "480p"
MIN_DURATION_S, MAX_DURATION_S = 4, 30
RANDOM_SEED, MAX_SEED = -1, 2**32 - 1
_SECRET_FIELDS = frozenset(
    {"api_key", "user_token", "webhook_secret", "s3_secret_access_key", "database_url", "broker_url"}
)


_NO_PROMPT = "is required; describe the video"
"""For a prompt that is missing as for one that is empty: in a sheet they are the same."""


def _refuse(message: str) -> PydanticCustomError:
    return PydanticCustomError("reelq", "{message}", {"message": message})


def _check_prompt(value: str) -> str:
    if not any(char.isprintable() and not char.isspace() for char in value):
        raise _refuse(_NO_PROMPT)
    if "\0" in value:
        raise _refuse("holds a NUL character")
    return value


def _whole_number(value: object) -> object:
    if isinstance(value, bool):  # pydantic would read true as 1
        raise _refuse(f"must be a whole number, not {shorten(value)}")
    return value


def _check_duration(value: int) -> int:
    if value != AUTO_DURATION and not MIN_DURATION_S <= value <= MAX_DURATION_S:
        raise _refuse(
            f"must be {MIN_DURATION_S} to {MAX_DURATION_S} seconds, or -1 for automatic, not {shorten(value)}"
        )
    return value


def _check_model(value: str) -> str:
    if re.fullmatch(MODEL_NAME, value) is None:
        raise _refuse(f"must be a name such as seedance-2.5, not {shorten(value)}")
    return value


def _check_seed(value: int) -> int:
    if not RANDOM_SEED <= value <= MAX_SEED:
        raise _refuse(f"must be 0 to {MAX_SEED}, or -1 for a random one, not {shorten(value)}")
    return value


def _check_media(modality: Modality) -> AfterValidator:
    def check(value: str) -> str:
        try:
            kind = media_kind(value)
        except ValueError as exc:
            raise _refuse(f"{exc} (got {shorten(value)})") from exc
        if kind is MediaKind.DATA and not value.startswith(f"data:{modality}/"):
            raise _refuse(f"must be data:{modality}/…, not {shorten(value, 40)}")
        if kind in (MediaKind.PATH, MediaKind.UPLOAD):
            suffix = value.rpartition(".")[2].lower()
            if suffix not in MEDIA_TYPES[modality]:
                allowed = ", ".join(sorted(MEDIA_TYPES[modality]))
                raise _refuse(f"a local {modality} must be one of {allowed}, not {shorten(value)}")
        return value

    return AfterValidator(check)


ImageRef = Annotated[str, _check_media("image")]
VideoRef = Annotated[str, _check_media("video")]
AudioRef = Annotated[str, _check_media("audio")]


_COMBINED = frozenset({"first_frame", "last_frame", *MAX_REFERENCES, "operation", "task_type", "draft", "draft_of"})
"""Without any of these, no two fields of a request contradict each other."""


class GenerationRequest(BaseModel):
    """What a caller wants generated.

    `None` means the documented default of the model that serves the job. Only what holds for every model is checked
    here; the rest is in the model's row (`seedance/models/`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Annotated[str, Field(max_length=MAX_PROMPT_CHARS), AfterValidator(_check_prompt)]
    tier: Tier = "standard"
    resolution: Resolution | None = None
    ratio: Ratio | None = None
    duration: Annotated[int, BeforeValidator(_whole_number), AfterValidator(_check_duration)] | None = None
    """Seconds, as the model's row allows; -1 lets the model choose."""
    audio: bool | None = None
    first_frame: ImageRef | None = None
    last_frame: ImageRef | None = None
    reference_images: tuple[ImageRef, ...] = ()
    reference_videos: tuple[VideoRef, ...] = ()
    reference_audios: tuple[AudioRef, ...] = ()
    operation: Operation | None = None
    """What to do with the reference video."""
    web_search: bool | None = None
    seed: Annotated[int, BeforeValidator(_whole_number), AfterValidator(_check_seed)] | None = None
    watermark: bool | None = None
    camera_fixed: bool | None = None
    return_last_frame: bool | None = None
    gateway_options: dict[str, JsonValue] = Field(default_factory=dict)
    """Options that only some gateways have, by name; under a gateway's name, options for that gateway only."""
    model: Annotated[str, AfterValidator(_check_model)] | None = None
    """The neutral name of a model, such as seedance-2.5. None: the account's model for the tier."""
    output_format: OutputFormat | None = None
    task_type: TaskType | None = None
    """How the model reads the references. `operation` implies it: edit and extend mean the same in both."""
    draft: bool = False
    """A cheap first version, from which a final video can be made."""
    draft_of: UUID | None = None
    """The job whose draft this is the final of. The other fields are those of the draft: see `seedance.drafts`."""

    @model_validator(mode="after")
    def _settle_draft(self) -> Self:
        if self.draft and self.resolution is None:
            object.__setattr__(self, "resolution", DRAFT_RESOLUTION)
        return self

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if self.model_fields_set.isdisjoint(_COMBINED):
            return self
        for problem in self._combination_problems():
            raise PydanticCustomError("reelq_field", "{message}", {"field": problem.field, "message": problem.message})
        return self

    def _combination_problems(self) -> Iterator[Problem]:
        for name, limit in MAX_REFERENCES.items():
            if len(getattr(self, name)) > limit:
                yield Problem(name, f"at most {limit}, not {len(getattr(self, name))}")
        frames = self.first_frame is not None or self.last_frame is not None
        references = self.reference_images or self.reference_videos or self.reference_audios
        if self.last_frame is not None and self.first_frame is None:
            yield Problem("last_frame", "needs first_frame as well")
        if frames and references:
            given = next(name for name in MAX_REFERENCES if getattr(self, name))
            frame = "first_frame" if self.first_frame is not None else "last_frame"
            yield Problem(frame, f"cannot be combined with {given}; use frames or references")
        if self.web_search and (frames or references):
            yield Problem("web_search", "works for text only, without frames or references")
        if self.operation is not None and not self.reference_videos:
            yield Problem("operation", f"{self.operation} needs the video in reference_videos")
        if self.task_type is not None and self.operation not in (None, self.task_type):
            yield Problem("task_type", f"must be {self.operation} as in operation, or left out, not {self.task_type}")
        elif self.task_type in get_args(Operation) and not self.reference_videos:
            yield Problem("task_type", f"{self.task_type} needs the video in reference_videos")
        elif self.task_type is not None and not references:
            yield Problem("task_type", f"{self.task_type} needs references")
        if self.draft and self.draft_of is not None:
            yield Problem("draft", "cannot be combined with draft_of: a final is not a draft")
        if self.draft and self.return_last_frame:
            yield Problem("return_last_frame", "a draft has no last frame; ask for it with the final")

    @property
    def task(self) -> Operation | None:
        """What to do with the reference video; None: nothing but use it as a reference."""
        if self.task_type == "edit" or self.task_type == "extend":
            return self.task_type
        return self.operation

    @property
    def use(self) -> Use:
        """The mode, or the task if there is one."""
        return self.task or self.mode

    @property
    def mode(self) -> Mode:
        """The mode of generation; each request has exactly one."""
        if self.last_frame is not None:
            return "first_last_frame"
        if self.first_frame is not None:
            return "first_frame"
        if self.reference_images or self.reference_videos or self.reference_audios:
            return "reference"
        return "text"

    def media(self) -> Iterator[tuple[str, Modality, str]]:
        """Every reference that is sent as (field, modality, value), in the order of the gateways: images, videos,
        audios. A final sends none: the gateway has those of the draft."""
        if self.draft_of is not None:
            return
        if self.first_frame is not None:
            yield "first_frame", "image", self.first_frame
        if self.last_frame is not None:
            yield "last_frame", "image", self.last_frame
        for name, modality in _MODALITIES:
            for index, value in enumerate(getattr(self, name)):
                yield f"{name}[{index}]", modality, value

    def with_media(self, replaced: Mapping[str, str]) -> Self:
        """A copy with some references replaced, by the field names that `media` gives."""
        if not replaced:
            return self
        update: dict[str, object] = {name: replaced[name] for name in ("first_frame", "last_frame") if name in replaced}
        for name in MAX_REFERENCES:
            values = getattr(self, name)
            update[name] = tuple(replaced.get(f"{name}[{i}]", value) for i, value in enumerate(values))
        return self.model_copy(update=update)

    def options_for(self, gateway: str) -> dict[str, JsonValue]:
        """The options for one gateway: the plain ones and those under its name. No option is an object, so an object
        contains the options of the gateway with that name."""
        plain: dict[str, JsonValue] = {
            name: value for name, value in self.gateway_options.items() if not isinstance(value, dict)
        }
        own = self.gateway_options.get(gateway)
        return plain | own if isinstance(own, dict) else plain

    def canonical(self) -> dict[str, Any]:
        """The request as JSON without defaults: the form that is stored, hashed and shown."""
        return self.model_dump(mode="json", exclude_defaults=True)


UNKNOWN_FIELD = "is not a field we know"


def problems_of(error: ValidationError, known: Iterable[str] = ()) -> tuple[Problem, ...]:
    """Pydantic's errors in our words: the field as the caller wrote it, what is allowed, what was given. `known`: the
    fields that there are, of which an unknown one may be a misspelling."""
    return tuple(_problem_of(dict(item), known) for item in error.errors(include_url=False))


@lru_cache(256)
def _meant(field: str, known: tuple[str, ...]) -> str | None:
    """As `similar`; a misspelling often stands in every row."""
    return similar(field, known)


def _problem_of(item: dict[str, Any], known: Iterable[str]) -> Problem:
    context = item.get("ctx", {})
    if item["type"] == "reelq_field":
        return Problem(context["field"], context["message"])
    field = ""
    for part in item["loc"]:
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
    secret = any(part in _SECRET_FIELDS for part in item["loc"])
    given = "***" if secret else shorten(item["input"])
    match item["type"]:
        case "reelq":
            message = str(context["message"])
        case "value_error":
            message = str(context["error"])
        case "missing":
            message = _NO_PROMPT if item["loc"][-1:] == ("prompt",) else "is required"
        case "extra_forbidden":
            close = _meant(field, tuple(known))
            message = UNKNOWN_FIELD if close is None else f"{UNKNOWN_FIELD}; did you mean {close}?"
        case "literal_error":
            message = f"must be {context['expected']}, not {given}"
        case "int_parsing" | "int_type" | "int_from_float" | "finite_number" | "int_parsing_size":
            message = f"must be a whole number, not {given}"
        case "float_parsing" | "float_type":
            message = f"must be a number, not {given}"
        case "uuid_parsing" | "uuid_type":
            message = f"must be a UUID, not {given}"
        case "bool_parsing" | "bool_type":
            message = f"must be true or false, not {given}"
        case "string_type":
            message = f"must be text, not {given}"
        case "string_unicode":
            message = "holds half of a surrogate pair"
        case "tuple_type" | "list_type":
            message = f"must be a list, not {given}"
        case "dict_type":
            message = f"must be an object, not {given}"
        case "too_long":
            message = f"at most {context['max_length']}, not {context['actual_length']}"
        case "string_too_long":
            message = f"at most {context['max_length']} characters"
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            message = f"{str(item['msg']).removeprefix('Input ')}, not {given}"
        case _:
            message = f"{item['msg']} (got {given})"
    return Problem(field, message)


def parse_request(fields: Mapping[str, object]) -> GenerationRequest:
    """Build a request from plain fields.

    Raises:
        InvalidInput: names every field that breaks a rule.
    """
    if not isinstance(fields, Mapping):  # JSON that another program has stored
        raise InvalidInput([Problem("request", "must be an object")])
    try:
        return GenerationRequest.model_validate(dict(fields))
    except ValidationError as exc:
        raise InvalidInput(problems_of(exc)) from exc
