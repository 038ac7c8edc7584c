"""Random valid requests of every mode, and JSON that gateways send or would never send."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st

from seedance.gateways.capabilities import Capabilities, Option
from seedance.media import MediaKind
from seedance.models.data import bundled_models
from seedance.models.rows import MediaLimits, ModelRow
from seedance.problems import InvalidInput
from seedance.request import (
    AUTO_DURATION,
    MAX_SEED,
    GenerationRequest,
    Operation,
    OutputFormat,
    Ratio,
    Resolution,
    TaskType,
    Tier,
    parse_request,
)

_PROMPTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60).filter(
    str.strip
)
_IMAGES = st.sampled_from(
    ["https://example.com/a.png", "http://example.com/b.jpg?x=1&y=%20", "asset://asset-1", "data:image/png;base64,AAAA"]
)
_VIDEOS = st.sampled_from(["https://example.com/a.mp4", "asset://asset-2", "data:video/mp4;base64,AAAA"])
_AUDIOS = st.sampled_from(["https://example.com/a.mp3", "asset://asset-3", "data:audio/wav;base64,AAAA"])
_REFERENCES = {"image": _IMAGES, "video": _VIDEOS, "audio": _AUDIOS}
_FLAG = st.none() | st.booleans()
_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "content_filter": st.booleans() | st.just("no"),
        "priority": st.integers(-1, 10),
        "ark": st.fixed_dictionaries({}, optional={"execution_expires_after": st.integers(3000, 300_000)}),
        "evolink": st.fixed_dictionaries({}, optional={"content_filter": st.booleans()}),
        "unknown": st.just({"x": 1}),
    },
)


def _optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def _media(draw: st.DrawFn) -> dict[str, Any]:
    mode = draw(st.sampled_from(["text", "first_frame", "first_last_frame", "reference"]))
    match mode:
        case "first_frame":
            return {"first_frame": draw(_IMAGES)}
        case "first_last_frame":
            return {"first_frame": draw(_IMAGES), "last_frame": draw(_IMAGES)}
        case "reference":
            return {
                "reference_images": draw(st.lists(_IMAGES, max_size=10)),
                "reference_videos": draw(st.lists(_VIDEOS, max_size=4)),
                "reference_audios": draw(st.lists(_AUDIOS, max_size=4)),
                "operation": draw(_optional(st.sampled_from(get_args(Operation)))),
                "task_type": draw(_optional(st.sampled_from(get_args(TaskType)))),
            }
        case _:
            return {"web_search": draw(_FLAG)}


@st.composite
def _fields(draw: st.DrawFn) -> dict[str, Any]:
    fields = {
        "prompt": draw(_PROMPTS),
        "tier": draw(st.sampled_from(get_args(Tier))),
        "model": draw(_optional(st.sampled_from(sorted(bundled_models())))),
        "resolution": draw(_optional(st.sampled_from(get_args(Resolution)))),
        "ratio": draw(_optional(st.sampled_from(get_args(Ratio)))),
        "duration": draw(_optional(st.integers(3, 31) | st.just(-1))),
        "output_format": draw(_optional(st.sampled_from(get_args(OutputFormat)))),
        "audio": draw(_FLAG),
        "seed": draw(_optional(st.integers(-1, MAX_SEED))),
        "watermark": draw(_FLAG),
        "camera_fixed": draw(_FLAG),
        "return_last_frame": draw(_FLAG),
        "gateway_options": draw(_OPTIONS),
    }
    return fields | draw(_media())


def _parsed(fields: dict[str, Any]) -> GenerationRequest | None:
    try:
        return parse_request(fields)
    except InvalidInput:  # such as audio alone, or an operation without a video
        return None


@st.composite
def requests_for(draw: st.DrawFn, able: Capabilities) -> GenerationRequest:
    """Half of the requests are within a gateway's capabilities, half are any requests, most of which it refuses."""
    request = draw((_within(able) | _fields()).map(_parsed).filter(lambda parsed: parsed is not None))
    assert request is not None
    return request


@st.composite
def _within(draw: st.DrawFn, able: Capabilities) -> dict[str, Any]:
    by_tier: list[tuple[dict[str, Any], ModelRow]] = [({"tier": tier}, row) for tier, row in able.tiers.items()]
    by_name: list[tuple[dict[str, Any], ModelRow]] = [({"model": name}, row) for name, row in able.models.items()]
    named, row = draw(st.sampled_from([*by_tier, *by_name]))
    shortest, longest = row.seconds
    seconds = st.integers(shortest, longest) | (st.just(AUTO_DURATION) if row.auto_duration else st.nothing())
    flags = {
        flag: draw(st.none() | (st.integers(0, MAX_SEED) if flag == "seed" else _FLAG)) for flag in sorted(row.flags)
    }
    options = {option: _option(found) for option, found in able.options.items() if not found.pattern}
    fields: dict[str, Any] = {
        "prompt": draw(_PROMPTS),
        "resolution": draw(_optional(st.sampled_from(row.resolutions))),
        "ratio": draw(_optional(st.sampled_from(row.ratios))),
        "duration": draw(_optional(seconds)),
        "audio": draw(_FLAG),
        "output_format": draw(_optional(st.sampled_from(row.output_formats or ("mp4",)))),
        "gateway_options": {able.gateway: draw(st.fixed_dictionaries({}, optional=options))},
    }
    within: dict[str, Any] = named | fields | flags | draw(_media_within(row))
    return within


@st.composite
def _media_within(draw: st.DrawFn, row: ModelRow) -> dict[str, Any]:
    pictures = row.media["image"]
    frames = ("first_frame", "last_frame")[: pictures.count]
    media: dict[str, Any] = {}
    match draw(st.sampled_from(["reference", *frames, "text"])):
        case "first_frame":
            media["first_frame"] = draw(_reference("image", pictures))
        case "last_frame":
            media |= {place: draw(_reference("image", pictures)) for place in frames}
        case "reference":
            for modality, limits in row.media.items():
                if limits.count and (modality != "audio" or media or row.audio_alone):
                    references = st.lists(_reference(modality, limits), min_size=not media, max_size=limits.count)
                    media[f"reference_{modality}s"] = draw(references)
            if media.get("reference_videos") and row.operations:
                media["operation"] = draw(_optional(st.sampled_from(row.operations)))
            elif row.task_types:
                media["task_type"] = draw(_optional(st.sampled_from(["auto", "reference"])))
        case _ if row.web_search:
            media["web_search"] = draw(_FLAG)
    return media


def _reference(modality: str, limits: MediaLimits) -> st.SearchStrategy[str]:
    forms = {MediaKind.DATA: "data:", MediaKind.ASSET: "asset:", MediaKind.URL: "http"}
    starts = tuple(forms[kind] for kind in limits.kinds)
    return _REFERENCES[modality].filter(lambda reference: reference.startswith(starts))


def _option(option: Option) -> st.SearchStrategy[Any]:
    match option.kind:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(option.minimum, option.maximum)
        case _:
            return st.sampled_from(option.values)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
"""Any JSON, including JSON that no gateway would send."""

_ANY_NAME = """
id task_id status data error code message type param content video_url last_frame_url url metadata results usage seed
progress fail_reason result_url generations items total created_at failure_reason fallback_suggestion
"""
_ANY_WORD = """
SUCCESS FAILURE succeeded completed failed running cancelled expired https://e.com/a.mp4 fail_to_fetch_task { 30%
任务超时 {"error":{"code":"X","message":"{}"}} InputTextSensitiveContentDetected QuotaExceeded content_policy_violation
"""
_NAMES = st.sampled_from(_ANY_NAME.split())
_WORDS = st.sampled_from(_ANY_WORD.split())
LIKELY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=6),
    max_leaves=25,
)
"""JSON made of the names and words that gateways use, in any arrangement."""
