"""From requests of OpenAI's clients to jobs: new videos, and videos made from others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

import orjson

from producer.api.videos.attachments import Attachments, modality_of
from producer.api.videos.fields import in_their_words, job_fields, with_defaults
from producer.api.videos.resource import SOURCE
from producer.api.videos.sizes import size_of
from producer.client import Producer
from producer.errors import JobNotFound, NotPossible
from producer.http.forms import FormFile
from producer.http.problems import ApiProblem
from producer.http.service import Service
from producer.intake.intake import Batch, Prepared, as_prepared
from producer.intake.job_spec import parse_job
from producer.intake.media_check import MediaFacts
from producer.intake.shelf import ShelfFile, drain
from seedance.problems import InvalidInput, Problem, shorten
from seedance.request import MAX_REFERENCES, Operation
from seedance.tokens import FRAMES_PER_SECOND
from storage.jobs import repeated_requests
from storage.jobs.records import JobView
from storage.jobs.states import JobState

Kind = Literal["create", "edit", "extend", "remix"]
_OPERATIONS: Mapping[Kind, Operation] = {"edit": "edit", "extend": "extend", "remix": "edit"}
# What a new video does not inherit from its source.
_NOT_INHERITED = frozenset(
    {
        "prompt",
        "seed",
        "first_frame",
        "last_frame",
        "operation",
        "task_type",
        "web_search",
        "draft",
        "draft_of",
        *MAX_REFERENCES,
    }
)

_EVERY_MODEL_S = (4, 15)
"""The seconds that every model renders."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: the fields it has, among them its key, if any; and which repetition it is (None: unknown). `source` is
    the video that a remix names."""

    kind: Kind
    given: Mapping[str, Any]
    repetition: int | None = None
    source: UUID | None = None


def make(service: Service, producer: Producer, asked: Asked) -> tuple[JobView, bool]:
    """Store the job; also whether it is new. A repetition returns the job of the first request.

    Raises:
        InvalidInput: a field breaks a rule, or no configured account can do it.
        ApiProblem: the source video does not exist.
        NotPossible: the source video is not completed.
        IdempotencyConflict, DatabaseUnavailable, StoreUnavailable: as `Producer.store`.
    """
    with Attachments() as attachments:
        prepared, fields, fetch_source = _prepared(service, producer, asked, attachments)
        fetch_source()
        if prepared.idempotency_key is None and asked.repetition is not None:
            key = _key(producer, asked, fields)
            prepared = replace(prepared, idempotency_key=key)
        [enqueued] = producer.store(Batch([prepared], attachments.files))
    return producer.get(enqueued.id), enqueued.created


def check_video(service: Service, producer: Producer, asked: Asked, attachments: Attachments) -> Prepared:
    """A new video as a job that is ready to be stored together with the attachments.

    Raises:
        InvalidInput: as `make`.
    """
    return _prepared(service, producer, asked, attachments)[0]


def _prepared(
    service: Service, producer: Producer, asked: Asked, attachments: Attachments
) -> tuple[Prepared, Mapping[str, Any], Callable[[], None]]:
    """The job, its fields, and what copies its source video."""
    maker = _Maker(service, producer, attachments)
    try:
        fields = attachments.replace(maker.fields(asked))
        spec = attachments.files.replace(parse_job(fields))
        prepared = as_prepared(spec, producer.settings, facts=attachments.files.facts)
    except InvalidInput as exc:
        raise in_their_words(exc, asked.given) from exc
    return prepared, fields, maker.fetch_source


def _key(producer: Producer, asked: Asked, fields: Mapping[str, Any]) -> str:
    said = orjson.dumps([asked.kind, fields], option=orjson.OPT_SORT_KEYS, default=str)
    fingerprint = hashlib.sha256(said).hexdigest()
    with producer.database.begin() as conn:
        return repeated_requests.key_for(conn, producer.tenant, fingerprint, asked.repetition or 0)


def get_video(producer: Producer, video_id: str) -> JobView:
    """The job that is a video.

    Raises:
        ApiProblem: the tenant has none with that id, or it was deleted.
    """
    try:
        job = producer.get(as_video_id(video_id))
    except JobNotFound:
        raise no_video(video_id) from None
    if job.deleted_at is not None:
        raise no_video(video_id)
    return job


def as_video_id(video_id: str) -> UUID:
    """The id in a path or a body.

    Raises:
        ApiProblem: it is not a valid id.
    """
    try:
        return UUID(video_id)
    except ValueError:
        raise no_video(video_id) from None


def no_video(video_id: str) -> ApiProblem:
    """The error for an id that no video has."""
    shown = shorten(video_id)
    return ApiProblem(
        404, "video_not_found", f"video {shown} does not exist", advice="`GET /v1/videos` lists the videos."
    )


class _Maker:
    """Builds the fields of one job."""

    def __init__(self, service: Service, producer: Producer, attachments: Attachments) -> None:
        self._service = service
        self._producer = producer
        self._attachments = attachments
        self._fetch: Callable[[], None] | None = None

    def fields(self, asked: Asked) -> dict[str, Any]:
        """The fields, still with the files themselves instead of references."""
        names = {"create": ("input_reference",), "edit": ("video",), "extend": ("video",), "remix": ()}[asked.kind]
        own = job_fields(asked.given, self._producer.settings.accounts, more=names)
        if asked.kind == "create":
            return with_defaults(self._with_reference(own))
        for name in ("operation", "reference_videos"):
            if name in own:
                raise InvalidInput([Problem(name, f"is set by this route ({asked.kind}); remove it")])
        if asked.source is not None:
            return self._from_video(asked.kind, asked.source, own)
        return self._from_given(asked.kind, own)

    def fetch_source(self) -> None:
        """Copy the source video, so that gateways can fetch it even if it is deleted."""
        if self._fetch is not None:
            self._fetch()

    # --- a new video ---

    def _with_reference(self, own: dict[str, Any]) -> dict[str, Any]:
        """`input_reference` as the first frame, or a clip as a reference."""
        given = own.pop("input_reference", None)
        if given is None:
            return own
        file = self._file_or_url("input_reference", given)
        if isinstance(file, str):
            return self._put(own, "first_frame", file)
        match modality_of(file.path):
            case "image":
                return self._put(own, "first_frame", self._added("input_reference", file, "image"))
            case "video":
                return self._put(own, "reference_videos", [self._added("input_reference", file, "video")])
        raise InvalidInput([Problem("input_reference", "must be a picture or a clip, not a sound")])

    def _put(self, own: dict[str, Any], name: str, value: object) -> dict[str, Any]:
        if name in own:
            raise InvalidInput([Problem("input_reference", f"is the same as {name}; send only one of them")])
        return own | {name: value}

    def _file_or_url(self, name: str, given: object) -> FormFile | str:
        """A file that was sent, also as a data URI; or a URL."""
        if isinstance(given, Mapping):
            if set(given) == {"image_url"}:
                given = given["image_url"]
            elif "file_id" in given:
                message = "is not supported; send the file itself, or its URL as image_url"
                raise InvalidInput([Problem(f"{name}.file_id", message)])
        if isinstance(given, FormFile) or (isinstance(given, str) and given.startswith("data:")):
            try:
                return self._attachments.open(given)
            except ValueError as exc:
                raise InvalidInput([Problem(name, str(exc))]) from exc
        if isinstance(given, str):
            return given
        message = f'must be a file, a URL, or {{"image_url": "…"}}, not {shorten(given)}'
        raise InvalidInput([Problem(name, message)])

    def _added(self, name: str, file: FormFile, modality: Literal["image", "video"]) -> str:
        try:
            return self._attachments.add(file, modality)
        except ValueError as exc:
            raise InvalidInput([Problem(name, str(exc))]) from exc

    # --- a video from another one ---

    def _from_given(self, kind: Kind, own: dict[str, Any]) -> dict[str, Any]:
        given = own.pop("video", None)
        match given:
            case {"id": str() as video_id, **rest} if not rest:
                return self._from_video(kind, as_video_id(video_id), own)
            case FormFile():
                reference = self._added("video", given, "video")
                seconds = self._attachments.files.facts[reference].seconds or 0.0
                fitted = max(_EVERY_MODEL_S[0], min(round(seconds), _EVERY_MODEL_S[1]))
                return self._derived(kind, reference, own, {"duration": fitted} if kind == "edit" else {})
            case None:
                raise InvalidInput([Problem("video", "is required: a file, or the id of a video")])
        raise InvalidInput([Problem("video", f'must be a file or {{"id": "…"}}, not {shorten(given)}')])

    def _from_video(self, kind: Kind, video_id: UUID, own: dict[str, Any]) -> dict[str, Any]:
        source = get_video(self._producer, str(video_id))
        if source.state is not JobState.SUCCEEDED or source.object_key is None or source.sha256 is None:
            raise NotPossible(source.id, f"is {source.state}; only a completed video can be the source of another")
        key = source.object_key
        reference = f"upload://{source.sha256}.{_container(source)}"
        self._attachments.files.facts[reference] = _facts(source)
        self._attachments.files.given[reference] = "video"
        objects = self._service.objects

        def fetch() -> None:
            file = ShelfFile(
                reference,
                source.size_bytes or 0,
                f"video {source.id}",
                lambda target: objects.copy(key, target),
                self._attachments.files.facts[reference].properties(),
            )
            drain(self._producer.shelf.keep([file]))

        self._fetch = fetch
        inherited = {name: value for name, value in source.request.items() if name not in _NOT_INHERITED}
        metadata = own.get("metadata", {})
        if isinstance(metadata, dict):  # any other type is refused with the other fields
            metadata = {SOURCE: str(source.id)} | metadata
        return self._derived(kind, reference, own | {"metadata": metadata}, inherited)

    def _derived(
        self, kind: Kind, reference: str, own: Mapping[str, Any], inherited: Mapping[str, Any]
    ) -> dict[str, Any]:
        if kind == "extend" and "duration" not in own:
            raise InvalidInput([Problem("seconds", "is required: the length of the extension")])
        if "model" in own or "tier" in own:  # together they name one model
            inherited = {name: value for name, value in inherited.items() if name not in ("model", "tier")}
        return {**inherited, **own, "reference_videos": [reference], "operation": _OPERATIONS[kind]}


def _container(source: JobView) -> str:
    return (source.object_key or "").rpartition(".")[2]


def _facts(source: JobView) -> MediaFacts:
    """The facts about a stored video that need no read of the file."""
    width, _, height = size_of(source.request).partition("x")
    duration = source.request.get("duration")
    return MediaFacts(
        f"video {source.id}",
        _container(source),
        source.size_bytes or 0,
        int(width) if height else None,
        int(height) if height else None,
        float(duration) if isinstance(duration, int) and duration > 0 else None,
        float(FRAMES_PER_SECOND),
    )
