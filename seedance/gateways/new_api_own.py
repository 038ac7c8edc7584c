"""`new-api`: an installation of QuantumNous/new-api of one's own, with a channel to ByteDance's models.

The prompt is a field of its own; everything else that Ark takes goes into `metadata`, whose `content` has only media:
the adaptor of the channel drops its texts and appends the prompt. It forwards the fields that its version knows and
drops others without a word, so limits and model names are the installation's: `models` is required.

Sources, each read in the code: relay/channel/task/doubao/adaptor.go (`convertToRequestPayload`: a positive `duration`
of the body wins over that of `metadata`), relay/common/relay_utils.go (`ValidateBasicTaskRequest`),
router/video-router.go, dto/task.go. A `callback_url` would be forwarded to Ark, which then names its own id of the
task and not the installation's, so none is sent. Drafts, `output_format` and task types are in open pull requests only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from seedance.gateways import ark_task, new_api_list
from seedance.gateways.base import AttemptOptions, WireCall
from seedance.gateways.capabilities import ANY_RATIO, MB, Capabilities, MediaLimits, Option, TierLimits
from seedance.gateways.new_api_dialect import NewApiDialect
from seedance.media import MediaKind
from seedance.problems import InvalidInput, Problem
from seedance.request import GenerationRequest, Modality, Resolution, Tier

MODELS: Mapping[Tier, str] = {
    "standard": "doubao-seedance-2-0-260128",
    "fast": "doubao-seedance-2-0-fast-260128",
}
"""The names that the published software knows (constants.go); an installation may map others to them."""
_MODEL_NAME = r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}"
_RESOLUTIONS: Mapping[Tier, tuple[Resolution, ...]] = {
    "standard": ("480p", "720p", "1080p"),
    "fast": ("480p", "720p"),
    "mini": ("480p", "720p"),
}
_ANY_FORM = frozenset({MediaKind.URL, MediaKind.DATA, MediaKind.ASSET})
_MEDIA: Mapping[Modality, MediaLimits] = {
    "image": MediaLimits(count=9, kinds=_ANY_FORM, max_bytes=30 * MB),
    "video": MediaLimits(
        count=3, kinds=frozenset({MediaKind.URL, MediaKind.ASSET}), max_bytes=50 * MB, seconds=(2, 15), total_seconds=15
    ),
    "audio": MediaLimits(count=3, kinds=_ANY_FORM, max_bytes=15 * MB, seconds=(2, 15), total_seconds=15),
}


def _capabilities(models: Mapping[Tier, str]) -> Capabilities:
    return Capabilities(
        gateway="new-api",
        tiers={
            tier: TierLimits(
                models=(model,),
                resolutions=_RESOLUTIONS[tier],
                default_resolution="720p",
                media=_MEDIA,
                web_search=True,
            )
            for tier, model in models.items()
        },
        ratios=ANY_RATIO,
        default_ratio="adaptive",
        auto_duration=True,
        flags=frozenset({"seed", "watermark", "return_last_frame"}),
        list_limits=new_api_list.LIMITS,
    )


class NewApi(NewApiDialect):
    """One's own new-api: `/v1/video/generations`."""

    name = "new-api"
    default_base_url = None

    def __init__(self, models: Mapping[Tier, str] = MODELS) -> None:
        self._capabilities = _capabilities(models)

    def with_models(self, models: Mapping[Tier, str]) -> Self:
        wrong = [tier for tier, model in models.items() if Option(kind="text", pattern=_MODEL_NAME).problem(model)]
        if not models or wrong or not models.keys() <= _RESOLUTIONS.keys():
            names = ", ".join(_RESOLUTIONS)
            message = f"is required: it maps {names} to the installation's own model names"
            raise InvalidInput([Problem("models", message)])
        return type(self)(models)

    def capabilities(self) -> Capabilities:
        return self._capabilities

    def model_for(self, request: GenerationRequest) -> str:
        return self._capabilities.tiers[request.tier].models[0]

    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        metadata = ark_task.create_body(self.model_for(request), request, attempt)
        body: dict[str, Any] = {"model": metadata.pop("model"), "prompt": request.prompt}
        media = [item for item in metadata.pop("content") if item["type"] != "text"]
        if request.duration is not None and request.duration > 0:
            body["duration"] = metadata.pop("duration")
        if media:
            metadata["content"] = media
        return WireCall("POST", "/v1/video/generations", body | ({"metadata": metadata} if metadata else {}))
