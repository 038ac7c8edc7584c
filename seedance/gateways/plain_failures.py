"""Why a task failed, where the gateway gives only words, perhaps with Ark's code in them."""

from __future__ import annotations

import re

from seedance.errors import redact
from seedance.gateways.answers import object_of, read_json, text_of, word_of
from seedance.gateways.ark_codes import ark_failure, is_ark_code
from seedance.gateways.base import TaskFailure

_ARK_CODE = re.compile(r"\b[A-Z][A-Za-z]+(?:\.[A-Z][A-Za-z]+)*\b")
_MODERATED = re.compile(r"moderat|content[ _-]policy|sensitive|flagged|copyright|real person|审核|敏感", re.IGNORECASE)
_OF_THE_OUTPUT = re.compile(r"\boutput\b|generated (?:video|audio|content)|生成的", re.IGNORECASE)


def is_moderation(text: str) -> bool:
    """Whether a text says that moderation refused something."""
    return _MODERATED.search(text) is not None


def failure_of_words(text: str, code: str = "") -> TaskFailure:
    """The failure that a gateway describes in words. Ark's own code in the words says most, if one is there."""
    error = object_of(object_of(read_json(text)).get("error")) if text.lstrip().startswith("{") else {}
    inner = word_of(error.get("code")) or next(filter(is_ark_code, _ARK_CODE.findall(text)), "")
    if inner:
        return ark_failure(inner, text_of(error.get("message")) or text)
    message = redact(text or code or "the gateway gave no reason")
    if is_moderation(text):
        output = _OF_THE_OUTPUT.search(text) is not None
        return TaskFailure("moderation_blocked", message, code, stage="output" if output else "input", retryable=output)
    return TaskFailure("generation_failed", message, code, retryable=True)
