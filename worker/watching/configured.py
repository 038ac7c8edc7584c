"""Flower's options as reelq sets them, and whether they can work. Flower itself finds most mistakes when a person
signs in, or with a traceback."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery.utils.imports import symbol_by_name
from flower import command
from flower.options import options
from flower.utils.authentication import validate_auth_option
from flower.views.auth import OktaLoginHandler
from tornado.options import Error as OptionError
from tornado.web import RequestHandler

from worker.watching.pages import shown_task

COLUMNS = "name,state,args,result,received,runtime,worker,uuid"
MAX_TASKS = 20_000
"""About two kilobytes each, in memory and in the file."""
SAVE_EVERY_MS = 60_000
PASSWORD_FILE = "FLOWER_BASIC_AUTH_FILE"  # noqa: S105 - the name of a variable
_PROVIDERS = "flower.views.auth.GithubLoginHandler, GitLabLoginHandler, GoogleAuth2LoginHandler or OktaLoginHandler"


def read_options(arguments: list[str]) -> None:
    """Our defaults, then the environment, then the command line, as Flower reads them.

    Raises:
        ValueError: they cannot work; the text names the option and says what to set.
        OSError: a file that they name cannot be read.
    """
    options.read_only = True
    options.tasks_columns = COLUMNS
    options.format_task = shown_task
    options.max_tasks = MAX_TASKS
    options.state_save_interval = SAVE_EVERY_MS
    options.logging = None
    if PASSWORD_FILE in os.environ and "FLOWER_BASIC_AUTH" not in os.environ:
        os.environ["FLOWER_BASIC_AUTH"] = Path(os.environ[PASSWORD_FILE]).read_text(encoding="utf-8").strip()
    if unknown := [argument for argument in arguments if not command.is_flower_option(argument)]:
        raise ValueError(f"Flower has no option {unknown[0]}; `celery flower --help` lists them")
    try:
        command.apply_env_options()
        command.apply_options("flower", arguments)
    except (OptionError, ValueError) as exc:
        raise ValueError(f"an option of Flower is wrong: {exc}") from exc
    _check_files()
    if (why := why_no_sign_in(options, os.environ.get("FLOWER_OAUTH2_OKTA_BASE_URL"))) is not None:
        raise ValueError(why)


def why_no_sign_in(given: Any, okta_url: str | None) -> str | None:
    """Why no one could sign in with OAuth, or everyone could enter without it, as a sentence; None: it is well
    configured, or not used. `okta_url`: `FLOWER_OAUTH2_OKTA_BASE_URL`."""
    if not given.auth:
        if given.auth_provider:
            return "FLOWER_AUTH: is not set, but FLOWER_AUTH_PROVIDER is; set the mail addresses that may enter"
        return None
    if "\\" in given.auth or not validate_auth_option(given.auth):  # Flower escapes all but `.*`, a backslash too
        return (
            f"FLOWER_AUTH: {given.auth!r} would let no one in; use one address, several with | between them,"
            " or one domain as in .*@example.com"
        )
    if not given.auth_provider:
        return f"FLOWER_AUTH_PROVIDER: is not set, but FLOWER_AUTH is; set {_PROVIDERS}"
    try:
        provider = symbol_by_name(given.auth_provider)
    except (ImportError, AttributeError, ValueError):
        provider = None
    if not (isinstance(provider, type) and issubclass(provider, RequestHandler)):
        return f"FLOWER_AUTH_PROVIDER: there is no {given.auth_provider!r}; set {_PROVIDERS}"
    for name in ("oauth2_key", "oauth2_secret", "oauth2_redirect_uri"):
        if not getattr(given, name):
            return f"FLOWER_{name.upper()}: is not set, and OAuth needs it; the provider shows it for your application"
    if issubclass(provider, OktaLoginHandler) and not okta_url:
        return "FLOWER_OAUTH2_OKTA_BASE_URL: is not set; give https://HOST/oauth2/default, or your own server's URL"
    return None


def _check_files() -> None:
    for name in ("certfile", "keyfile", "ca_certs"):
        if (path := getattr(options, name)) and not Path(path).is_file():
            raise ValueError(f"--{name}: there is no file {path}")
    if bool(options.certfile) != bool(options.keyfile):
        raise ValueError("--certfile and --keyfile: TLS needs both")
