"""Check a request against a gateway's capabilities: what it refuses, and what it would not do exactly as requested."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, get_args
from urllib.parse import urlsplit

from seedance import public_addresses
from seedance.drafts import DEFAULT_FORMAT, draft_refusals, final_refusals
from seedance.gateways.capabilities import Capabilities
from seedance.media import MediaKind, media_kind
from seedance.models.catalog import model_name
from seedance.models.rows import MB, Flag, MediaLimits, ModelRow
from seedance.problems import Problem
from seedance.request import AUTO_DURATION, MAX_PROMPT_CHARS, MAX_REFERENCES, RANDOM_SEED, GenerationRequest, Modality

MAX_CALLBACK_CHARS = 2048
_FLAGS = get_args(Flag)
_SAME_FORMAT = {
    "jpeg": "jpg",
    "tif": "tiff",
    "quicktime": "mov",
    "mpeg": "mp3",
    "x-wav": "wav",
    "wave": "wav",
    "vnd.wave": "wav",
}
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[A-Za-z0-9]+(?:['’-][A-Za-z0-9]+)*")
_FORMS = {MediaKind.URL: "an http(s) URL", MediaKind.DATA: "a data URI", MediaKind.ASSET: "asset://ID"}


def refusals_of(
    capabilities: Capabilities, row: ModelRow | None, request: GenerationRequest, options: Mapping[str, Any]
) -> Iterator[Problem]:
    """Every part of a request that the gateway cannot do, by field; nothing if it can serve the request. `row`: of the
    model that would serve it; None: there is none."""
    gateway = capabilities.gateway
    if row is None:
        yield _unsold(capabilities, request)
    elif request.draft_of is not None:
        yield from final_refusals(gateway, row, request, options)
    else:
        yield from _row_refusals(gateway, row, request)
    yield from _prompt_refusals(capabilities, request)
    for name, value in options.items():
        if name not in capabilities.options:
            allowed = _either(capabilities.options) if capabilities.options else "none"
            yield Problem(f"gateway_options.{name}", f"{gateway} knows {allowed}")
        elif wrong := capabilities.options[name].problem(value):
            yield Problem(f"gateway_options.{name}", wrong)
    if capabilities.max_body_bytes is not None:
        sizes = {name: len(value) for name, _, value in request.media()}
        if sum(sizes.values()) + len(request.prompt.encode()) > capabilities.max_body_bytes:
            limit = capabilities.max_body_bytes // MB
            largest = max(sizes, key=sizes.__getitem__)
            yield Problem(largest, f"{gateway} takes requests of up to {limit} MB with everything in them; give URLs")


def warnings_of(capabilities: Capabilities, row: ModelRow, request: GenerationRequest) -> Iterator[Problem]:
    """The parts of a request that the gateway accepts but would leave out, replace or not do exactly."""
    gateway = capabilities.gateway
    if request.draft_of is not None:  # little of it is sent
        return
    yield from row.replaced(request)
    if request.task is not None and not row.operation_is_sent:
        yield Problem(
            _task_field(request),
            f"{gateway} has no field for it: the prompt must say what to {request.task}, and how",
        )
    elif request.task is None and request.task_type is not None and not row.task_types:
        yield Problem("task_type", f"{gateway} has no field for it: {request.task_type} is left out")
    if request.output_format is not None and not row.output_formats:
        yield Problem("output_format", f"{gateway} has no such setting; its videos are {DEFAULT_FORMAT}")
    for name in _FLAGS:
        if name not in row.flags and getattr(request, name) is False:
            yield Problem(name, f"{gateway} has no such setting; false is left out")
    if capabilities.advised_prompt is not None:
        chinese, words = capabilities.advised_prompt
        if len(_CHINESE.findall(request.prompt)) > chinese or len(_WORD.findall(request.prompt)) > words:
            yield Problem(
                "prompt",
                f"{gateway} advises at most {chinese} Chinese characters or {words} words; details may be lost",
            )


def _unsold(capabilities: Capabilities, request: GenerationRequest) -> Problem:
    gateway = capabilities.gateway
    if request.model is None:
        sold = _either(capabilities.tiers) if capabilities.tiers else "no tier"
        return Problem("tier", f"{gateway} has {sold}, not {request.tier}")
    sold = _either(capabilities.models) if capabilities.models else "no model"
    return Problem("model", f"{gateway} sells {sold}, not {model_name(request.model, request.tier)}")


def _row_refusals(gateway: str, row: ModelRow, request: GenerationRequest) -> Iterator[Problem]:
    at = f"in tier {request.tier} ({row.name})" if request.model is None else f"in {row.name}"
    if request.resolution is not None and request.resolution not in row.resolutions:
        yield Problem("resolution", f"{gateway} has {_either(row.resolutions)} {at}, not {request.resolution}")
    if request.draft:
        yield from draft_refusals(gateway, row, request)
    if request.ratio is not None and request.ratio not in row.ratios:
        yield Problem("ratio", f"{gateway} has {_either(row.ratios)}, not {request.ratio}")
    yield from _duration_refusals(gateway, row, request)
    if request.web_search and not row.web_search:
        yield Problem("web_search", f"{gateway} cannot search the web {at}")
    if request.output_format is not None and request.output_format not in (row.output_formats or (DEFAULT_FORMAT,)):
        yield Problem("output_format", f"{gateway} makes {DEFAULT_FORMAT} {at}, not {request.output_format}")
    if request.task is not None and request.task not in row.operations:
        yield Problem(
            _task_field(request),
            f"{gateway} documents no {request.task}; leave it out to send the video as a reference",
        )
    for name in _FLAGS:
        value = getattr(request, name)
        # A request may name what happens anyway (no watermark, a random seed). A seed of 0 is not False.
        if name not in row.flags and not (value is None or value is False or value == RANDOM_SEED):
            yield Problem(name, f"{gateway}'s {row.name} has no such setting; leave it out")
    yield from _reference_refusals(gateway, row, request, at)


def _reference_refusals(gateway: str, row: ModelRow, request: GenerationRequest, at: str) -> Iterator[Problem]:
    if request.reference_audios and not (row.audio_alone or request.reference_images or request.reference_videos):
        yield Problem(
            "reference_audios", f"cannot be used alone at {gateway} {at}; add reference_images or reference_videos"
        )
    given = {name: len(getattr(request, name)) for name in MAX_REFERENCES}
    if row.max_references is not None and sum(given.values()) > row.max_references:
        name = max(given, key=given.__getitem__)
        total = sum(given.values())
        yield Problem(name, f"{gateway} takes at most {row.max_references} references of all kinds {at}, not {total}")
    counts: dict[Modality, int] = {}
    surplus: dict[Modality, str] = {}
    for field, modality, value in request.media():
        limits = row.media[modality]
        counts[modality] = counts.get(modality, 0) + 1
        if counts[modality] <= limits.count:
            yield from _media_refusals(gateway, at, limits, field, value)
        else:
            surplus.setdefault(modality, field.partition("[")[0])
    for modality, name in surplus.items():
        most = row.media[modality].count
        if most == 0:
            yield Problem(name, f"{gateway} takes no {modality} references {at}")
        else:
            yield Problem(name, f"{gateway} takes at most {most} {modality} references {at}, not {counts[modality]}")


def _media_refusals(gateway: str, at: str, limits: MediaLimits, field: str, value: str) -> Iterator[Problem]:
    kind = media_kind(value)
    form = None
    if kind in (MediaKind.PATH, MediaKind.UPLOAD):
        form = canonical_format(value.rpartition(".")[2])  # the file becomes one of the other forms before it is sent
    elif kind not in limits.kinds:
        allowed = " or ".join(text for form, text in _FORMS.items() if form in limits.kinds)
        yield Problem(field, f"{gateway} takes {allowed} {at}, not {_FORMS[kind]}")
    elif kind is MediaKind.DATA:
        form = canonical_format(value[value.index("/") + 1 : value.index(";")])
        size = (len(value) - value.index(",") - 1) * 3 // 4
        if limits.max_bytes is not None and size >= limits.max_bytes:
            yield Problem(field, f"{gateway} takes less than {limits.max_bytes // MB} MB, not {size / MB:.1f} MB")
    if form is not None and limits.formats and form not in limits.formats:
        yield Problem(field, f"{gateway} takes {_either(sorted(limits.formats))}, not {form}")


def _duration_refusals(gateway: str, row: ModelRow, request: GenerationRequest) -> Iterator[Problem]:
    shortest, longest = row.seconds
    takes = f"{gateway}'s {row.name} takes {shortest} to {longest} seconds"
    if request.duration == AUTO_DURATION:
        if not row.auto_duration:
            yield Problem("duration", f"{takes} and has no automatic length")
    elif request.duration is not None and not shortest <= request.duration <= longest:
        yield Problem("duration", f"{takes}, not {request.duration}")


def _task_field(request: GenerationRequest) -> str:
    return "operation" if request.operation is not None else "task_type"


def _prompt_refusals(capabilities: Capabilities, request: GenerationRequest) -> Iterator[Problem]:
    length = len(request.prompt)
    if capabilities.max_prompt_chars is not None and length > capabilities.max_prompt_chars:
        yield Problem(
            "prompt", f"{capabilities.gateway} takes at most {capabilities.max_prompt_chars} characters, not {length}"
        )
    if capabilities.max_prompt_tokens is not None:
        tokens = estimated_tokens(request.prompt)
        if tokens > capabilities.max_prompt_tokens:
            yield Problem(
                "prompt",
                f"{capabilities.gateway} takes at most {capabilities.max_prompt_tokens} tokens, not about {tokens}",
            )


def sure_prompt_chars_of(capabilities: Capabilities) -> int:
    """A prompt of up to this many characters is never refused, whatever it says, if the request sends no files."""
    known = (
        capabilities.max_prompt_chars,
        capabilities.max_prompt_tokens,  # a character is at most one
        None if capabilities.max_body_bytes is None else capabilities.max_body_bytes // 4,
    )
    return min((MAX_PROMPT_CHARS, *(limit for limit in known if limit is not None)))


def callback_problem_of(capabilities: Capabilities, url: str, allow_private: bool) -> str | None:
    """Why the gateway would not call a URL back; None if it would. A private URL is right only in a rehearsal."""
    gateway = capabilities.gateway
    if not capabilities.callbacks:
        return f"{gateway} does not call back"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https") or len(url) > MAX_CALLBACK_CHARS:
        return f"must be an http(s) URL of at most {MAX_CALLBACK_CHARS} characters"
    if allow_private and not is_public(host):
        return None
    if not is_public(host):
        return f"{gateway} cannot reach {host}, which is not public"
    if capabilities.callbacks_https_only and parts.scheme != "https":
        return f"{gateway} calls back over https only"
    return None


def is_public(host: str) -> bool:
    """Whether gateways on the internet can reach a host, judged by its name alone."""
    try:
        address = ip_address(host)
    except ValueError:  # a name, which only the gateway's own resolver can resolve
        return "." in host and not host.endswith((".local", ".internal", ".localhost"))
    return public_addresses.is_public(address)


def canonical_format(name: str) -> str:
    """One name per file format, from an extension or a MIME subtype: `MediaLimits.formats` uses these."""
    return _SAME_FORMAT.get(name.lower(), name.lower())


def estimated_tokens(text: str) -> int:
    """Roughly how many tokens a text has: one per character beyond ASCII, one per four ASCII characters."""
    ascii_chars = sum(character.isascii() for character in text)
    return len(text) - ascii_chars + -(-ascii_chars // 4)


def _either(names: Any) -> str:
    *first, last = list(names)
    return f"{', '.join(first)} or {last}" if first else str(last)
