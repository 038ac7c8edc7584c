"""AnyFast: a QuantumNous/new-api deployment in front of ByteDance Ark.

Sources: AnyFast's Seedance 2.0 manual and asset page,
https://docs.anyfast.ai/guides/model-api/bytedance/seedance-task-query, and new-api's
relay/channel/task/doubao/adaptor.go, dto/task.go, service/task_polling.go.
"""

from __future__ import annotations

from seedance.gateways import ark_task, new_api_list
from seedance.gateways.base import AttemptOptions, WireCall
from seedance.gateways.capabilities import ANY_RATIO, MB, Capabilities, MediaLimits, TierLimits
from seedance.gateways.new_api_dialect import NewApiDialect
from seedance.media import MediaKind
from seedance.request import GenerationRequest

_IMAGES = MediaLimits(
    count=9,
    kinds=frozenset({MediaKind.URL, MediaKind.DATA, MediaKind.ASSET}),
    formats=frozenset({"jpg", "png", "gif", "webp", "bmp", "tiff", "heic", "heif"}),
    max_bytes=30 * MB,
    side_px=(300, 6000),
    aspect=(0.4, 2.5),
)
_VIDEOS = MediaLimits(
    count=3,
    kinds=frozenset({MediaKind.URL, MediaKind.ASSET}),
    formats=frozenset({"mp4", "mov"}),
    max_bytes=50 * MB,
    seconds=(2, 15),
    total_seconds=15,
    fps=(24, 60),
)
_AUDIOS = MediaLimits(
    count=3,
    kinds=frozenset({MediaKind.URL, MediaKind.DATA, MediaKind.ASSET}),
    formats=frozenset({"mp3", "wav"}),
    max_bytes=15 * MB,
    seconds=(2, 15),
    total_seconds=15,
)
_NONE = MediaLimits(count=0)

CAPABILITIES = Capabilities(
    gateway="anyfast",
    tiers={
        "standard": TierLimits(
            models=("seedance",),
            resolutions=("480p", "720p"),
            default_resolution="720p",
            media={"image": _IMAGES, "video": _VIDEOS, "audio": _AUDIOS},
            web_search=True,
        ),
        "fast": TierLimits(
            models=("seedance-fast",),
            resolutions=("480p", "720p"),
            default_resolution="720p",
            media={"image": _IMAGES, "video": _NONE, "audio": _NONE},
        ),
    },
    ratios=ANY_RATIO,
    default_ratio="adaptive",
    auto_duration=True,
    advised_prompt=(500, 1000),
    flags=frozenset({"seed", "watermark", "return_last_frame"}),
    list_limits=new_api_list.LIMITS,
    assets=True,
)


class AnyFast(NewApiDialect):
    """AnyFast's `/v1/video/generations`: takes Ark's content array, returns new-api's task object."""

    name = "anyfast"
    default_base_url = "https://www.anyfast.com.cn"
    video_life_s = 12 * 3600.0  # the asset page says 12 h, the manual 24 h: the shorter one is safe
    refresh_s = 10.0

    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def model_for(self, request: GenerationRequest) -> str:
        return CAPABILITIES.tiers[request.tier].models[0]

    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        body = ark_task.create_body(self.model_for(request), request, attempt)
        return WireCall("POST", "/v1/video/generations", body)
