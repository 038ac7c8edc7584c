"""`reelq accounts add|set|rekey|pause|resume|remove|reencrypt|master-key`: change accounts while everything runs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from producer.cli.doors.accounts import open_accounts
from producer.cli.shared.access import settings_of
from producer.cli.shared.option_groups import spread
from producer.cli.shared.options import DataDir
from producer.operator_actions.accounts import checked_secrets
from producer.wording import plural
from seedance.problems import InvalidInput, Problem
from storage.accounts import changes
from storage.database import connect
from storage.sealing import new_master_key

Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]
Tenants = Annotated[
    list[str] | None,
    typer.Option(
        "--tenant",
        help="A tenant whose jobs it may serve; `*`: every tenant that no account names. Repeat for several.",
        show_default=False,
    ),
]
MaxInFlight = Annotated[int | None, typer.Option(min=1, help="Generations at once.", show_default=False)]
PerMinute = Annotated[int | None, typer.Option(min=0, help="POSTs in 60 s; 0: no limit.", show_default=False)]
PollsPerMinute = Annotated[int | None, typer.Option(min=0, help="Queries in 60 s; 0: no limit.", show_default=False)]
BaseUrl = Annotated[str | None, typer.Option(help="Another address than the gateway's own.", show_default=False)]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="NAME=JSON",
        help="Any other field of an account, such as 'callbacks=true'; null removes it. Repeat for several.",
        show_default=False,
    ),
]
KeyFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="A file with the key; -: standard input.", show_default=False)
]
KeyEnv = Annotated[
    str | None, typer.Option(metavar="VARIABLE", help="The environment variable with the key.", show_default=False)
]
SecretEnv = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VARIABLE",
        help="Another secret: user_token or webhook_secret, and the variable that has it.",
        show_default=False,
    ),
]
ToShared = Annotated[
    bool,
    typer.Option(
        "--to-shared", help="Let waiting jobs of a tenant without another account of its own run on shared accounts."
    ),
]


@dataclass(frozen=True, slots=True)
class AccountFields:
    """The fields of an account, for `option_groups.spread`."""

    tenant: Tenants = None
    base_url: BaseUrl = None
    max_in_flight: MaxInFlight = None
    requests_per_minute: PerMinute = None
    polls_per_minute: PollsPerMinute = None
    field: Fields = None

    def given(self) -> dict[str, Any]:
        """Those that are given.

        Raises:
            InvalidInput: one of `field` has no value.
        """
        given: dict[str, Any] = {}
        for text in self.field or ():
            name, equals, value = text.partition("=")
            if not equals:
                raise InvalidInput([Problem("--field", f"must be NAME=JSON, not {name}")])
            try:
                given[name.strip()] = json.loads(value)
            except ValueError:
                given[name.strip()] = value  # a text without quotes
        set_to = {"base_url": self.base_url, "max_in_flight": self.max_in_flight, "tenants": self.tenant or None}
        given |= {name: value for name, value in set_to.items() if value is not None}
        limits = {"requests_per_minute": self.requests_per_minute, "polls_per_minute": self.polls_per_minute}
        return given | {name: limit or None for name, limit in limits.items() if limit is not None}


@spread
def add(
    ctx: typer.Context,
    name: Name,
    gateway: Annotated[str, typer.Option(help="The gateway, such as ark.")],
    fields: AccountFields,
    key_file: KeyFile = None,
    key_env: KeyEnv = None,
    secret_env: SecretEnv = None,
    data_dir: DataDir = None,
) -> None:
    """Add an account. Its key is asked for, or read from a file or a variable, and stored encrypted."""
    given = {"gateway": gateway} | {field: value for field, value in fields.given().items() if value is not None}
    door = open_accounts(ctx, data_dir)
    simulated = door.add(name, given, {"api_key": _key(name, key_file, key_env), **_secrets(secret_env)})
    typer.echo(f"{name} is added; it takes jobs within seconds")
    if simulated:
        typer.echo("the simulator still takes jobs, too; `reelq accounts pause simulator` stops that", err=True)


@spread
def change(
    ctx: typer.Context,
    name: Name,
    fields: AccountFields,
    to_shared: ToShared = False,
    data_dir: DataDir = None,
) -> None:
    """Change an account of the database: its limits, the tenants that it serves, its models."""
    given = fields.given()
    if not given:
        raise InvalidInput([Problem("", "nothing to change; see `reelq accounts set --help`")])
    open_accounts(ctx, data_dir).change(name, given, to_shared=to_shared)
    typer.echo(f"{name} is changed")


def rekey(
    ctx: typer.Context,
    name: Name,
    key_file: KeyFile = None,
    key_env: KeyEnv = None,
    secret_env: SecretEnv = None,
    revoked: Annotated[
        bool, typer.Option("--revoked", help="The old key does not work any more: tasks in flight use the new one too.")
    ] = False,
    other_project: Annotated[
        bool,
        typer.Option("--other-project", help="It belongs to another project, which does not know uploaded assets."),
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Give an account a new key. Tasks in flight keep the key that they were submitted with until they end."""
    door = open_accounts(ctx, data_dir)
    secrets = {"api_key": _key(name, key_file, key_env), **_secrets(secret_env)}
    door.rekey(name, secrets, revoked=revoked, other_project=other_project)
    typer.echo(f"{name} has a new key" + ("" if revoked else "; tasks in flight keep the old one until they end"))


def pause(ctx: typer.Context, name: Name, data_dir: DataDir = None) -> None:
    """Submit nothing more to an account. Its tasks go on."""
    open_accounts(ctx, data_dir).pause(name)
    typer.echo(f"{name} is paused; `reelq accounts resume {name}` continues")


def resume(ctx: typer.Context, name: Name, data_dir: DataDir = None) -> None:
    """Use a paused or suspended account again. Run this after you have corrected its key or its credit."""
    open_accounts(ctx, data_dir).resume(name)
    typer.echo(f"{name} is resumed")


def remove(
    ctx: typer.Context,
    name: Name,
    drain: Annotated[
        bool, typer.Option("--drain", help="Submit nothing more, and remove it when its last task has ended.")
    ] = False,
    to_shared: ToShared = False,
    data_dir: DataDir = None,
) -> None:
    """Remove an account of the database. An account with unfinished jobs is removed only with --drain."""
    gone = open_accounts(ctx, data_dir).remove(name, drain=drain, to_shared=to_shared)
    typer.echo(
        f"{name} is removed" if gone else f"{name} takes no new jobs; it is removed when its last task has ended"
    )


def reencrypt(ctx: typer.Context, data_dir: DataDir = None) -> None:
    """Encrypt every key with the first master key. Afterwards the others can be removed from the settings."""
    settings = settings_of(ctx, data_dir)
    with connect(settings.require_database_url()) as conn:
        changed, closed = changes.reencrypt(conn, settings)
    typer.echo(f"{plural(changed, 'key')} encrypted again")
    if closed:
        names = ", ".join(closed)
        raise InvalidInput([Problem("master_key", f"no master key that is set decrypts the keys of {names}")])


def master_key() -> None:
    """Print a new master key, for REELQ_MASTER_KEY or a file that REELQ_MASTER_KEY_FILE names."""
    typer.echo(new_master_key())


def _key(name: str, file: str | None, variable: str | None) -> str:
    if file is not None and variable is not None:
        raise InvalidInput([Problem("--key-file", "cannot be combined with --key-env")])
    if variable is not None:
        return _variable(variable)
    if file == "-":
        return sys.stdin.readline().strip()
    if file is not None:
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as exc:
            raise InvalidInput([Problem("--key-file", f"{file} cannot be read: {exc}")]) from exc
    if not sys.stdin.isatty():
        raise InvalidInput([Problem("api_key", "is needed; name its file with --key-file (-: standard input)")])
    return str(typer.prompt(f"Key of {name}", hide_input=True)).strip()


def _secrets(given: Sequence[str] | None) -> Mapping[str, str]:
    pairs = [text.partition("=") for text in given or ()]
    return checked_secrets({name: _variable(variable) for name, _, variable in pairs})


def _variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise InvalidInput([Problem(name, "is not set in the environment")])
