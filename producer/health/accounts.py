"""Checks of the accounts: what the database knows of them, and one free call with each key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

from producer.health.findings import Finding, Level, bad, good, warn
from producer.intake.routing import require_accounts
from producer.operator_actions.account_status import OK, account_statuses
from seedance.account import Account
from seedance.client import GatewayClient, base_url_of
from seedance.errors import AccountProblem, GatewayError, NotSent, Throttled, Unavailable
from seedance.network.outbound import Outbound
from seedance.problems import InvalidInput
from storage.admission.circuit_breaker import WHOLE_ACCOUNT, breakers
from storage.admission.grants import code_of
from storage.database import Connection
from storage.settings import Settings

CALL_S = 8.0
STATES = {
    "suspended": (Level.BAD, "account_suspended", "top up the account or replace its key"),
    "misrouted": (Level.BAD, "account_misrouted", "correct its base_url"),
    "outage": (Level.BAD, "account_outage", "see the gateway's status page, and the network and proxy of the workers"),
    "model_closed": (Level.WARN, "model_closed", "let the gateway open the model for this key, or name another"),
    "paused": (Level.WARN, "account_paused", "a person paused it"),
    "removing": (Level.WARN, "account_paused", "a person removed it, and its last tasks are ending"),
}
"""What a state of an account or a model means: how bad, the row of docs/doctor.md, and what to do."""


def check_any(settings: Settings) -> Iterator[Finding]:
    """Whether there is any account that can be used."""
    try:
        require_accounts(settings)
    except InvalidInput as exc:
        yield bad("accounts", str(exc), "no_accounts")


def check_states(conn: Connection, settings: Settings) -> Iterator[Finding]:
    """The accounts that the database knows to be unusable at the moment: refused, out of credit, paused."""
    for name, why in settings.book.unusable.items():
        yield bad(f"account {name}", why, "account_sealed" if "decrypted" in why else "account_unusable")
    for status in account_statuses(conn, settings):
        yield from _state(status, status["name"], status["state"], status["suspended_since"], status["error"])
        for model in status["models"]:
            if model["state"] == "model_closed":
                what = f"{model['model']} of {status['name']}"
                yield from _state(status, what, model["state"], model["since"], model["error"])


def _state(
    status: dict[str, Any], what: str, state: str, since: Any, error: dict[str, Any] | None
) -> Iterator[Finding]:
    if state == OK or state not in STATES:
        return
    level, code, advice = STATES[state]
    when = f" since {since:%Y-%m-%d %H:%M} UTC" if since is not None else ""
    why = f" ({error['message']})" if error and error.get("message") else ""
    resume = "" if state == "removing" else f", then run `reelq accounts resume {status['name']}`"
    yield Finding(f"account {status['name']}", level, f"{what} is {state}{when}{why}; {advice}{resume}", code)


def some_shared_stopped(conn: Connection, settings: Settings) -> bool:
    """Whether an account that serves every tenant cannot take jobs at the moment. Cheap: it counts no slots."""
    stopped = {
        breaker.account
        for breaker in breakers(conn).values()
        if breaker.model == WHOLE_ACCOUNT and code_of(breaker) in STATES
    }
    stopped |= settings.book.paused
    return any(account.shared and account.name in stopped for account in settings.accounts)


def check_gateways(settings: Settings, accounts: Iterable[Account]) -> list[Finding]:
    """One free call with each key, all at once: whether each gateway is reached and takes the key. Costs nothing."""

    async def run() -> list[Finding]:
        outbound = settings.outbound()
        return await asyncio.gather(*(_call(account, outbound) for account in accounts))

    return asyncio.run(run())


async def _call(account: Account, outbound: Outbound) -> Finding:
    part = f"gateway {account.name}"
    where = base_url_of(account, account.dialect)
    way = outbound.describe(where)
    client = GatewayClient(
        account, account.dialect, submit_timeout_s=CALL_S, query_timeout_s=CALL_S, outbound=outbound, max_connections=1
    )
    async with client:
        try:
            await client.check_key()
        except AccountProblem as exc:
            advice = f"replace it with `reelq accounts rekey {account.name}`, or correct the configuration, or top up"
            return bad(part, f"the gateway refuses the key: {exc}; {advice}", "gateway_key")
        except NotSent as exc:
            advice = "check base_url, DNS, proxy and firewall of this host"
            return bad(part, f"{where} cannot be reached {way}: {exc}; {advice}", "gateway_unreachable")
        except Throttled:
            return good(part, "answers: busy at the moment")
        except Unavailable as exc:
            return warn(part, f"{where} does not answer a free call: {exc}; try again later", "gateway_fails")
        except GatewayError as exc:
            text = f"{where} does not answer as {account.gateway} does, so the key is not proven: {exc}"
            return warn(part, f"{text}; check base_url", "gateway_elsewhere")
    return good(part, f"answers {way} and takes the key")
