"""The lines of a batch: read and check them, and write those of its results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from producer.api.batches.resources import ENDPOINT
from producer.api.videos.progress import Progress
from producer.api.videos.resource import as_video
from producer.campaigns.reading.json_objects import parse_object
from producer.http.problems import as_json, details_of
from seedance.problems import InvalidInput, Problem, shorten
from storage.batches.batches import Line
from storage.batches.files import Part
from storage.jobs.records import JobView
from storage.jobs.states import JobState

MAX_REQUESTS = 50_000
"""As at OpenAI."""
MAX_ERRORS = 20
MAX_ID_CHARS = 100


@dataclass(frozen=True, slots=True)
class Request:
    """One line: its number, the client's name of it, and the fields of a new video."""

    line: int
    custom_id: str
    body: dict[str, Any]


def read_part(part: Part) -> Iterator[Request | InvalidInput]:
    """The requests of a part; lines that are none come as errors, whose place is the number of the line."""
    for line, raw in enumerate(part.content.split(b"\n"), part.first_line):
        text = raw.strip()
        if not text:
            continue
        try:
            yield _request(line, text.decode("utf-8-sig"))
        except InvalidInput as exc:
            yield InvalidInput(exc.problems, str(line))
        except UnicodeDecodeError:
            yield InvalidInput([Problem("", "is not UTF-8 text")], str(line))
        except ValueError as exc:
            yield InvalidInput([Problem("", str(exc))], str(line))


def _request(line: int, text: str) -> Request:
    given = parse_object(text)
    custom_id, body = given.get("custom_id"), given.get("body")
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= MAX_ID_CHARS or not custom_id.isprintable():
        raise InvalidInput([Problem("custom_id", f"must be 1 to {MAX_ID_CHARS} printable characters")])
    if given.get("method") != "POST":
        raise InvalidInput([Problem("method", f"must be POST, not {shorten(given.get('method'))}")])
    if given.get("url") != ENDPOINT:
        raise InvalidInput([Problem("url", f"must be {ENDPOINT}, not {shorten(given.get('url'))}")])
    if not isinstance(body, dict):
        raise InvalidInput([Problem("body", "must be an object with the fields of a video")])
    if body.get("idempotency_key") is not None:
        raise InvalidInput([Problem("body.idempotency_key", "is made from custom_id; leave it out")])
    if unknown := sorted(given.keys() - {"custom_id", "method", "url", "body"}):
        raise InvalidInput([Problem(unknown[0], "is not a field of a request")])
    return Request(line, custom_id, body)


def check_file(parts: Iterable[Part]) -> tuple[int, list[dict[str, Any]]]:
    """How many requests a file has, and the first things that are wrong with it."""
    count, errors = 0, list[dict[str, Any]]()
    seen: dict[str, int] = {}
    for part in parts:
        for item in read_part(part):
            count += 1
            if isinstance(item, InvalidInput):
                problem = item.problems[0]
                errors.append(_error("invalid_line", str(problem), int(item.where), problem.field or None))
            elif (first := seen.setdefault(item.custom_id, item.line)) != item.line:
                message = f"custom_id {shorten(item.custom_id)} is that of line {first} too"
                errors.append(_error("duplicate_custom_id", message, item.line, "custom_id"))
            if len(errors) >= MAX_ERRORS:
                return count, errors
    if not count:
        errors.append(_error("empty_file", "the file has no request", None, None))
    if count > MAX_REQUESTS:
        errors.append(_error("too_many_requests", f"{count} requests; at most {MAX_REQUESTS}", None, None))
    return count, errors


def _error(code: str, message: str, line: int | None, param: str | None) -> dict[str, Any]:
    return {"code": code, "message": message, "line": line, "param": param}


def error_of(exc: Exception) -> dict[str, Any]:
    """Why a request has no job: the answer that it would have got by itself."""
    details = details_of(exc)
    return {"status": details.status, "body": {"error": details.as_dict()["error"]}}


def never_stored(code: str, message: str) -> dict[str, Any]:
    """Why a request has no job: its batch ended first."""
    return {"status": None, "body": {"error": {"code": code, "message": message}}}


def results(
    lines: Iterable[Line], jobs: Mapping[UUID, JobView], progress: Progress, *, errors: bool
) -> Iterator[bytes]:
    """The lines of the output file, or with `errors` those of the error file."""
    for line in lines:
        job = None if line.job_id is None else jobs.get(line.job_id)
        done = job is not None and job.state is JobState.SUCCEEDED
        if done is errors or (job is not None and not job.terminal):
            continue
        found: dict[str, Any] = {"id": f"batch_req_{line.line}", "custom_id": line.custom_id}
        if job is not None:
            body = as_video(job, progress)
            found["response"] = {"status_code": 200, "request_id": str(job.id), "body": body}
            found["error"] = None if body.error is None else {"code": body.error.code, "message": body.error.message}
        elif line.error is not None:
            status, error = line.error["status"], line.error["body"]["error"]
            response = None
            if status is not None:
                response = {"status_code": status, "request_id": "", "body": line.error["body"]}
            found |= {"response": response, "error": {"code": error["code"], "message": error["message"]}}
        else:
            error = {"code": "removed", "message": "the job was removed by retention"}
            found |= {"response": None, "error": error}
        yield as_json(found) + b"\n"
