"""`reelq doctor`: one line per part of the system, and what to do about those that do not work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import typer
from rich.text import Text

from producer.cli.setup.store_proof import prove_store
from producer.cli.shared.data_dir import directory
from producer.cli.shared.failures import explain
from producer.cli.shared.money import estimate_line
from producer.cli.shared.options import AsJson, DataDir
from producer.cli.shared.output import print_json
from producer.cli.shared.terminal import console
from producer.intake.estimates import example_of
from producer.intake.routing import require_accounts
from seedance.account import Account
from seedance.client import base_url_of
from seedance.problems import InvalidInput
from storage import broker, heartbeats
from storage.accounts.live import with_accounts
from storage.broker import BrokerUnavailable
from storage.database import DatabaseUnavailable, connect, current_revision, newest_revision
from storage.journal.state import read_state
from storage.settings import STACK_FILE, Settings, config_path, load_settings, read_stack
from storage.settings import data_dir as default_dir

FRESH_S = 60.0
PARTS = {
    "scheduler": "celery -A worker beat",
    "submit": "celery -A worker worker -Q submit,poll,notify",
    "poll": "celery -A worker worker -Q submit,poll,notify",
    "transfer": "celery -A worker worker -Q transfer",
    "notify": "celery -A worker worker -Q submit,poll,notify",
}
Finding = tuple[str, bool, str]
"""A part, whether it works, and its state or what to do."""


def doctor(ctx: typer.Context, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Check the configuration and every part of the system. Exit code 2 if one does not work."""
    findings = list(examine(directory(ctx, data_dir)))
    if as_json:
        print_json([{"part": part, "ok": ok, "message": message} for part, ok, message in findings])
    else:
        out = console()
        width = max(len(part) for part, _, _ in findings) + 2
        for part, ok, message in findings:
            mark = ("ok  ", "green") if ok else ("BAD ", "bold red")
            out.print(Text.assemble(mark, (f"{part:<{width}}", "bold"), message), soft_wrap=True)
    if not all(ok for _, ok, _ in findings):
        raise typer.Exit(2)


def examine(data_dir: Path | None) -> Iterator[Finding]:
    """Every part, in the order they are needed."""
    try:
        settings = load_settings(data_dir)
    except Exception as exc:  # noqa: BLE001 - a finding, whatever it is
        yield "configuration", False, explain(exc, data_dir)[0]
        return
    yield "configuration", True, _source(data_dir)
    yield from _accounts(settings)
    checks: dict[str, Callable[[Settings], tuple[bool, str]]] = {
        "database": _database,
        "broker": _broker,
        "bucket": prove_store,
    }
    for bucket in sorted(set(settings.s3_tenant_buckets.values()) - {settings.s3_bucket}):
        checks[f"bucket {bucket}"] = partial(_bucket_of_tenants, bucket)
    works = {}
    for part, check in checks.items():
        try:
            ok, message = check(settings)
        except Exception as exc:  # noqa: BLE001 - as above
            works[part] = False
            yield part, False, explain(exc, data_dir)[0]
        else:
            works[part] = ok
            yield part, ok, message
    if works["database"]:
        yield from _stored_accounts(settings)
        yield from _heartbeats(settings)
        yield from _journal(settings)


def _source(data_dir: Path | None) -> str:
    place = default_dir(data_dir)
    stack = read_stack(place)
    path = config_path(stack=stack)
    found = [str(path)] if path else []
    if stack:
        found.append(str(place / STACK_FILE))
    return f"from {' and '.join([*found, 'the environment'])}"


def _accounts(settings: Settings) -> Iterator[Finding]:
    if settings.database_url is None:
        yield from _some(settings)
    for account in settings.accounts:
        try:
            account.key()
        except InvalidInput as exc:
            yield f"account {account.name}", False, str(exc)
        else:
            where = f" at {account.base_url}" if account.base_url else ""
            way = settings.outbound().describe(base_url_of(account, account.dialect))
            said = f"{account.gateway}{where}, {account.max_in_flight} at once, {way}; {_price(account)}"
            yield f"account {account.name}", True, said


def _some(settings: Settings) -> Iterator[Finding]:
    try:
        require_accounts(settings.accounts)
    except InvalidInput as exc:
        yield "accounts", False, str(exc)


def _stored_accounts(settings: Settings) -> Iterator[Finding]:
    try:
        with connect(settings.require_database_url()) as conn:
            found = with_accounts(conn, settings)
    except DatabaseUnavailable as exc:
        yield "accounts of the database", False, str(exc)
        return
    yield from _some(found)
    for name, why in found.book.unusable.items():
        yield f"account {name}", False, why
    configured = {account.name for account in settings.accounts}
    for account in found.book.accounts:
        if account.name in configured:
            hidden = "the database has one with this name too, which is not used; remove one of the two"
            yield f"account {account.name}", False, hidden
        else:
            whose = f" for {', '.join(account.tenants)}" if account.tenants else ""
            yield f"account {account.name}", True, f"{account.gateway}{whose}, kept in the database; {_price(account)}"


def _price(account: Account) -> str:
    found = example_of(account) if account.tiers else None
    if found is None:
        return "no price is known, so jobs with a budget wait; set its `rates`"
    return f"5 s of {found['model']}: {estimate_line(found | {'account': None})}"


def _database(settings: Settings) -> tuple[bool, str]:
    with connect(settings.require_database_url()) as conn:
        found, newest = current_revision(conn), newest_revision()
        row = conn.execute("SELECT current_schema(), current_setting('server_version')").fetchone()
    if found != newest:
        raise DatabaseUnavailable(f"the schema is {found or 'empty'}, not {newest}; run `reelq db upgrade`")
    schema, version = row or ("", "")
    return True, f"answers, revision {found} in schema {schema}, PostgreSQL {version}"


def _bucket_of_tenants(bucket: str, settings: Settings) -> tuple[bool, str]:
    return prove_store(settings.model_copy(update={"s3_bucket": bucket}))


def _broker(settings: Settings) -> tuple[bool, str]:
    target = settings.require_broker()
    client = broker.client(target, broker.PROBE_S)
    try:
        found = broker.check(client, target)
    except BrokerUnavailable as exc:
        raise OSError(0, f"{exc}; start `reelq up`, or check REELQ_BROKER_URL or broker_url in reelq.toml") from exc
    finally:
        client.close()
    return True, f"answers, {found}" if found else "answers"


def _journal(settings: Settings) -> Iterator[Finding]:
    """The record in the bucket that a restored database is compared with."""
    with connect(settings.require_database_url()) as conn:
        found = read_state(conn)
    if found.hold is not None:
        yield "journal", False, f"nothing is submitted: {found.hold['message']}"
    elif found.problem is not None:  # a missing right is a choice, like that to delete
        yield "journal", found.problem["code"] == "not_listed", found.problem["message"]
    elif found.behind:
        behind = "submits are not written down before they are made, so a restore would repeat them"
        yield "journal", False, f"{behind}: {found.behind_error}"
    else:
        agrees = "not compared yet" if found.through is None else f"agrees until {found.through:%Y-%m-%d %H:%M:%S} UTC"
        yield "journal", True, f"in {found.place}, {agrees}" if found.place else agrees


def _heartbeats(settings: Settings) -> Iterator[Finding]:
    with connect(settings.require_database_url()) as conn:
        fresh = heartbeats.fresh_components(conn, FRESH_S)
    for part, command in PARTS.items():
        seen = part in fresh
        hint = f"not seen for {FRESH_S:.0f} s; start `reelq up` or `{command}`"
        yield part, seen, "running" if seen else hint
