"""The bodies of `/v1/videos`, for OpenAPI.

These models describe and do not check: clients write the same thing in many ways, which `fields` and `making` read.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema

from producer.api.videos.resource import EXAMPLE_ID
from seedance.request import MAX_PROMPT_CHARS

_FOX: dict[str, JsonValue] = {
    "prompt": "a red fox runs through fresh snow",
    "model": "seedance-2.0-fast",
    "seconds": "4",
    "size": "1280x720",
}
_NIGHT: dict[str, JsonValue] = {"prompt": "the same at night"}
_FROM_VIDEO: dict[str, JsonValue] = _NIGHT | {"video": {"id": EXAMPLE_ID}}

File = Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})]
Seconds = Annotated[str, Field(pattern="^([4-9]|1[0-5]|-1)$")]
Size = Annotated[str, Field(pattern="^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$")]


def _with_example(example: dict[str, JsonValue]) -> ConfigDict:
    """The configuration of every body: other members are fields of a job."""
    return ConfigDict(extra="allow", json_schema_extra={"examples": [example]})


class VideoFields(BaseModel):
    """OpenAI's own fields; every field of docs/jobs.md may be added."""

    prompt: Annotated[str, Field(max_length=MAX_PROMPT_CHARS)]
    model: Annotated[
        str | None,
        Field(description="Such as seedance-2.5; sora-2 and sora-2-pro stand for a tier. Default: seedance-2.0."),
    ] = None
    seconds: Annotated[
        Seconds | None, Field(description="4 to 30 (4 to 15 for 2.0), or -1 for automatic. Default: 4.")
    ] = None
    size: Annotated[Size | None, Field(description="In pixels. Default: 720x1280.")] = None


class ImageUrl(BaseModel):
    """A picture by its URL, or as a data URI."""

    image_url: str


class VideoId(BaseModel):
    """A completed video by its id."""

    id: UUID


class NewVideo(VideoFields):
    """A new video, as JSON."""

    model_config = _with_example(_FOX)

    input_reference: Annotated[ImageUrl | None, Field(description="The first frame.")] = None


class NewVideoForm(VideoFields):
    """A new video, as a form."""

    model_config = _with_example(_FOX)

    input_reference: Annotated[File | None, Field(description="A picture, the first frame; or a clip.")] = None


class EditedVideo(VideoFields):
    """An edit of a video, as JSON."""

    model_config = _with_example(_FROM_VIDEO)

    video: VideoId


class EditedVideoForm(VideoFields):
    """An edit of a clip, as a form."""

    model_config = _with_example(_FROM_VIDEO)

    video: File


class ExtendedVideo(VideoFields):
    """An extension of a video, as JSON."""

    model_config = _with_example(_FROM_VIDEO | {"seconds": "4"})

    seconds: Annotated[Seconds, Field(description="How long the extension is.")]
    video: VideoId


class ExtendedVideoForm(VideoFields):
    """An extension of a clip, as a form."""

    model_config = _with_example(_FROM_VIDEO | {"seconds": "4"})

    seconds: Annotated[Seconds, Field(description="How long the extension is.")]
    video: File


class RemixedVideo(VideoFields):
    """A completed video again, with another prompt."""

    model_config = _with_example(_NIGHT)


VIDEO_BODIES: tuple[type[BaseModel], ...] = (
    NewVideo,
    NewVideoForm,
    EditedVideo,
    EditedVideoForm,
    ExtendedVideo,
    ExtendedVideoForm,
    RemixedVideo,
)
"""Every body, for OpenAPI."""
