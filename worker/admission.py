"""How many jobs each account may be given now. The rows are the count: no locks and no counters elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seedance.account import Account
from storage import accounts, jobs
from storage.database import Connection
from storage.settings import Settings

SUBMIT_BATCH = 50


@dataclass(frozen=True, slots=True)
class Grant:
    """An account may be given so many more jobs now."""

    account: Account
    slots: int


def grants(conn: Connection, settings: Settings) -> list[Grant]:
    """The accounts that may submit now, in their configured order."""
    states = accounts.states(conn)
    in_flight = jobs.in_flight(conn, settings.unconfirmed_grace_seconds)
    paced = any(account.requests_per_minute is not None for account in settings.accounts)
    started = jobs.started_last_minute(conn) if paced else {}
    found = []
    for account in settings.accounts:
        slots = free_slots(account, states.get(account.name), in_flight, started)
        if slots > 0:
            found.append(Grant(account, slots))
    return found


def free_slots(
    account: Account, state: Mapping[str, Any] | None, in_flight: Mapping[str, int], started: Mapping[str, int]
) -> int:
    """How many more jobs an account takes: none while it is suspended or throttled, one as a probe after that."""
    if state is not None and (state["suspended"] or state["throttled"]):
        return 0
    slots = account.max_in_flight - in_flight.get(account.name, 0)
    if account.requests_per_minute is not None:
        slots = min(slots, account.requests_per_minute - started.get(account.name, 0))
    if state is not None and state["suspended_until"] is not None:
        slots = min(slots, 1)
    return max(slots, 0)
