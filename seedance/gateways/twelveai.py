"""12AI: new-api's `/v1/videos`, with Seedance's own fields under `metadata`.

The number of images determines the mode, so references that could be mistaken for frames name their mode.

Source: https://doc.12ai.org/api/seedance/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from seedance.gateways import openai_video
from seedance.gateways.base import AttemptOptions, TaskReport, WireAnswer, WireCall
from seedance.gateways.capabilities import Capabilities
from seedance.gateways.new_api.dialect import NewApiDialect
from seedance.gateways.new_api.task_list import LIMITS
from seedance.problems import Problem
from seedance.request import GenerationRequest

MIN_IMAGES_READ_AS_REFERENCES = 3
_MARKS = {"reference_images": "@image_file_", "reference_videos": "@video_file_", "reference_audios": "@audio_file_"}


class TwelveAI(NewApiDialect):
    """12AI's `/v1/videos`. The video is copied to 12AI's own store, or stays at Ark for 24 hours."""

    name = "12ai"
    default_base_url = "https://cdn.12ai.org"

    facts = Capabilities(gateway="12ai", max_prompt_chars=2500, callbacks=True, list_limits=LIMITS)

    def refusals(self, request: GenerationRequest) -> list[Problem]:
        return super().refusals(request) + list(_dangling_marks(request))

    def warnings(self, request: GenerationRequest) -> list[Problem]:
        return super().warnings(request) + list(_unmarked(request))

    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        request = self.settled(request)
        frames = [frame for frame in (request.first_frame, request.last_frame) if frame is not None]
        optional = {
            "duration": request.duration,
            "size": request.resolution,
            "images": [*frames, *request.reference_images] or None,
            "metadata": self._metadata(request, attempt) or None,
        }
        body: dict[str, Any] = {"model": self.model_for(request), "prompt": request.prompt}
        body |= {name: value for name, value in optional.items() if value is not None}
        return WireCall("POST", "/v1/videos", body)

    def _metadata(self, request: GenerationRequest, attempt: AttemptOptions) -> dict[str, Any]:
        few = len(request.reference_images) < MIN_IMAGES_READ_AS_REFERENCES
        metadata = {
            "ratio": request.ratio,
            "generate_audio": request.audio,
            "web_search": request.web_search if request.mode == "text" else None,
            "watermark": request.watermark,
            "webhook_url": attempt.callback_url,
            "video_urls": list(request.reference_videos) or None,
            "audio_urls": list(request.reference_audios) or None,
            "action": "multi_ref" if request.mode == "reference" and few else None,
        }
        return {name: value for name, value in metadata.items() if value is not None}

    def query_call(self, task_id: str) -> WireCall:
        return WireCall("GET", f"/v1/videos/{quote(task_id, safe='')}")

    def read_report(self, answer: WireAnswer) -> TaskReport:
        report = openai_video.report_of(answer.body)
        if report is None:
            raise self.bad_answer(answer)
        return report


def _dangling_marks(request: GenerationRequest) -> Iterator[Problem]:
    if request.mode != "reference":
        return
    for field, mark in _MARKS.items():
        count = len(getattr(request, field))
        for number in re.findall(rf"{mark}(\d{{1,9}})", request.prompt):
            if not 1 <= int(number) <= count:
                yield Problem("prompt", f"{mark}{number} refers to nothing: {field} has {count}")


def _unmarked(request: GenerationRequest) -> Iterator[Problem]:
    for field, mark in _MARKS.items():
        if getattr(request, field) and mark not in request.prompt:
            yield Problem("prompt", f"12ai refers to {field} by marks such as {mark}1, and the prompt has none")
