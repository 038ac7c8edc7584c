"""Problem details: how the API says what is wrong."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, ValidationError

from reelq_client.models.base import Model

_SHOWN_CHARS = 200
_TAG = re.compile(r"<[^>]*>")


class FieldError(Model):
    """What is wrong with one field; `where` names the row, if the input has many."""

    field: str
    message: str
    where: str = ""


class OpenAIError(Model):
    """The same error as OpenAI's clients read it."""

    message: str
    type: str
    code: str
    param: str | None = None


class Problem(Model):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str = ""
    status: int
    detail: str = ""
    code: str = ""
    error: OpenAIError | None = None
    instance: str = ""
    advice: str = ""
    errors: list[FieldError] = Field(default_factory=list)
    truncated: bool = False
    where: str = ""
    job_id: str | None = None
    request_id: str = ""

    @classmethod
    def of_answer(cls, status: int, body: bytes) -> Problem:
        """The problem in an answer; an answer of something in front of the API is quoted."""
        try:
            found = cls.model_validate_json(body)
        except ValidationError:
            text = " ".join(_TAG.sub(" ", body[:2_000].decode(errors="replace")).split())[:_SHOWN_CHARS]
            foreign = (
                f"the answer is not in reelq's form; check the URL of the API, and any proxy: {text or 'it is empty'}"
            )
            detail = "not ready yet; try again later" if status == 202 else foreign
            return cls(status=status, detail=detail, code=f"http_{status}")
        changes: dict[str, Any] = {} if found.code else {"code": f"http_{status}"}
        return found.model_copy(update=changes | {"status": status})
