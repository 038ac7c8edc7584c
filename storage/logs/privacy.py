"""Remove from a line what no log may hold: keys, signatures, passwords in URLs, and the rows that a database quotes."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>\\]+", re.IGNORECASE)
_TOKEN = re.compile(
    r"(?i)(bearer\s+|basic\s+)[\w.~+/=-]{6,}"
    r"|\b((?:sk|ak|rq|whsec)[-_])[\w+/=-]{6,}"
    r"|((?:signature|credential|token|password|api[_-]?key|secret)[\"']?\s*[=:]\s*[\"']?)[^&\s\"',}]{4,}"
)
_WORD = 24
"""Longest text that is remembered: shorter than a task's id, which is new in every other line."""
_HINTS = re.compile(
    r"bearer|basic|[sa]k(?<!\w..)[-_]|rq[-_]|whsec|signature|credential|token|password|api[_-]?key|secret"
)
"""Each secret that `_TOKEN` finds has one of these, in small letters; few texts have. That of `task_` is none."""
# PostgreSQL quotes the row that it refuses, with the prompt in it, and parameters of the statement.
_QUOTED = re.compile(r"\n?(?:DETAIL|CONTEXT|QUERY|PARAMETERS):[^\n]*|unnamed portal[^\n]*")
_DATA_URI = re.compile(r"(data:[\w/.+-]{1,80};base64,)[\w+/=-]{16,}")


def clean(text: str) -> str:
    """The text without them. A URL keeps its host and path, and the names of its parameters."""
    return _clean_word(text) if len(text) <= _WORD else _clean(text)


def _clean(text: str) -> str:
    if "://" in text:
        text = _URL.sub(lambda found: _bare(found.group()), text)
    if ";base64," in text:
        text = _DATA_URI.sub(r"\1…", text)
    if "DETAIL:" in text or "CONTEXT:" in text or "portal" in text:
        text = _QUOTED.sub("", text)
    # In small letters: a pattern that ignores case is searched for at each place, and takes seven times as long.
    if not text.isascii() or _HINTS.search(text.lower()) is not None:
        text = _TOKEN.sub(lambda found: next(filter(None, found.groups()), "") + "***", text)
    return text


# States, reasons, accounts and campaigns are in line after line: the search for hints was a third of a line's cost.
_clean_word = lru_cache(maxsize=1024)(_clean)


def _bare(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"
    host = parts.netloc.rpartition("@")[2]
    query = f"?{_names(parts.query)}" if parts.query else ""
    return f"{parts.scheme}://{host}{parts.path}{query}"


def _names(query: str) -> str:
    return "&".join(f"{part.partition('=')[0]}=***" if "=" in part else "***" for part in query.split("&"))
