"""`/login` and `/logout` open and end a browser's session; `/preferences` stores its language and colours."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from producer.http.doors.auth import SESSION_COOKIE, forget_session, is_encrypted, keep_session
from producer.http.doors.failed_keys import FailedKeys
from producer.http.doors.keyring import KeyRing
from producer.web.forms import back_to, read_form
from producer.web.language import LANGUAGES
from producer.web.site import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Site, go, set_cookie
from storage.tenants import keys


def sign_in_routes(site: Site, keyring: KeyRing, failed: FailedKeys) -> APIRouter:
    """The routes that need no key."""
    router = APIRouter(include_in_schema=False, route_class=site.route_class())

    @router.get("/login")
    async def login_page(request: Request, next: str = "/") -> Response:
        wanted = back_to(next)
        if request.headers.get("sec-fetch-site") == "cross-site":
            # A request that follows another site's link carries no cookie; a link within this site does.
            return site.page(request, "go_on.html", {"next": wanted})
        return site.page(request, "login.html", {"next": wanted, "refused": False})

    @router.post("/login")
    async def login(request: Request) -> Response:
        form = await read_form(request)
        key, wanted = form.get("key", "").strip(), back_to(form.get("next", "/"))
        address = request.client.host if request.client is not None else ""
        await failed.wait(address, key)
        session = await keyring.open_session(key) if key else None
        if session is None:
            failed.note(address, request.url.path, key, keys.key_id(key))
            return site.page(request, "login.html", {"next": wanted, "refused": True}, status=401)
        failed.was_right(address, session, guessable=False)
        response = go(wanted)
        keep_session(response, session, secure=is_encrypted(request, site.service.settings.public_url))
        return response

    @router.post("/logout")
    async def logout(request: Request) -> Response:
        await read_form(request)
        if session := request.cookies.get(SESSION_COOKIE):
            await keyring.end_session(session)
        response = go("/login")
        forget_session(response)
        return response

    @router.post("/preferences")
    async def preferences(request: Request) -> Response:
        form = await read_form(request)
        response = go(back_to(form.get("next", "/")))
        for name, cookie, known in (("language", LANGUAGE_COOKIE, LANGUAGES), ("theme", THEME_COOKIE, THEMES)):
            if form.get(name) in known:
                set_cookie(request, response, cookie, form[name])
        return response

    return router
