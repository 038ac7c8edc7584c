"""From the body of Ark's create call to the fields of a job. What cannot be honoured is refused, never left out.

Source: byteplus-python-sdk-v2, resources/content_generation/tasks.py; https://www.volcengine.com/docs/82379/1520757
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from producer.api.ark.flags import split_flags
from producer.api.ark.models import model_fields
from producer.http.problems import ApiProblem
from seedance.account import Account
from seedance.problems import InvalidInput, Problem, shorten
from seedance.request import Modality
from seedance.tokens import FRAMES_PER_SECOND

MIN_EXPIRY_S, MAX_EXPIRY_S = 3600, 259_200
_OURS: Mapping[str, str] = {
    "generate_audio": "audio",
    "watermark": "watermark",
    "camera_fixed": "camera_fixed",
    "return_last_frame": "return_last_frame",
    "resolution": "resolution",
    "ratio": "ratio",
    "duration": "duration",
    "seed": "seed",
    "priority": "priority",
    "draft": "draft",
    "output_format": "output_format",
    "omni_reference_task_type": "task_type",
}
"""Parameters that are a field of a job, by Ark's name."""
_THEIRS: Mapping[str, str] = {ours: name for name, ours in _OURS.items()} | {
    "prompt": "content.text",
    "draft_of": "content.draft_task.id",
    "deadline": "execution_expires_after",
    "tier": "model",
}
_MODALITIES: tuple[Modality, ...] = ("image", "video", "audio")
_FRAMES = ("first_frame", "last_frame")
_KNOWN = frozenset({"model", "content", "callback_url", "service_tier", "execution_expires_after", "safety_identifier"})
_MORE = frozenset({"tools", "frames", "framespersecond", *_OURS})
_ROLES: Mapping[str, tuple[str, ...]] = {
    "image": (*_FRAMES, "reference_image"),
    "video": ("reference_video",),
    "audio": ("reference_audio",),
}


@dataclass(slots=True)
class ArkTask:
    """What a body asks for: the fields of the job, and what only this door knows of it."""

    fields: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def read_task(body: Mapping[str, Any], accounts: Iterable[Account]) -> ArkTask:
    """Read a body.

    Raises:
        ApiProblem: the model is not known, or something is missing.
        InvalidInput: a parameter is not known or not possible; the problems have Ark's names.
    """
    given = {name: value for name, value in body.items() if value is not None}
    if unknown := sorted(given.keys() - _KNOWN - _MORE):
        raise _invalid(unknown[0], "is not a parameter that is known")
    model = given.get("model")
    if not isinstance(model, str) or not model.strip():
        raise _missing("model")
    content = given.get("content")
    if not isinstance(content, list) or not content:
        raise _missing("content")
    own = model_fields(model, accounts)
    task = ArkTask(facts={"model": model})
    flags = _read_content(content, task.fields)
    for name, value in flags.items():
        if name in given and given[name] != value:
            raise _invalid(name, f"is {shorten(given[name])}, and {shorten(value)} in the text; send only one of them")
    asked = given | flags
    if "draft_of" not in task.fields:
        task.fields |= own  # a final has its draft's
    task.fields |= {ours: asked[name] for name, ours in _OURS.items() if name in asked}
    if isinstance(resolution := task.fields.get("resolution"), str):
        task.fields["resolution"] = resolution.lower()
    _read_special(asked, task)
    return task


def _read_special(asked: Mapping[str, Any], task: ArkTask) -> None:
    """The parameters that are no plain field."""
    if "frames" in asked:
        raise _invalid("frames", "is not supported by Seedance 2 and must be empty; set duration")
    if asked.get("framespersecond", FRAMES_PER_SECOND) != FRAMES_PER_SECOND:
        raise _invalid("framespersecond", f"videos have {FRAMES_PER_SECOND} frames per second")
    if asked.get("service_tier", "default") != "default":
        raise _invalid("service_tier", "must be default: Seedance 2 has no flex tier")
    if (tools := asked.get("tools")) is not None:
        if tools not in ([], [{"type": "web_search"}]):
            raise _invalid("tools", 'must be [{"type": "web_search"}]')
        if tools:
            task.fields["web_search"] = True
    if (expiry := asked.get("execution_expires_after")) is not None:
        if type(expiry) is not int or not MIN_EXPIRY_S <= expiry <= MAX_EXPIRY_S:
            raise _invalid("execution_expires_after", f"must be an integer in [{MIN_EXPIRY_S}, {MAX_EXPIRY_S}]")
        task.fields["deadline"] = expiry
        task.facts["execution_expires_after"] = expiry
    if (identifier := asked.get("safety_identifier")) is not None:
        if not isinstance(identifier, str) or not 0 < len(identifier) <= 64 or not identifier.isprintable():
            raise _invalid("safety_identifier", "must be 1 to 64 printable characters")
        task.facts["safety_identifier"] = identifier
        task.fields["gateway_options"] = {"ark": {"safety_identifier": identifier}}
    if (callback := asked.get("callback_url")) is not None:
        if not isinstance(callback, str):
            raise _invalid("callback_url", "must be a URL")
        task.facts["callback_url"] = callback


# --- content ---------------------------------------------------------------------------------------------------------


def _read_content(content: list[Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Put text and media into the fields; returns the parameters in the text."""
    flags: dict[str, Any] = {}
    pictures: list[tuple[str, str]] = []
    for index, item in enumerate(content):
        place = f"content[{index}]"
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "text":
            if "prompt" in fields:
                raise _invalid(place, "is a second text; send one")
            fields["prompt"], flags = _text(item, place)
        elif kind == "draft_task":
            fields["draft_of"] = _member(item, "draft_task", "id", place)
        elif isinstance(kind, str) and kind.removesuffix("_url") in _MODALITIES and kind.endswith("_url"):
            modality = kind.removesuffix("_url")
            url = _member(item, kind, "url", place)
            role = _role(item, modality, place)
            if modality == "image":
                pictures.append((role, url))
            else:
                fields.setdefault(f"reference_{modality}s", []).append(url)
        else:
            raise _invalid(f"{place}.type", "must be text, image_url, video_url, audio_url or draft_task")
        if unknown := sorted(item.keys() - {"type", "text", "role", kind}):
            raise _invalid(f"{place}.{unknown[0]}", "is not a parameter that is known")
    _place_pictures(pictures, fields)
    if "draft_of" in fields:
        if "prompt" in fields:
            raise _invalid("content", "a final takes its text from its draft; send the draft_task alone")
    elif "prompt" not in fields:
        raise _missing("content.text")
    return flags


def _text(item: Mapping[str, Any], place: str) -> tuple[str, dict[str, Any]]:
    text = item.get("text")
    if not isinstance(text, str) or not text.strip():
        raise _missing(f"{place}.text")
    prompt, flags = split_flags(text)
    if not prompt.strip():
        raise _missing(f"{place}.text")
    return prompt, flags


def _role(item: Mapping[str, Any], modality: str, place: str) -> str:
    role = item.get("role")
    if role is None:
        return ""
    if role not in _ROLES[modality]:
        raise _invalid(f"{place}.role", f"must be {' or '.join(_ROLES[modality])}, not {shorten(role)}")
    return str(role)


def _member(item: Mapping[str, Any], name: str, member: str, place: str) -> str:
    holder = item.get(name)
    value = holder.get(member) if isinstance(holder, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise _missing(f"{place}.{name}.{member}")
    if unknown := sorted(holder.keys() - {member}):  # type: ignore[union-attr] # a dictionary, as it has the member
        raise _invalid(f"{place}.{name}.{unknown[0]}", "is not a parameter that is known")
    return value


def _place_pictures(pictures: list[tuple[str, str]], fields: dict[str, Any]) -> None:
    """One picture without a role is the first frame, as at Ark."""
    if len(pictures) > 1 and any(not role for role, _ in pictures):
        raise _invalid("content", "several pictures need a role each: first_frame, last_frame or reference_image")
    for role, url in pictures:
        name = role or "first_frame"
        if name in _FRAMES:
            if name in fields:
                raise _invalid("content", f"has two pictures with the role {name}")
            fields[name] = url
        else:
            fields.setdefault("reference_images", []).append(url)


def replace_media(fields: dict[str, Any], replace: Callable[[Modality, str], str]) -> None:
    """Replace each reference of the fields in place by what `replace` returns for its modality and value."""
    for name in _FRAMES:
        if name in fields:
            fields[name] = replace("image", fields[name])
    for modality in _MODALITIES:
        name = f"reference_{modality}s"
        if name in fields:
            fields[name] = [replace(modality, value) for value in fields[name]]


# --- errors ----------------------------------------------------------------------------------------------------------


def in_arks_words(exc: InvalidInput) -> InvalidInput:
    """The same problems with Ark's names of parameters."""
    return InvalidInput(list(_named(exc.problems)), exc.where)


def _named(problems: Iterable[Problem]) -> Iterator[Problem]:
    for problem in problems:
        name, bracket, rest = problem.field.partition("[")
        yield Problem(f"{_THEIRS.get(name, name)}{bracket}{rest}", problem.message)


def _invalid(name: str, message: str) -> InvalidInput:
    return InvalidInput([Problem(name, message)])


def _missing(name: str) -> ApiProblem:
    return ApiProblem(400, "MissingParameter", f"The request is missing the required parameter {name}", param=name)
