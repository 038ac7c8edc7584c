"""The effect of a fault on a call and on the task that the call creates."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any, Protocol

from simulator.faults.rules import Rule
from simulator.tasks.task import Fate
from simulator.wire.answers import HTML_TYPE, JSON_TYPE, Answer, Cut, json_answer
from simulator.wire.ark_error import ArkError, moderation_message, refusal

PROXY_MESSAGES = {
    403: "Forbidden",
    404: "no Route matched with those values",
    429: "API rate limit exceeded",
    503: "failure to get a peer from the ring-balancer",
}
_GARBAGE = random.Random("garbage").randbytes(64)  # noqa: S311 - filler


class Responder(Protocol):
    """Builds error answers in its own format: a dialect, or the object store."""

    def unauthorized(self) -> Answer: ...
    def no_money(self) -> Answer: ...
    def busy(self) -> Answer: ...
    def rejected(self, error: ArkError) -> Answer: ...
    def moderated(self, code: str, message: str) -> Answer: ...
    def failure(self, status: int, code: str, message: str) -> Answer: ...


async def before(rule: Rule, responder: Responder) -> Answer | None:
    """Apply a fault before the request is processed; None: process the request.

    Raises:
        Cut: close the connection without an answer.
    """
    given = rule.parameters
    match rule.kind.name:
        case "status":
            return _error_of(rule, responder)
        case "rate_limit":
            return with_retry_after(responder.busy(), given["retry_after"])
        case "no_money":
            return responder.no_money()
        case "bad_key":
            return responder.unauthorized()
        case "garbage":
            return Answer(200, _GARBAGE, JSON_TYPE)
        case "html_200":
            return Answer(200, html_page(200, "Service under maintenance"), HTML_TYPE)
        case "empty_200":
            return Answer(200, b"", JSON_TYPE)
        case "moderate_input":
            code = moderation_code("Input", given)
            return responder.moderated(code, moderation_message(code))
        case "refuse":
            return responder.rejected(refusal(given["code"], given["quota"], given["reset_s"]))
        case "slow":
            await asyncio.sleep(given["seconds"])
        case "hang" if not given["accepted"]:
            await asyncio.sleep(given["seconds"])
            raise Cut("close")
    return None


async def after(rule: Rule, responder: Responder, answer: Answer) -> Answer:
    """Apply a fault after the request was processed.

    Raises:
        Cut: close the connection without an answer.
    """
    given = rule.parameters
    match rule.kind.name:
        case "hang":
            await asyncio.sleep(given["seconds"])
            raise Cut("close")
        case "close_after_accept":
            raise Cut("close")
        case "rst_after_accept":
            raise Cut("reset")
        case "accept_then_500":
            return _error_of(rule, responder)
    return answer


def _error_of(rule: Rule, responder: Responder) -> Answer:
    given = rule.parameters
    answer = error_answer(responder, given["status"], given["body"], given["code"], given["message"])
    return with_retry_after(answer, given["retry_after"])


def fate_of(rule: Rule | None) -> Fate:
    if rule is None:
        return Fate()
    given = rule.parameters
    match rule.kind.name:
        case "fail":
            return Fate("failed", given["code"], given["message"])
        case "moderate_output":
            code = moderation_code("Output", given)
            return Fate("failed", code, moderation_message(code))
        case "lost":
            return Fate("lost")
        case "inner_expired":
            return Fate("expired")
        case "video_format":
            return Fate(look=given["format"])
        case _:
            return Fate(
                url_dies_after_s=given["after_s"],
                url_dies_after_fetches=given["after_fetches"],
                url_dies_for_good=given["for_good"],
            )


def error_answer(responder: Responder, status: int, body: str, code: str, message: str) -> Answer:
    if body == "empty":
        return Answer(status)
    if body == "html":
        return Answer(status, html_page(status, "Error"), HTML_TYPE)
    if body == "proxy":  # the format of Kong's and Amazon API Gateway's own errors
        return json_answer(status, {"message": message or PROXY_MESSAGES.get(status, "An unexpected error occurred")})
    return responder.failure(status, code, message)


def with_retry_after(answer: Answer, seconds: float | None) -> Answer:
    if seconds is None:
        return answer
    return replace(answer, headers={**answer.headers, "Retry-After": f"{seconds:g}"})


def html_page(status: int, title: str) -> bytes:
    page = f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center><h1>{status} {title}</h1>"
    return f"{page}</center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n".encode()


def moderation_code(stage: str, given: Any) -> str:
    code = f"{stage}{given['modality'].capitalize()}SensitiveContentDetected"
    return f"{code}.{given['detail']}" if given["detail"] else code
