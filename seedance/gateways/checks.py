"""Check a request against a gateway's capabilities: what it refuses, and what it would not do exactly as requested."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, get_args
from urllib.parse import urlsplit

from seedance import public_addresses
from seedance.gateways.capabilities import MB, Capabilities, Flag, MediaLimits, TierLimits
from seedance.media import MediaKind, media_kind
from seedance.problems import Problem
from seedance.request import AUTO_DURATION, RANDOM_SEED, GenerationRequest, Modality

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
    capabilities: Capabilities, request: GenerationRequest, options: Mapping[str, Any]
) -> Iterator[Problem]:
    """Every part of a request that the gateway cannot do, by field; nothing if it can serve the request."""
    gateway = capabilities.gateway
    tier = capabilities.tiers.get(request.tier)
    if tier is None:
        yield Problem("tier", f"{gateway} has {_either(capabilities.tiers)}, not {request.tier}")
    else:
        yield from _tier_refusals(gateway, tier, request)
    if request.ratio is not None and request.ratio not in capabilities.ratios:
        yield Problem("ratio", f"{gateway} has {_either(capabilities.ratios)}, not {request.ratio}")
    yield from _duration_refusals(capabilities, request)
    yield from _prompt_refusals(capabilities, request)
    if request.operation is not None and request.operation not in capabilities.operations:
        yield Problem(
            "operation",
            f"{gateway} documents no {request.operation}; leave it out to send the video as a reference",
        )
    for name in _FLAGS:
        value = getattr(request, name)
        # A request may name what happens anyway (no watermark, a random seed). A seed of 0 is not False.
        if name not in capabilities.flags and not (value is None or value is False or value == RANDOM_SEED):
            yield Problem(name, f"{gateway} has no such setting; leave it out")
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


def warnings_of(capabilities: Capabilities, request: GenerationRequest) -> Iterator[Problem]:
    """The parts of a request that the gateway accepts but would leave out or not do exactly."""
    gateway = capabilities.gateway
    if request.operation is not None and not capabilities.operation_is_sent:
        yield Problem(
            "operation", f"{gateway} has no field for it: the prompt must say what to {request.operation}, and how"
        )
    for name in _FLAGS:
        if name not in capabilities.flags and getattr(request, name) is False:
            yield Problem(name, f"{gateway} has no such setting; false is left out")
    if capabilities.advised_prompt is not None:
        chinese, words = capabilities.advised_prompt
        if len(_CHINESE.findall(request.prompt)) > chinese or len(_WORD.findall(request.prompt)) > words:
            yield Problem(
                "prompt",
                f"{gateway} advises at most {chinese} Chinese characters or {words} words; details may be lost",
            )


def _tier_refusals(gateway: str, tier: TierLimits, request: GenerationRequest) -> Iterator[Problem]:
    if request.resolution is not None and request.resolution not in tier.resolutions:
        yield Problem(
            "resolution",
            f"{gateway} has {_either(tier.resolutions)} in tier {request.tier}, not {request.resolution}",
        )
    if request.web_search and not tier.web_search:
        yield Problem("web_search", f"{gateway} cannot search the web in tier {request.tier}")
    counts: dict[Modality, int] = {}
    for field, modality, value in request.media():
        limits = tier.media[modality]
        counts[modality] = counts.get(modality, 0) + 1
        if limits.count == 0:
            if counts[modality] == 1:
                name = field.partition("[")[0]
                yield Problem(name, f"{gateway} takes no {modality} references in tier {request.tier}")
        elif counts[modality] > limits.count:
            yield Problem(field, f"{gateway} takes at most {limits.count} {modality} references")
        else:
            yield from _media_refusals(gateway, request.tier, limits, field, value)


def _media_refusals(gateway: str, tier: str, limits: MediaLimits, field: str, value: str) -> Iterator[Problem]:
    kind = media_kind(value)
    form = None
    if kind in (MediaKind.PATH, MediaKind.UPLOAD):
        form = canonical_format(value.rpartition(".")[2])  # the file becomes one of the other forms before it is sent
    elif kind not in limits.kinds:
        allowed = " or ".join(text for form, text in _FORMS.items() if form in limits.kinds)
        yield Problem(field, f"{gateway} takes {allowed} in tier {tier}, not {_FORMS[kind]}")
    elif kind is MediaKind.DATA:
        form = canonical_format(value[value.index("/") + 1 : value.index(";")])
        size = (len(value) - value.index(",") - 1) * 3 // 4
        if limits.max_bytes is not None and size >= limits.max_bytes:
            yield Problem(field, f"{gateway} takes less than {limits.max_bytes // MB} MB, not {size / MB:.1f} MB")
    if form is not None and limits.formats and form not in limits.formats:
        yield Problem(field, f"{gateway} takes {_either(sorted(limits.formats))}, not {form}")


def _duration_refusals(capabilities: Capabilities, request: GenerationRequest) -> Iterator[Problem]:
    shortest, longest = capabilities.seconds
    if request.duration == AUTO_DURATION:
        if not capabilities.auto_duration:
            yield Problem(
                "duration", f"{capabilities.gateway} takes {shortest} to {longest} seconds and has no automatic length"
            )
    elif request.duration is not None and not shortest <= request.duration <= longest:
        yield Problem(
            "duration", f"{capabilities.gateway} takes {shortest} to {longest} seconds, not {request.duration}"
        )


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
