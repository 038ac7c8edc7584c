"""The login of this user: one API and its key, in a file that only they can read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from producer.local.private_file import write_private
from seedance.problems import InvalidInput, Problem

URL, KEY = "REELQ_API_URL", "REELQ_API_KEY"


@dataclass(frozen=True, slots=True)
class Login:
    """Where the API is; `key` None: it needs none."""

    url: str
    key: str | None = field(repr=False)


def login_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The file: `REELQ_LOGIN_FILE`, or `reelq/login.json` in the user's configuration directory."""
    if named := environ.get("REELQ_LOGIN_FILE"):
        return Path(named)
    base = environ.get("XDG_CONFIG_HOME")
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return (Path(base) if base else home / ".config") / "reelq" / "login.json"


def stored_login(environ: Mapping[str, str] = os.environ) -> Login | None:
    """The login, None: there is none.

    Raises:
        InvalidInput: the file cannot be read.
    """
    path = login_file(environ)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Login(found["url"], found["key"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InvalidInput([Problem("", "cannot be read; run `reelq login` again, or delete it")], str(path)) from exc


def store_login(login: Login, environ: Mapping[str, str] = os.environ) -> Path:
    """Keep a login, instead of an earlier one."""
    path = login_file(environ)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, json.dumps({"url": login.url, "key": login.key}))
    return path


def forget_login(environ: Mapping[str, str] = os.environ) -> bool:
    """Delete the login; False: there was none."""
    try:
        login_file(environ).unlink()
    except FileNotFoundError:
        return False
    return True


def api_of(given: Path | None, environ: Mapping[str, str] = os.environ) -> Login | None:
    """The API that commands use; None: the database here. `given`: the directory that `--data-dir` names, which wins.
    Else `REELQ_API_URL` decides; else the API of `reelq login` is used where no database is configured and no local
    stack runs."""
    if given is not None:
        return None
    # Imported here: every gateway comes with it, which the help of most commands does without.
    from storage.settings import STACK_FILE, config_path, data_dir

    if url := environ.get(URL):
        stored = stored_login(environ)
        key = environ.get(KEY) or (stored.key if stored is not None and stored.url == url.rstrip("/") else None)
        return Login(url.rstrip("/"), key)
    here = (
        "REELQ_DATABASE_URL" in environ
        or (data_dir(None, environ) / STACK_FILE).exists()
        or config_path(environ) is not None
    )
    return None if here else stored_login(environ)
