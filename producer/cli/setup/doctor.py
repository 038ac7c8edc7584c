"""`reelq doctor`: one line per part of the system, the worst first, and what to do about those that do not work."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.text import Text

from producer.cli.login.stored import api_of
from producer.cli.shared.data_dir import directory
from producer.cli.shared.failures import explain
from producer.cli.shared.money import estimate_line
from producer.cli.shared.options import AsJson, DataDir
from producer.cli.shared.output import print_json
from producer.cli.shared.terminal import console
from producer.health.accounts import check_any, check_gateways, check_states
from producer.health.findings import Finding, Level, bad, good, warn, worst_first
from producer.health.journal import check_journal
from producer.health.servers import check_broker, check_database
from producer.health.store_proof import prove_store
from producer.health.surroundings import check_disk, check_public_url, check_variables
from producer.health.together import Check, run_together
from producer.health.work import check_counts, check_links, check_parts, check_webhooks
from producer.intake.estimates import example_of
from seedance.account import Account
from seedance.client import base_url_of
from seedance.problems import InvalidInput
from storage import broker
from storage.accounts.live import with_accounts
from storage.database import Limits, connect, limit
from storage.faults import Fault
from storage.settings import STACK_FILE, Settings, config_path, load_settings, read_stack
from storage.settings import data_dir as default_dir

FRESH_S = 60.0
LIMIT_S = 25.0
_LIMITS = Limits(lock_s=3.0, statement_s=5.0)
_MARKS = {
    Level.BAD: ("BAD  ", "bold red"),
    Level.WARN: ("WARN ", "bold yellow"),
    Level.SKIPPED: ("-    ", "dim"),
    Level.OK: ("ok   ", "green"),
}


def doctor(
    ctx: typer.Context,
    data_dir: DataDir = None,
    gateways: Annotated[
        bool, typer.Option("--gateways/--no-gateways", help="Send one free call with the key of each account.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Check the configuration and every part of the system. The worst comes first. Exit code 2 if a part does not work,
    0 if there are only warnings. docs/doctor.md says what each line means and what to do.
    """
    findings = worst_first(examine(directory(ctx, data_dir), gateways=gateways))
    if as_json:
        print_json([_as_json(finding) for finding in findings])
    else:
        out = console()
        width = max(len(finding.part) for finding in findings) + 2
        for finding in findings:
            mark = _MARKS[finding.level]
            out.print(Text.assemble(mark, (f"{finding.part:<{width}}", "bold"), finding.message), soft_wrap=True)
    if any(finding.level is Level.BAD for finding in findings):
        raise typer.Exit(2)


def _as_json(finding: Finding) -> dict[str, object]:
    return {
        "part": finding.part,
        "ok": finding.level is not Level.BAD,
        "level": finding.level.value,
        "code": finding.code,
        "message": finding.message,
    }


def examine(data_dir: Path | None, *, gateways: bool = True) -> list[Finding]:
    """Every part, all at the same time. Ends within `LIMIT_S`, whatever hangs."""
    try:
        settings = load_settings(data_dir)
    except Exception as exc:  # noqa: BLE001 - a finding, whatever it is
        return [bad("configuration", explain(exc, data_dir)[0], "configuration")]
    findings = [good("configuration", _source(data_dir)), *check_variables(os.environ, settings), *_elsewhere(data_dir)]
    checks = checks_of(settings, default_dir(data_dir), gateways=gateways)
    return findings + run_together(checks, LIMIT_S, partial(explained, data_dir))


def checks_of(settings: Settings, directory: Path, *, gateways: bool) -> dict[str, Check]:
    """The checks by their parts. `directory`: that of the local stack, if there is one."""
    checks: dict[str, Check] = {
        "accounts": partial(_configured, settings, gateways=gateways),
        "database": partial(_database, settings, gateways=gateways),
        "broker": partial(_broker, settings),
        "bucket": partial(_bucket, settings, settings.s3_bucket, "bucket"),
    }
    for bucket in settings.buckets[1:]:
        checks[f"bucket {bucket}"] = partial(_bucket, settings, bucket, f"bucket {bucket}")
    checks["public_url"] = partial(check_public_url, settings)
    checks["disk"] = partial(check_disk, directory)
    return checks


def explained(data_dir: Path | None, part: str, exc: BaseException) -> Finding:
    """The finding for a check that ended with an exception."""
    code = exc.code if isinstance(exc, Fault) else "configuration" if isinstance(exc, InvalidInput) else "check_failed"
    return bad(part, explain(exc, data_dir)[0], code)


def _elsewhere(data_dir: Path | None) -> Iterator[Finding]:
    """That other commands use an API, which is not what is checked here."""
    try:
        api = api_of(data_dir)
    except InvalidInput as exc:
        yield warn("api", explain(exc, data_dir)[0], "checked_elsewhere")
        return
    if api is not None:
        host = urlsplit(api.url).netloc.rpartition("@")[2]  # without a password
        message = f"other commands use the API at {host}, and doctor checks this machine only"
        yield warn("api", f"{message}; open its /readyz, or run doctor on the server", "checked_elsewhere")


def _source(data_dir: Path | None) -> str:
    place = default_dir(data_dir)
    stack = read_stack(place)
    path = config_path(stack=stack)
    found = [str(path)] if path else []
    if stack:
        found.append(str(place / STACK_FILE))
    return f"from {' and '.join([*found, 'the environment'])}"


def _configured(settings: Settings, *, gateways: bool) -> Iterator[Finding]:
    """The accounts of the configuration."""
    if settings.database_url is None:
        yield from check_any(settings)
    usable = []
    for account in settings.accounts:
        try:
            account.key()
            account.user()
            account.callback_secret()
        except InvalidInput as exc:
            yield bad(f"account {account.name}", str(exc), "account_without_key")
        else:
            usable.append(account)
            where = f" at {account.base_url}" if account.base_url else ""
            way = settings.outbound().describe(base_url_of(account, account.dialect))
            said = f"{account.gateway}{where}, {account.max_in_flight} at once, {way}; {_price(account)}"
            yield good(f"account {account.name}", said)
    if not gateways:
        return
    if settings.database_url is None:  # a file that is being written: its proxy and its keys may not be final
        for account in usable:
            later = "not asked: no database is set; run doctor again while `reelq up` runs"
            yield Finding(f"gateway {account.name}", Level.SKIPPED, later, "gateway_not_asked")
    else:
        yield from check_gateways(settings, usable)


def _price(account: Account) -> str:
    found = example_of(account) if account.tiers else None
    if found is None:
        return "no price is known, so jobs with a budget wait; set its `rates`"
    return f"5 s of {found['model']}: {estimate_line(found | {'account': None})}"


def _database(settings: Settings, *, gateways: bool) -> Iterator[Finding]:
    """The database, and everything that it knows: the parts that move jobs, accounts, links, webhooks."""
    with connect(settings.require_database_url(), "reelq doctor") as conn:
        limit(conn, _LIMITS)
        yield from check_database(conn)
        yield from check_parts(conn, FRESH_S)
        yield from check_journal(conn)
        yield from check_links(conn)
        yield from check_webhooks(conn)
        yield from check_counts(conn)
        found = with_accounts(conn, settings)
        yield from check_any(found)
        yield from check_states(conn, found)
    stored = list(_stored(settings, found))
    yield from (finding for finding, _ in stored)
    if gateways:
        yield from check_gateways(settings, [account for _, account in stored if account is not None])


def _stored(settings: Settings, found: Settings) -> Iterator[tuple[Finding, Account | None]]:
    """The accounts that the database keeps; None for one that is not used."""
    configured = {account.name for account in settings.accounts}
    for account in found.book.accounts:
        if account.name in configured:
            hidden = "the database has one with this name too, which is not used; remove one of the two"
            yield bad(f"account {account.name}", hidden, "account_hidden"), None
        else:
            whose = f" for {', '.join(account.tenants)}" if account.tenants else ""
            said = f"{account.gateway}{whose}, kept in the database; {_price(account)}"
            yield good(f"account {account.name}", said), account


def _broker(settings: Settings) -> Iterable[Finding]:
    target = settings.require_broker()
    client = broker.client(target, broker.PROBE_S)
    try:
        return list(check_broker(client, target))
    finally:
        client.close()


def _bucket(settings: Settings, bucket: str, part: str) -> Iterator[Finding]:
    shared = bucket == settings.s3_bucket
    proof = prove_store(settings.model_copy(update={"s3_bucket": bucket}), journal=shared)
    if not proof.ok:
        yield bad(part, proof.message, proof.code or "store_refuses")
    elif proof.code is not None:
        yield warn(part, proof.message, proof.code)
    else:
        yield good(part, proof.message)
