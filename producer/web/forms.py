"""Read forms of limited size, and only those that this page made for the same browser."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import Request

from producer.http.bodies import BODY_S, MAX_JOB_BYTES, chunks, media_type
from producer.http.problems import ApiProblem

TOKEN_COOKIE = "reelq_form"  # noqa: S105 - the name of a field - its name
TOKEN_FIELD = "token"  # noqa: S105 - the name of a field
_TOKEN = re.compile(r"[\w-]{32}")
_MAX_FIELDS = 100

Form = Mapping[str, str]


def token_of(request: Request) -> str:
    """The browser's token, or a new one. The guard refuses forms of other sites; the token is for browsers that do not
    say where a form comes from."""
    found = request.cookies.get(TOKEN_COOKIE, "")
    return found if _TOKEN.fullmatch(found) else secrets.token_urlsafe(24)


async def read_form(request: Request) -> Form:
    """The fields of a form, including empty ones; of repeated names the last.

    Raises:
        ApiProblem: it is too large, is not a form, or does not carry the browser's token.
    """
    if media_type(request) != "application/x-www-form-urlencoded":
        raise ApiProblem(415, "unsupported_media_type", "a form must be application/x-www-form-urlencoded")
    body = bytearray()
    async for chunk in chunks(request, MAX_JOB_BYTES, BODY_S):
        body += chunk
    try:
        pairs = parse_qsl(bytes(body).decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError as exc:
        raise ApiProblem(400, "bad_request", f"the form cannot be read: {exc}") from exc
    form = dict(pairs)
    given, wanted = form.pop(TOKEN_FIELD, ""), request.cookies.get(TOKEN_COOKIE, "")
    if not wanted or not hmac.compare_digest(given.encode(), wanted.encode()):
        raise ApiProblem(403, "stale_form", "this form is not from this browser, or is too old; reload the page")
    return form


def back_to(path: str) -> str:
    """A local path to go back to, from a field that may contain anything."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if ours else "/"
