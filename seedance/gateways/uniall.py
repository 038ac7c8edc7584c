"""uniAll: one flat body, the resolution in the model's name, Seedance's own fields under `extra_body`.

Its answers to a create and its errors are not published; they are read as new-api's.

Source: https://docs.uniall.ai/models/video/seedance-2-0
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from seedance.gateways import openai_video
from seedance.gateways.base import AttemptOptions, TaskReport, WireAnswer, WireCall
from seedance.gateways.capabilities import Capabilities
from seedance.gateways.new_api.dialect import NewApiDialect
from seedance.gateways.new_api.task_list import LIMITS
from seedance.problems import Problem
from seedance.request import RANDOM_SEED, GenerationRequest

OPERATIONS = {"edit": "edit_video", "extend": "extend_video"}


class UniAll(NewApiDialect):
    """uniAll's `/v1/video/generations`, read back from `/v1/videos/{id}`."""

    name = "uniall"
    default_base_url = None

    facts = Capabilities(gateway="uniall", list_limits=LIMITS)

    def warnings(self, request: GenerationRequest) -> list[Problem]:
        return super().warnings(request) + list(_own_warnings(request))

    def submit_call(self, request: GenerationRequest, attempt: AttemptOptions) -> WireCall:
        request = self.settled(request)
        body: dict[str, Any] = {"model": self.model_for(request), "prompt": request.prompt}
        body |= {name: value for name, value in _top_level(request).items() if value}
        if extra := {name: value for name, value in _extra_body(request, attempt).items() if value is not None}:
            body["extra_body"] = extra
        return WireCall("POST", "/v1/video/generations", body)

    def content_path(self, task_id: str) -> None:
        """Not published, and whether it runs new-api is not known."""

    def query_call(self, task_id: str) -> WireCall:
        return WireCall("GET", f"/v1/videos/{quote(task_id, safe='')}")

    def read_report(self, answer: WireAnswer) -> TaskReport:
        report = openai_video.report_of(answer.body)
        if report is None:
            raise self.bad_answer(answer)
        return report


def _top_level(request: GenerationRequest) -> dict[str, Any]:
    return {
        "duration": request.duration,
        "aspect_ratio": request.ratio,
        "image": request.first_frame,
        "last_image": request.last_frame,
        "images": list(request.reference_images),
        "videos": list(request.reference_videos),
        "audios": list(request.reference_audios),
    }


def _extra_body(request: GenerationRequest, attempt: AttemptOptions) -> dict[str, Any]:
    seed = request.seed if request.seed is not None else attempt.seed
    return {
        "generate_audio": request.audio,
        "seed": None if seed == RANDOM_SEED else seed,  # not documented here; without one it is random anyway
        "watermark": request.watermark,
        "camera_fixed": request.camera_fixed,
        "return_last_frame": request.return_last_frame,
        # The documents warn against naming an operation that the fields already imply.
        "operation": OPERATIONS[request.task] if request.task is not None else None,
    }


def _own_warnings(request: GenerationRequest) -> Iterator[Problem]:
    if request.camera_fixed:
        yield Problem("camera_fixed", "uniall takes it, but the Seedance 2.0 model behind it does not fix the camera")
    if request.resolution == "4k":
        yield Problem("resolution", "uniall sells 4k only to accounts that it has enabled for it")
