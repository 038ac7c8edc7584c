"""Render a task's files. They depend on the task only, so every rendering has the same bytes."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from collections.abc import Sequence
from itertools import chain

import av

from simulator.media.boxes import FPS, FTYP, AudioTrack, VideoTrack, box, free_header, movie
from simulator.media.content import Content
from simulator.media.encoder import Encoder
from simulator.media.frames import HUES
from simulator.media.looks import H265, LOOKS, MOV, Look, look_of
from simulator.tasks import pixels
from simulator.tasks.task import Task

MAX_CACHED_BYTES = 128 * 1024 * 1024
_LABEL_BYTES = 72  # of the box that makes every file unique
_MOVIE_OFFSET = len(FTYP) + 8 + _LABEL_BYTES

BaseKey = tuple[Look, int, int, int, int]  # look, width, height, seconds, hue


class Renderer:
    """Renders videos and last frames; safe to use from several threads."""

    def __init__(self, video_bytes: int | None = None) -> None:
        self._video_bytes = video_bytes
        self._encoder = Encoder()
        self._bases: dict[BaseKey, bytes] = {}
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, Content] = OrderedDict()
        self._cached_bytes = 0

    def ready(self, task: Task) -> Content | None:
        """The video if it needs no encoding, else None."""
        if self._video_bytes is not None:
            return self._padded(task, self._video_bytes) if _base_key(task) in self._bases else None
        with self._lock:
            if (found := self._cache.get(task.id)) is not None:
                self._cache.move_to_end(task.id)
            return found

    def video(self, task: Task) -> Content:
        """The video; encodes it when needed."""
        if (found := self.ready(task)) is not None:
            return found
        if self._video_bytes is not None:
            return self._padded(task, self._video_bytes)
        content = self._titled(task)
        with self._lock:
            self._cache[task.id] = content
            self._cached_bytes += content.size
            while self._cached_bytes > MAX_CACHED_BYTES and len(self._cache) > 1:
                self._cached_bytes -= self._cache.popitem(last=False)[1].size
        return content

    def last_frame(self, task: Task) -> bytes:
        """The video's last frame as a JPEG."""
        whole = b"".join(self.video(task).read())
        with av.open(io.BytesIO(whole), "r") as container:
            stream = container.streams.video[0]
            container.seek((task.duration - 1) * av.time_base, backward=True)
            last = None
            for last in container.decode(stream):  # noqa: B007 - the last one is wanted
                pass
            if last is None:
                raise ValueError(f"the video of {task.id} has no frames")
            out = io.BytesIO()
            last.to_image().save(out, "JPEG", quality=85)  # type: ignore[no-untyped-call]  # PyAV leaves it untyped
        return out.getvalue()

    def _titled(self, task: Task) -> Content:
        size, look = size_of(task), look_of_task(task)
        order = task.order
        details = f"{order.model}  {order.resolution}  {order.ratio}  {task.duration} s"
        encoder = self._encoder
        seconds = [encoder.title(look, size, task.id, details, order.prompt)]
        digest = _digest(task)
        hues = 1 if look is H265 else HUES  # x265 takes seconds for each
        seconds += [encoder.moving(look, *size, digest[n] % hues) for n in range(task.duration - 1)]
        audio = encoder.audio(look, task.duration) if order.audio else None
        parts = (look.ftyp, _label(task), self._movie(look, size, seconds, audio, _MOVIE_OFFSET))
        return Content(parts, sum(map(len, parts)))

    def _padded(self, task: Task, size: int) -> Content:
        label, base = _label(task), self._base(_base_key(task))
        if _MOVIE_OFFSET + len(base) + 8 > size:
            base = self._base(_base_key(task, "480p"))  # a smaller resolution, to keep the requested file size
        length = _MOVIE_OFFSET + len(base)
        parts = (look_of_task(task).ftyp, label, base, free_header(size - length))
        return Content(parts, size, int.from_bytes(_digest(task)[:4], "big"))

    def _base(self, key: BaseKey) -> bytes:
        """A small silent clip that many tasks share; the caller pads it to the requested size."""
        if (found := self._bases.get(key)) is None:
            look, width, height, duration, hue = key
            second = (self._encoder.flat(look, width, height, hue), *self._encoder.size_data(look, width, height).still)
            found = self._bases[key] = self._movie(look, (width, height), [second] * duration, None, _MOVIE_OFFSET)
        return found

    def _movie(
        self,
        look: Look,
        size: tuple[int, int],
        seconds: Sequence[tuple[bytes, ...]],
        audio: AudioTrack | None,
        offset: int,
    ) -> bytes:
        samples = list(chain.from_iterable(seconds))
        keyframes = range(1, len(samples) + 1, FPS)
        config = self._encoder.size_data(look, *size).config
        track = VideoTrack(*size, look.sample_entry, config, samples, keyframes)
        return movie(track, audio, offset)


def size_of(task: Task) -> tuple[int, int]:
    return pixels.size_of(task.order.resolution, task.order.ratio, task.order.version)


def suffix_of(task: Task) -> str:
    """How its file's name ends."""
    return "mov" if look_of_task(task) is MOV else "mp4"


def look_of_task(task: Task) -> Look:
    """What the model delivers, or what a fault decided."""
    order = task.order
    return LOOKS.get(task.fate.look) or look_of(order.version, order.resolution, order.extra.get("output_format"))


def _base_key(task: Task, resolution: str | None = None) -> BaseKey:
    width, height = pixels.size_of(resolution or task.order.resolution, task.order.ratio, task.order.version)
    return look_of_task(task), width, height, task.duration, _digest(task)[0] % HUES


def _digest(task: Task) -> bytes:
    return hashlib.sha256(task.id.encode()).digest()


def _label(task: Task) -> bytes:
    """A box that players skip; it contains the task's id."""
    return box(b"free", f"task {task.id}".encode()[:_LABEL_BYTES].ljust(_LABEL_BYTES))
