"""The shape of every error: RFC 9457 problem details, with an `error` member as OpenAI's clients read it.

`producer.http.problems` writes errors in this shape; OpenAPI shows it. Members with a default are left out of an answer
when there is nothing to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """What is wrong with one field."""

    field: Annotated[
        str, Field(description="The name as the caller wrote it, such as reference_images[3]; empty: the whole input.")
    ]
    message: str
    where: Annotated[str, Field(description="The row, if the input has many.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIError:
    """The error as OpenAI's clients read it."""

    message: str
    type: Literal["invalid_request_error", "server_error"]
    code: Annotated[str, Field(description="The same as the problem's `code`.")]
    param: Annotated[str | None, Field(description="The first field that is wrong; null if no field is.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDetails:
    """RFC 9457 problem details; `error` repeats them for OpenAI's clients."""

    type: Annotated[str, Field(description="`urn:reelq:problem:` and the code.")]
    title: Annotated[str, Field(description="The HTTP status in words.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="What is wrong, and where. For people.")]
    code: Annotated[str, Field(description="What is wrong, in one word. For programs; codes never change.")]
    error: OpenAIError
    instance: Annotated[str, Field(description="The path of the request.")] = ""
    advice: Annotated[str, Field(description="What to do about it.")] = ""
    errors: Annotated[list[FieldError], Field(description="Every field that is wrong.")] = field(default_factory=list)
    truncated: Annotated[bool, Field(description="True if more rows are wrong than `errors` names.")] = False
    where: Annotated[str, Field(description="The row that conflicts, if the input has many.")] = ""
    job_id: Annotated[str | None, Field(description="The job in question; null: a row of the same request.")] = None
    request_id: Annotated[str, Field(description="Finds the error in the server's log (internal errors only).")] = ""
