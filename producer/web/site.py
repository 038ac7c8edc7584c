"""Render a page from a template: language, theme, time zone, security headers, and errors as pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import jinja2
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from producer.http.doors.auth import is_encrypted
from producer.http.problems import KINDS, ApiProblem, details_of
from producer.http.service import Service
from producer.web import charts, static_files
from producer.web.actors import actor_in
from producer.web.cache import AnswerCache
from producer.web.formatting import Formatter, zone_of
from producer.web.forms import TOKEN_COOKIE, token_of
from producer.web.language import LANGUAGES, catalogue, choose
from producer.web.permissions import Permissions, permissions_of
from storage.bucket.requests import StoreUnavailable
from storage.jobs.shown.document import cut_short
from storage.jobs.states import JobState

LANGUAGE_COOKIE, THEME_COOKIE, ZONE_COOKIE = "reelq_language", "reelq_theme", "reelq_zone"
THEMES = ("auto", "light", "dark")
YEAR_S = 365 * 86_400
_CODE = re.compile(r"`([^`]+)`")
FRAGMENT_HEADER = "x-reelq-fragment"
_NO_PERMISSIONS = Permissions("", may_enqueue=False, may_resolve=False, may_operate=False, has_key=False)

_SHOWN: tuple[type[Exception], ...] = (ApiProblem, RequestValidationError, *(kind for kind, _ in KINDS))

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Site:
    """The shared parts of every page. One per process."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.cache = AnswerCache(service.read)
        self.files = static_files.load()
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("producer.web"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            static={name: item.url for name, item in self.files.items()},
            states=list(JobState),
            bar=charts.bar,
            languages=LANGUAGES,
            themes=THEMES,
        )
        self._templates.filters.update(
            segment=lambda text: quote(str(text), safe=""), as_json=_as_json, with_code=_with_code
        )

    def page(
        self,
        request: Request,
        template: str,
        values: Mapping[str, Any] | None = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Render a template for the sender of a request; with `X-Reelq-Fragment`, without the frame around it."""
        language = choose(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", ""))
        theme = request.cookies.get(THEME_COOKIE, "")
        zone = request.cookies.get(ZONE_COOKIE, "")
        words = catalogue(language)
        token = token_of(request)
        known = "principal" in request.scope.get("state", {})
        text = self._templates.get_template(template).render(
            t=words.text,
            word=words.word,
            actor=partial(actor_in, words),
            w=Formatter(words, zone_of(zone), datetime.now(UTC)),
            language=language,
            theme=theme if theme in THEMES else THEMES[0],
            zone=zone,
            permissions=permissions_of(request) if known else _NO_PERMISSIONS,
            token=token,
            here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            path=request.url.path,
            fragment=FRAGMENT_HEADER in request.headers,
            **{"stream": None, "after": 0, "says": ""} | dict(values or {}),
        )
        response = Response(text, status, {**self._headers, **(headers or {})}, "text/html; charset=utf-8")
        if request.cookies.get(TOKEN_COOKIE) != token:
            set_cookie(request, response, TOKEN_COOKIE, token)
        return response

    def policy(self, images: str = "") -> str:
        """The content security policy of a page. `images`: where its pictures may come from, besides here and the
        store."""
        store = _origin(self.service)
        policy = {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": f"'self' {store} {images}",
            "media-src": f"'self' {store}",
            "connect-src": "'self'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        return "; ".join(f"{name} {value.strip()}" for name, value in policy.items())

    @property
    def _headers(self) -> Mapping[str, str]:
        return {
            "Content-Security-Policy": self.policy(),
            "X-Content-Type-Options": "nosniff",
            # Other sites get no referrer. With "no-referrer", browsers send forms with "Origin: null", and the guard
            # could not tell the page's own forms from others.
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
            "Cache-Control": "private, no-cache",
            "Vary": "Cookie, Accept-Language, X-Reelq-Fragment",
        }

    def route_class(self) -> type[APIRoute]:
        """Routes whose errors are pages."""
        site = self

        class PageRoute(APIRoute):
            def get_route_handler(self) -> Handler:
                handle = super().get_route_handler()

                async def answer(request: Request) -> Response:
                    try:
                        return await handle(request)
                    except _SHOWN as exc:
                        return site.problem(request, exc)

                return answer

        return PageRoute

    def problem(self, request: Request, exc: Exception) -> Response:
        """An error as a page."""
        found = details_of(exc)
        return self.page(request, "problem.html", {"found": found}, status=found.status, headers=found.headers)

    async def close(self) -> None:
        """Stop the background work."""
        await self.cache.close()


def go(path: str) -> Response:
    """Redirect to a path (303)."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """Store a small value in the browser for a year; scripts cannot read it."""
    secure = is_encrypted(request, None)
    response.set_cookie(name, value, max_age=YEAR_S, httponly=True, samesite="lax", secure=secure)


def _origin(service: Service) -> str:
    """The origins of the buckets for browsers, as a content security policy names them; "" if they are unknown."""
    try:
        return " ".join(sorted({bucket.link_origin for bucket in service.objects.every()}))
    except StoreUnavailable:  # boto3's configuration cannot be read: there are no links either
        return ""


def _with_code(text: str) -> Markup:
    """A text with what stands between backticks, such as a command, as code."""
    parts = enumerate(_CODE.split(text))
    return Markup("").join(Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in parts)


def _as_json(value: object) -> str:
    return json.dumps(cut_short(value), ensure_ascii=False, indent=2, default=str)
