"""Mask secrets in a text that others may have written: the answer of a gateway, an error, a line of a log."""

from __future__ import annotations

import re

_WORDS = (
    "authentication authorization auth cannot could credential credentials denied disabled does empty error exceeds "
    "expired failed false field format from header incorrect invalid length malformed mismatch missing must needs none "
    "null only please prefix rejected required revoked scheme should that this token tokens true unauthorized unknown "
    "value were which with wrong your"
)
"""What errors say of a secret where a secret could stand: `token: invalid`. None of them is one."""
_END = r"[.;:!?)\]]*(?:[\s,\"'&}]|$)"
_NO_WORD = rf"(?!(?:{_WORDS.replace(' ', '|')}){_END})"
# Basic credentials are Base64 of a name, a colon and a password: hardly ever small letters alone.
_NO_PROSE = rf"(?!(?-i:[A-Za-z][a-z]+){_END})"
_SECRET = re.compile(
    rf"(?i)(bearer\s+{_NO_WORD}|basic\s+{_NO_PROSE})[\w.~+/=-]{{6,}}"
    r"|\b((?:sk|ak|rq|whsec)[-_])[\w+/=-]{6,}"
    r"|((?:signature|credential|token|password|api[_-]?key|secret)[\"']?\s*[=:]\s*[\"']?)"
    rf"{_NO_WORD}[^&\s\"',}}]{{4,}}"
)
_HINTS = re.compile(
    r"bearer|basic|[sa]k(?<!\w..)[-_]|rq[-_]|whsec|signature|credential|token|password|api[_-]?key|secret"
)
"""Each secret that `_SECRET` finds has one of these, in small letters; few texts have. That of `task_` is none."""


def mask_secrets(text: str) -> str:
    """The text with `***` in place of keys, tokens, passwords and signatures. Their names stay, and so do words that
    say what is wrong with one."""
    # In small letters: a pattern that ignores case is searched for at each place, and takes seven times as long.
    if text.isascii() and _HINTS.search(text.lower()) is None:
        return text
    return _SECRET.sub(lambda found: next(filter(None, found.groups()), "") + "***", text)
