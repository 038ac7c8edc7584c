"""Check local files against the gateways' documented limits, before anything is uploaded or paid for."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from seedance.gateways.checks import canonical_format
from seedance.models.rows import MB, MediaLimits, ModelRow
from seedance.problems import Problem
from seedance.request import GenerationRequest, Modality

PROBE_S = 20.0
"""The longest that probing one file may take."""
# Containers round: an MP3 is a frame or two longer than its sound, and 24000/1001 frames count as 24.
_SLACK_S = 0.1
_SLACK_FPS = 0.05


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """Facts about a local file. None: its kind has no such property, or the file does not state it."""

    name: str
    format: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    fps: float | None = None

    def properties(self) -> dict[str, Any]:
        """What is known of it, beside its name and size."""
        names = ("format", "width", "height", "seconds", "fps")
        known = {name: getattr(self, name) for name in names}
        return {name: value for name, value in known.items() if value is not None}

    def __str__(self) -> str:
        parts = [self.format]
        if self.width and self.height:
            parts.append(f"{self.width}x{self.height}")
        if self.seconds is not None:
            parts.append(f"{self.seconds:.1f} s")
        if self.fps is not None:
            parts.append(f"{self.fps:g} frames a second")
        return f"{self.name}: {', '.join([*parts, f'{self.size_bytes / MB:.1f} MB'])}"


class Probe:
    """Reads files in a child process, which starts when first needed; close it at the end."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def close(self) -> None:
        """End the child process; the next file starts another."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()

    def look(self, path: Path, modality: Modality, size_bytes: int) -> MediaFacts:
        """The facts about a file.

        Raises:
            ValueError: it cannot be read as that kind of file; the text says why.
        """
        found = self._ask({"path": str(path.absolute()), "modality": modality})
        if "error" in found:
            raise ValueError(f"{path} {found['error']}")
        return MediaFacts(name=path.name, size_bytes=size_bytes, **found)

    def _ask(self, question: Mapping[str, str]) -> dict[str, Any]:
        if self._child is None:
            # -P keeps the current directory out of the child's imports.
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "producer.intake.media_probe"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        child = self._child
        assert child.stdin is not None and child.stdout is not None  # noqa: PT018, S101 - both are pipes
        try:
            child.stdin.write(json.dumps(question).encode() + b"\n")
            answer = _read_line(child.stdout.fileno(), PROBE_S)
        except (OSError, TimeoutError, EOFError) as exc:
            self.close()
            slow = isinstance(exc, TimeoutError)
            return {"error": f"took more than {PROBE_S:g} s to read" if slow else "crashes the program that reads it"}
        found: dict[str, Any] = json.loads(answer)
        return found


def _read_line(descriptor: int, seconds: float) -> bytes:
    until = time.monotonic() + seconds
    read = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not read.endswith(b"\n"):
            if not selector.select(max(0.0, until - time.monotonic())):
                raise TimeoutError
            chunk = os.read(descriptor, 65536)
            if not chunk:
                raise EOFError
            read += chunk
    return read


def media_problems(
    gateway: str, row: ModelRow, request: GenerationRequest, facts: Mapping[str, MediaFacts]
) -> Iterator[Problem]:
    """The documented limits of a gateway that the local files of a request break, by field.

    `facts` by reference; references that are not in it are not checked. `row`: of the model that serves it.
    """
    total_s = dict.fromkeys(get_args(Modality), 0.0)
    for field, modality, value in request.media():
        limits = row.media[modality]
        known = facts.get(value)
        if known is None or limits.count == 0:
            continue
        for wanted in broken_limits(limits, known):
            yield Problem(field, f"{gateway} takes {wanted}; {known}")
        total_s[modality] += known.seconds or 0.0
        together = total_s[modality] > (known.seconds or 0.0)
        if together and limits.total_seconds is not None and total_s[modality] > limits.total_seconds + _SLACK_S:
            longest = f"{limits.total_seconds:g} s of {modality} together, not {total_s[modality]:.1f}"
            yield Problem(field, f"{gateway} takes at most {longest}; {known}")


def broken_limits(limits: MediaLimits, known: MediaFacts) -> Iterator[str]:
    """The limits that one file breaks, each as what the gateway takes."""
    if limits.formats and canonical_format(known.format) not in limits.formats:
        yield f"{', '.join(sorted(limits.formats))}, not {known.format}"
    if limits.max_bytes is not None and known.size_bytes >= limits.max_bytes:
        yield f"less than {limits.max_bytes // MB} MB, not {known.size_bytes / MB:.1f} MB"
    if known.width and known.height:
        yield from _broken_sizes(limits, known.width, known.height)
    if limits.seconds is not None and known.seconds is not None:
        shortest, longest = limits.seconds
        if not shortest - _SLACK_S <= known.seconds <= longest + _SLACK_S:
            yield f"{shortest:g} to {longest:g} s, not {known.seconds:.1f} s"
    if limits.fps is not None and known.fps is not None:
        slowest, fastest = limits.fps
        if not slowest - _SLACK_FPS <= known.fps <= fastest + _SLACK_FPS:
            yield f"{slowest:g} to {fastest:g} frames a second, not {known.fps:g}"


def _broken_sizes(limits: MediaLimits, width: int, height: int) -> Iterator[str]:
    if limits.side_px is not None:
        least, most = limits.side_px
        if not (least <= width <= most and least <= height <= most):
            yield f"sides of {least} to {most} pixels, not {width}x{height}"
    if limits.area_px is not None:
        least, most = limits.area_px
        if not least <= width * height <= most:
            yield f"{least:,} to {most:,} pixels in all, not {width * height:,} ({width}x{height})"
    if limits.aspect is not None:
        narrowest, widest = limits.aspect
        if not narrowest <= width / height <= widest:
            yield f"width / height of {narrowest:g} to {widest:g}, not {width / height:.2f} ({width}x{height})"
