"""How many jobs each account may be given now. The rows are the count: no locks and no counters elsewhere.

An account's row stays locked from the count to the end of the claim, so that two schedulers cannot both fill a slot.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from seedance.account import Account
from storage.admission import accounts, fair_share, throttling
from storage.admission.slot_limits import SlotLimit
from storage.admission.usage import LockedAccount, Usage, lock_accounts, slots_in_use, started_last_minute
from storage.database import Connection
from storage.leases import Claimed
from storage.settings import Settings

log = logging.getLogger("reelq.admission")

SUBMIT_BATCH = 50
# For so long an unconfirmed job counts as one that generates. Not for the whole grace: a burst of lost answers would
# stop the account, and if their tasks do run, the gateway says "too many" by itself.
UNCONFIRMED_SLOT_S = 120.0
FAILED_BEFORE = (
    "account_problem",
    "model_problem",
    "not_sent",
    "not_served",
    "input_not_ready",
    "gateway_unavailable",
    "throttled",
)


@dataclass(frozen=True, slots=True)
class Grant:
    """An account may be given so many more jobs now."""

    account: Account
    slots: int
    probing: bool = False
    """It was left alone, and no job has been accepted since."""
    mixed: bool = False
    """It has refused jobs lately, and is sent such as it refused and others."""


def grants(conn: Connection, settings: Settings) -> list[Grant]:
    """The accounts that may submit now, in their configured order; they stay locked until the transaction ends."""
    limits = {account.name: account.max_in_flight for account in settings.accounts}
    locked = lock_accounts(conn, limits) if limits else {}
    if not locked:
        return []
    young_s = min(settings.unconfirmed_grace_seconds, UNCONFIRMED_SLOT_S)
    used = slots_in_use(conn, list(locked), young_s)
    paced = any(account.requests_per_minute is not None for account in settings.accounts)
    started = started_last_minute(conn) if paced else {}
    found = []
    for account in settings.accounts:
        if account.name in locked:
            in_use = used.get(account.name, Usage(account.name))
            state = _learn(conn, account, locked[account.name], in_use)
            slots = free_slots(account, state, in_use, started.get(account.name, 0))
            if slots > 0:
                probing = state.probes(account.max_in_flight) is not None
                found.append(Grant(account, slots, probing, probing or state.refused_lately))
    return found


def claim_for(conn: Connection, grant: Grant, limit: int, lease_s: float) -> list[Claimed]:
    """Lease up to so many jobs for a grant. Of an account that has refused jobs lately half are such as have
    failed before, and half have not: neither those that fail by their own fault nor those that all fail at first must
    keep it from the others."""
    account = grant.account
    limit, tiers = min(limit, grant.slots), account.tiers if account.models else None

    def claim(most: int, **of: Sequence[str]) -> list[Claimed]:
        return fair_share.claim_submits(conn, account.name, account.gateway, most, lease_s, tiers, **of) if most else []

    if not grant.mixed:
        return claim(limit)
    claimed = claim(limit // 2 if grant.probing else (limit + 1) // 2, only=FAILED_BEFORE)
    claimed += claim(limit - len(claimed), besides=FAILED_BEFORE)
    return claimed + claim(limit - len(claimed))


def free_slots(account: Account, state: LockedAccount, used: Usage, started: int) -> int:
    """How many more jobs an account takes. After a rest or a refusal these are few, until one is accepted.

    `started` counts the POSTs begun in the last minute; those that are claimed are about to begin.
    """
    slots = state.limit.allowed(account.max_in_flight) - used.in_flight
    if account.requests_per_minute is not None:
        slots = min(slots, account.requests_per_minute - started - used.claimed)
    if (probes := state.probes(account.max_in_flight)) is not None:
        slots = min(slots, probes - used.starting)
    return max(slots, 0)


def learnt(limit: SlotLimit, used: Usage, unchanged_s: float, configured: int) -> SlotLimit:
    """What an account's use tells of its limit: it is no lower than what was accepted, and where all of it has been in
    use for a while, some more is tried."""
    if limit.slots is None:
        return limit
    limit = limit.at_least(used.generating, configured)
    full = used.in_flight >= limit.allowed(configured)
    return limit.raised(configured) if full and unchanged_s > limit.quiet_s else limit


def _learn(conn: Connection, account: Account, state: LockedAccount, used: Usage) -> LockedAccount:
    """What became of the account meanwhile: a probe that was accepted, a limit that may grow."""
    suspended, throttles, most = state.suspended, state.throttles, account.max_in_flight
    if suspended and accounts.end_suspension(conn, account.name):
        log.info("account.returned account=%s", account.name)
        suspended = False
    if throttles and throttling.end(conn, account.name):
        throttles = 0
    limit = learnt(state.limit, used, state.unchanged_s, most)
    if limit != state.limit:
        throttling.set_limit(conn, account.name, limit)
        log.info("account.limit_raised account=%s limit=%d configured=%d", account.name, limit.allowed(most), most)
    return replace(state, suspended=suspended, throttles=throttles, limit=limit)
