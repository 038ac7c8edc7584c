"""`reelq login`, `logout` and `whoami`."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Annotated

import typer
from reelq_client import Reelq
from reelq_client.models.access import Tenant

from producer.cli.login.stored import KEY, URL, Login, api_of, forget_login, login_file, store_login
from producer.cli.shared.options import AsJson
from producer.cli.shared.output import print_json, say
from seedance.problems import InvalidInput, Problem


def login(
    url: Annotated[str, typer.Argument(metavar="URL", help="The API, such as https://reelq.example.")],
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Read the key from standard input; otherwise it is asked for.")
    ] = False,
) -> None:
    """Use the API of a server elsewhere from now on. The key is checked, then kept in a file that only you can read."""
    key = sys.stdin.readline() if key_stdin else _ask()
    if not (key := key.strip()):
        raise InvalidInput([Problem("", "the key is missing; `reelq keys create --name NAME` at the server makes one")])
    with Reelq(url, key) as reelq:
        tenant = reelq.tenant.get()
        path = store_login(Login(reelq.base_url, key))
    typer.echo(_line(url.rstrip("/"), tenant))
    say(f"the key is in {path}")
    if (other := os.environ.get(URL)) and other.rstrip("/") != url.rstrip("/"):
        say(f"{URL} is set to {other}, and wins")


def logout() -> None:
    """Forget the API and its key. The key itself stays valid; `reelq keys revoke` revokes it."""
    typer.echo("logged out" if forget_login() else f"there is no login in {login_file()}")


def whoami(as_json: AsJson = False) -> None:
    """Show the API in use, the tenant and what the key may do."""
    api = api_of(None)
    if api is None:
        raise InvalidInput(
            [Problem("", f"commands use the database configured here; run `reelq login URL`, or set {URL} and {KEY}")]
        )
    with Reelq(api.url, api.key) as reelq:
        tenant = reelq.tenant.get()
    if as_json:
        print_json({"url": api.url, **tenant.model_dump(mode="json")})
    else:
        typer.echo(_line(api.url, tenant))


def _ask() -> str:
    if not sys.stdin.isatty():
        raise InvalidInput([Problem("", "there is no terminal to ask for the key; use --key-stdin")])
    return getpass.getpass("Key: ", sys.stderr)


def _line(url: str, tenant: Tenant) -> str:
    return f"{url}: tenant {tenant.name}, scopes {', '.join(tenant.scopes)}"
