"""Drafts, and the final videos made of them: what a final takes from its draft, and what a gateway refuses.

A draft is a cheap version of a video. A final repeats it in a higher resolution: the gateway takes prompt, files and
settings from the draft's task, which it keeps for some days. A final's request holds those of the draft, for people and
prices, but only the fields of `SET_FOR_FINAL` and some `gateway_options` are sent.

Source: https://docs.byteplus.com/en/docs/modelark/seedance-2-5
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seedance.models.rows import ModelRow
from seedance.problems import Problem
from seedance.request import DRAFT_RESOLUTION, GenerationRequest

SET_FOR_FINAL = ("resolution", "output_format", "watermark", "return_last_frame")
"""The fields of a request that a final can set. Left open, they have the gateway's default, not the draft's value."""
FINAL_FIELDS = frozenset({"draft_of", "gateway_options", *SET_FOR_FINAL})
"""The fields of a request that a caller can set for a final."""
DEFAULT_FORMAT = "mp4"
"""The format of a video whose request names none."""
_NAMES_THE_MODEL = "model"
"""The gateway option that names a model of its own: a final keeps its draft's, and its own request cannot set it."""
_NOT_INHERITED = FINAL_FIELDS | {"draft", "seed", "camera_fixed"}


def takes_in_final(row: ModelRow, name: str) -> bool:
    """Whether a final's body takes a field, by the gateway's name for it."""
    return row.drafts is not None and name in row.drafts.fields


def own_fields_problems(given: Mapping[str, Any], request_fields: tuple[str, ...]) -> Iterator[Problem]:
    """The fields that a caller sets for a final although the draft decides them."""
    for name in request_fields:
        if name not in FINAL_FIELDS and given.get(name) not in (None, "", (), [], {}):
            yield Problem(name, "the draft decides it, and a final must not repeat it; leave it out")
    options = given.get("gateway_options")
    if isinstance(options, Mapping):
        for name, value in options.items():
            if name == _NAMES_THE_MODEL or (isinstance(value, Mapping) and _NAMES_THE_MODEL in value):
                yield Problem(f"gateway_options.{name}", "a final keeps its draft's model; leave it out")


def final_request(draft: Mapping[str, Any], given: Mapping[str, Any], row: ModelRow | None) -> dict[str, Any]:
    """The request of a final: that of its draft, and what the caller sets. `row`: of the draft's model, which decides
    the resolution if the caller does not."""
    kept = {name: value for name, value in draft.items() if name not in _NOT_INHERITED}
    own = {name: value for name, value in given.items() if name in FINAL_FIELDS and value is not None}
    if "resolution" not in own and row is not None and row.drafts is not None:
        own["resolution"] = row.drafts.final_resolutions[0]
    if own.get("output_format") == DEFAULT_FORMAT:  # the same final as without it, which must not be paid twice
        del own["output_format"]
    model = _model_options(draft.get("gateway_options", {}))
    options = own.get("gateway_options", {})
    if model and isinstance(options, Mapping):
        own["gateway_options"] = _merged(options, model)
    return kept | own


def _model_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a draft that name its model; those of a gateway are under its name."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        if name == _NAMES_THE_MODEL:
            found[name] = value
        elif isinstance(value, Mapping) and _NAMES_THE_MODEL in value:
            found[name] = {_NAMES_THE_MODEL: value[_NAMES_THE_MODEL]}
    return found


def _merged(options: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(options)
    for name, value in model.items():
        own = merged.get(name)
        merged[name] = {**own, **value} if isinstance(own, Mapping) and isinstance(value, Mapping) else value
    return merged


def draft_refusals(gateway: str, row: ModelRow, request: GenerationRequest) -> Iterator[Problem]:
    """Why a gateway cannot make a draft; nothing if it can."""
    if row.drafts is None:
        message = f"{gateway} has no drafts of {row.name}; leave it out for an ordinary {DRAFT_RESOLUTION} video"
        yield Problem("draft", message)
    elif request.resolution != row.drafts.resolution:
        message = f"a draft is {row.drafts.resolution}, not {request.resolution}; the final has a higher one"
        yield Problem("resolution", message)


def final_refusals(
    gateway: str, row: ModelRow, request: GenerationRequest, options: Mapping[str, Any]
) -> Iterator[Problem]:
    """Why a gateway cannot make a final; nothing if it can. What its draft decides was checked with the draft."""
    if row.drafts is None:
        yield Problem("draft_of", f"{gateway} has no drafts of {row.name}")
        return
    if request.resolution not in (None, *row.drafts.final_resolutions):
        allowed = " or ".join(row.drafts.final_resolutions)
        yield Problem("resolution", f"{gateway} makes finals in {allowed}, not {request.resolution}")
    if request.output_format not in (None, *(row.output_formats or ("mp4",))):
        yield Problem("output_format", f"{gateway}'s {row.name} does not make {request.output_format}")
    for name in SET_FOR_FINAL:
        if getattr(request, name) is not None and not takes_in_final(row, name):
            yield Problem(name, f"{gateway} takes no {name} for a final; leave it out")
    for name in options:
        if name != _NAMES_THE_MODEL and not takes_in_final(row, name):
            yield Problem(f"gateway_options.{name}", f"{gateway} takes no {name} for a final; leave it out")
