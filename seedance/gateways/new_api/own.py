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

from typing import Any, Self

from seedance.gateways import ark_task
from seedance.gateways.base import AttemptOptions, WireCall
from seedance.gateways.capabilities import Capabilities
from seedance.gateways.new_api.dialect import NewApiDialect
from seedance.gateways.new_api.task_list import LIMITS
from seedance.models.catalog import OwnModels
from seedance.problems import InvalidInput, Problem
from seedance.request import GenerationRequest


class NewApi(NewApiDialect):
    """One's own new-api: `/v1/video/generations`."""

    name = "new-api"
    default_base_url = None
    facts = Capabilities(gateway="new-api", list_limits=LIMITS)

    def with_models(self, models: OwnModels, *, base_url: str | None = None, default_model: str | None = None) -> Self:
        if not models:
            message = "is required: it maps standard, fast, mini or a model such as seedance-2.5 to the names that the"
            raise InvalidInput([Problem("models", f"{message} installation gives them")])
        return super().with_models(models, base_url=base_url, default_model=default_model)

    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        metadata = ark_task.create_body(self.row_for(request), self.settled(request), attempt)
        body: dict[str, Any] = {"model": metadata.pop("model"), "prompt": request.prompt}
        media = [item for item in metadata.pop("content") if item["type"] != "text"]
        if metadata.get("duration", 0) > 0:
            body["duration"] = metadata.pop("duration")
        if media:
            metadata["content"] = media
        return WireCall("POST", "/v1/video/generations", body | ({"metadata": metadata} if metadata else {}))
