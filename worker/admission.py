"""How many jobs each account may be given now. The rows are the count: no locks and no counters elsewhere.

An account's row stays locked from the count to the end of the claim, so that two schedulers cannot both fill a slot.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from seedance.account import Account
from storage import accounts, admission, jobs
from storage.admission import LockedAccount, Usage
from storage.database import Connection
from storage.records import Claimed
from storage.settings import Settings

log = logging.getLogger("reelq.admission")

SUBMIT_BATCH = 50
# A limit that "too many" has halved grows back by a tenth of what is configured, at least one, for every so long
# without a change: another 429 costs nothing, an unused slot costs time.
GROW_AFTER_S, GROW_SHARE = 4.0, 10
# For so long an unconfirmed job counts as one that generates. Not for the whole grace: a burst of lost answers would
# stop the account, and if their tasks do run, the gateway says "too many" by itself.
UNCONFIRMED_SLOT_S = 120.0
FAILED_BEFORE = ("account_problem", "not_sent", "gateway_unavailable")


@dataclass(frozen=True, slots=True)
class Grant:
    """An account may be given so many more jobs now."""

    account: Account
    slots: int
    probing: bool = False
    """It has rested, and no job has been accepted since."""


def grants(conn: Connection, settings: Settings) -> list[Grant]:
    """The accounts that may submit now, in their configured order; they stay locked until the transaction ends."""
    limits = {account.name: account.max_in_flight for account in settings.accounts}
    locked = admission.lock_accounts(conn, limits, GROW_AFTER_S) if limits else {}
    if not locked:
        return []
    young_s = min(settings.unconfirmed_grace_seconds, UNCONFIRMED_SLOT_S)
    used = admission.usage(conn, list(locked), young_s)
    paced = any(account.requests_per_minute is not None for account in settings.accounts)
    started = jobs.started_last_minute(conn) if paced else {}
    found = []
    for account in settings.accounts:
        if account.name in locked:
            state = _learn(conn, account, locked[account.name])
            usage = used.get(account.name, Usage(account.name))
            slots = free_slots(account, state, usage, started.get(account.name, 0))
            if slots > 0:
                found.append(Grant(account, slots, state.probing))
    return found


def claim_for(conn: Connection, grant: Grant, limit: int, lease_s: float) -> list[Claimed]:
    """Lease up to so many jobs for a grant. An account that rested is tried with a job that has not failed so far, if
    there is one: one that fails by its own fault must not keep the account from the others."""
    account = grant.account
    limit, tiers = min(limit, grant.slots), account.tiers if account.models else None
    claimed: list[Claimed] = []
    if grant.probing:
        claimed = jobs.claim_submits(conn, account.name, account.gateway, limit, lease_s, tiers, FAILED_BEFORE)
    return claimed or jobs.claim_submits(conn, account.name, account.gateway, limit, lease_s, tiers)


def free_slots(account: Account, state: LockedAccount, used: Usage, started: int) -> int:
    """How many more jobs an account takes. After a suspension that is one at a time, until one is accepted.

    `started` counts the POSTs begun in the last minute; those that are claimed are about to begin.
    """
    limit = account.max_in_flight if state.slot_limit is None else min(state.slot_limit, account.max_in_flight)
    slots = limit - used.in_flight
    if account.requests_per_minute is not None:
        slots = min(slots, account.requests_per_minute - started - used.claimed)
    if state.probing:
        slots = min(slots, 1 - used.starting)
    return max(slots, 0)


def _learn(conn: Connection, account: Account, state: LockedAccount) -> LockedAccount:
    """What became of the account meanwhile: a probe that was accepted, a limit that may grow."""
    probing, slot_limit = state.probing, state.slot_limit
    if probing and accounts.end_suspension(conn, account.name):
        log.info("account.returned account=%s", account.name)
        probing = False
    if slot_limit is not None and state.quiet:
        step = max(1, account.max_in_flight // GROW_SHARE)
        slot_limit = accounts.grow_limit(conn, account.name, step)
        now = account.max_in_flight if slot_limit is None else slot_limit
        log.info("account.limit_raised account=%s limit=%d configured=%d", account.name, now, account.max_in_flight)
    return LockedAccount(account.name, probing, slot_limit, state.quiet)
