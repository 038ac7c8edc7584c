"""Random valid requests of every mode, and JSON that gateways send or would never send."""

from __future__ import annotations

from functools import cache
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


def _joined(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda drawn: {name: value for part in drawn for name, value in part.items()})


@cache
def _any_fields() -> st.SearchStrategy[dict[str, Any]]:
    fields = {
        "prompt": _PROMPTS,
        "tier": st.sampled_from(get_args(Tier)),
        "model": _optional(st.sampled_from(sorted(bundled_models()))),
        "resolution": _optional(st.sampled_from(get_args(Resolution))),
        "ratio": _optional(st.sampled_from(get_args(Ratio))),
        "duration": _optional(st.integers(3, 31) | st.just(-1)),
        "output_format": _optional(st.sampled_from(get_args(OutputFormat))),
        "audio": _FLAG,
        "seed": _optional(st.integers(-1, MAX_SEED)),
        "watermark": _FLAG,
        "camera_fixed": _FLAG,
        "return_last_frame": _FLAG,
        "gateway_options": _OPTIONS,
    }
    references = {
        "reference_images": st.lists(_IMAGES, max_size=10),
        "reference_videos": st.lists(_VIDEOS, max_size=4),
        "reference_audios": st.lists(_AUDIOS, max_size=4),
        "operation": _optional(st.sampled_from(get_args(Operation))),
        "task_type": _optional(st.sampled_from(get_args(TaskType))),
    }
    modes: list[dict[str, st.SearchStrategy[Any]]] = [
        {"web_search": _FLAG},
        {"first_frame": _IMAGES},
        {"first_frame": _IMAGES, "last_frame": _IMAGES},
        references,
    ]
    return _joined(st.fixed_dictionaries(fields), st.one_of(*map(st.fixed_dictionaries, modes)))


def _parsed(fields: dict[str, Any]) -> GenerationRequest | None:
    try:
        return parse_request(fields)
    except InvalidInput:  # such as audio alone, or an operation without a video
        return None


_KEPT: dict[str, st.SearchStrategy[Any]] = {}
"""By gateway: to build its strategy takes as long as to draw some hundred requests."""


def requests_for(able: Capabilities) -> st.SearchStrategy[GenerationRequest]:
    """Half of the requests are within a gateway's capabilities, half are any requests, most of which it refuses."""
    if able.gateway not in _KEPT:
        either = st.sampled_from([_within(able), _any_fields()]).flatmap(lambda strategy: strategy)
        _KEPT[able.gateway] = either.map(_parsed).filter(lambda parsed: parsed is not None)
    return _KEPT[able.gateway]


def _within(able: Capabilities) -> st.SearchStrategy[dict[str, Any]]:
    by_tier = [_within_row(able, row, {"tier": tier}) for tier, row in able.tiers.items()]
    by_name = [_within_row(able, row, {"model": name}) for name, row in able.models.items()]
    return st.one_of(*by_tier, *by_name)


def _within_row(able: Capabilities, row: ModelRow, named: dict[str, str]) -> st.SearchStrategy[dict[str, Any]]:
    shortest, longest = row.seconds
    seconds = st.integers(shortest, longest) | (st.just(AUTO_DURATION) if row.auto_duration else st.nothing())
    flags = {flag: _optional(st.integers(0, MAX_SEED)) if flag == "seed" else _FLAG for flag in sorted(row.flags)}
    options = {option: _option(found) for option, found in able.options.items() if not found.pattern}
    fields: dict[str, st.SearchStrategy[Any]] = {
        "prompt": _PROMPTS,
        "resolution": _optional(st.sampled_from(row.resolutions)),
        "ratio": _optional(st.sampled_from(row.ratios)),
        "duration": _optional(seconds),
        "audio": _FLAG,
        "output_format": _optional(st.sampled_from(row.output_formats or ("mp4",))),
        "gateway_options": st.fixed_dictionaries({able.gateway: st.fixed_dictionaries({}, optional=options)}),
    }
    return _joined(st.just(named), st.fixed_dictionaries(fields | flags), _media_within(row))


def _media_within(row: ModelRow) -> st.SearchStrategy[dict[str, Any]]:
    pictures = row.media["image"]
    modes = [st.fixed_dictionaries({"web_search": _FLAG}) if row.web_search else st.just({}), _references_within(row)]
    if pictures.count:
        frame = _reference("image", pictures)
        modes.append(st.fixed_dictionaries({"first_frame": frame}))
    if pictures.count > 1:
        modes.append(st.fixed_dictionaries({"first_frame": frame, "last_frame": frame}))
    return st.one_of(*modes)


def _references_within(row: ModelRow) -> st.SearchStrategy[dict[str, Any]]:
    media: dict[str, st.SearchStrategy[list[str]]] = {}
    for modality, limits in row.media.items():
        if limits.count and (modality != "audio" or media or row.audio_alone):
            references = _reference(modality, limits)
            media[f"reference_{modality}s"] = st.lists(references, min_size=not media, max_size=limits.count)
    operations = _optional(st.sampled_from(row.operations)) if row.operations else None
    task_types = _optional(st.sampled_from(["auto", "reference"]))

    @st.composite
    def drawn(draw: st.DrawFn) -> dict[str, Any]:
        found: dict[str, Any] = draw(st.fixed_dictionaries(media))
        if operations is not None and found.get("reference_videos"):
            found["operation"] = draw(operations)
        elif row.task_types:
            found["task_type"] = draw(task_types)
        return found

    return drawn()


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
