"""Decide how many jobs each account may start now and, if none, why. No other code decides this.

Schedulers ask with the accounts locked, so that two of them cannot fill one slot; people see the same answer.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from seedance.account import Account
from seedance.lanes import LANES, lanes_of, limits_apart, model_of
from storage.admission import circuit_breaker, model_limits
from storage.admission.accounts import lock_accounts
from storage.admission.circuit_breaker import WHOLE_ACCOUNT, Breaker, Cause
from storage.admission.model_limits import ModelLimit
from storage.admission.slot_limits import SlotLimit
from storage.admission.usage import Usage, read_usage, total
from storage.configuration.account_book import Serves
from storage.database import Connection
from storage.settings import Settings

log = logging.getLogger("reelq.admission")

Code = Literal[
    "account_paused",
    "removing",
    "suspended",
    "misrouted",
    "outage",
    "throttled",
    "model_closed",
    "probing",
    "slots_taken",
    "requests_per_minute",
]
_CODES: Mapping[str, Code] = {
    Cause.ACCOUNT: "suspended",
    Cause.ROUTE: "misrouted",
    Cause.OUTAGE: "outage",
    Cause.THROTTLED: "throttled",
    Cause.MODEL: "model_closed",
}


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an account, or one of its models, gets no job. `values` by code:

    suspended, misrouted, outage, throttled, model_closed, probing: `until`, `since`, `error`; slots_taken: `used`,
    `most`; requests_per_minute: `most`. Holds of a model also have `model`. account_paused and removing have none.
    """

    code: Code
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """The jobs that an account may start now: `slots` in total, and at most `most` of some models."""

    account: Account
    slots: int
    hold: Hold | None = None
    """Why there are no slots; None if there are some."""
    most: Mapping[str, int] = field(default_factory=dict)
    """The limit of each model that has one of its own."""
    model_holds: Mapping[str, Hold] = field(default_factory=dict)
    """By model: why it gets no job."""
    lanes: Sequence[str] = LANES
    """Every lane that a queued job can have."""
    half_open: frozenset[str] = frozenset()
    """Models, or the account as a whole (""), whose breaker is half open."""
    serves: Serves = field(default_factory=Serves)
    """The tenants whose jobs it may get."""

    def hold_of(self, lane: str) -> Hold | None:
        """Why this account gets no job of that lane now; None if it may get one."""
        if self.hold is not None:
            return self.hold
        return self.model_holds.get(model_of(self.account.dialect, lane) or "")


def grants(
    conn: Connection, settings: Settings, note: Callable[[int], None] = lambda _: None, *, models: bool = True
) -> list[Grant]:
    """The accounts that may submit now, in their configured order; they stay locked until the transaction ends.

    `note` gets the newest version of the accounts that was seen: those that have changed since the settings were read
    get no grant. `models`: also close the breakers of models that have recovered.
    """
    names = [account.name for account in settings.accounts if account.name not in settings.book.paused]
    if not names:
        return []
    found = lock_accounts(conn, names, settings.book.version)
    note(found.latest)
    locked = found.names
    if not locked:
        return []
    breakers = circuit_breaker.breakers(conn, sorted(locked))
    if any(not breaker.is_open for breaker in breakers.values()):
        for account, model in circuit_breaker.close_recovered(conn, sorted(locked), models=models):
            log.info(
                "account.recovered account=%s model=%s was=%s", account, model or "*", breakers[account, model].cause
            )
            del breakers[account, model]
    state = _State(conn, settings, breakers, learn=True, names=sorted(locked))
    granted = [state.grant(account) for account in settings.accounts if account.name in locked]
    return [grant for grant in granted if grant.slots > 0]


def survey(conn: Connection, settings: Settings) -> list[Grant]:
    """The grants of every account, for people to read: nothing is locked or changed."""
    return list(_State(conn, settings, circuit_breaker.breakers(conn)).all().values())


class _State:
    """All data that decides the grants of one moment, read once."""

    def __init__(
        self,
        conn: Connection,
        settings: Settings,
        breakers: Mapping[tuple[str, str], Breaker],
        *,
        learn: bool = False,
        names: Sequence[str] | None = None,
    ) -> None:
        self._conn = conn
        self._settings = settings
        self._breakers = breakers
        self._learn = learn
        self._limits = model_limits.model_limits(conn, names)
        self._models: defaultdict[str, set[str]] = defaultdict(set)
        for name, model in (*breakers, *self._limits):
            self._models[name].add(model)
        asked = [account for account in settings.accounts if names is None or account.name in names]
        paced = [account.name for account in asked if account.requests_per_minute is not None]
        apart = {
            (account.name, model)
            for account in asked
            for model, limits in limits_apart(account.dialect).items()
            if limits.requests_per_minute is not None
        }
        self._used = read_usage(conn, settings.unconfirmed_grace_seconds, names, paced, apart)
        named = {id(account.dialect): account.dialect.catalog.models for account in settings.accounts}
        self._lanes = _lanes_of(tuple(dict.fromkeys(name for models in named.values() for name in models)))

    def all(self) -> dict[str, Grant]:
        return {account.name: self.grant(account) for account in self._settings.accounts}

    def grant(self, account: Account) -> Grant:
        by_lane = self._used.slots.get(account.name, {})
        used = total(by_lane)
        slots, hold = self._slots(account, used)
        by_model = _by_model(account, by_lane)
        most: dict[str, int] = {}
        holds: dict[str, Hold] = {}
        half_open = set()
        for model in (self._models[account.name] | limits_apart(account.dialect).keys()) - {WHOLE_ACCOUNT}:
            in_use = by_model.get(model, Usage())
            most[model], why = self._model_slots(account, model, in_use)
            if why is not None:
                holds[model] = why
            if (breaker := self._breakers.get((account.name, model))) is not None and not breaker.is_open:
                half_open.add(model)
        own = self._breakers.get((account.name, WHOLE_ACCOUNT))
        if own is not None and not own.is_open:
            half_open.add(WHOLE_ACCOUNT)
        return Grant(
            account, slots, hold, most, holds, self._lanes, frozenset(half_open), self._settings.serves(account)
        )

    def _slots(self, account: Account, used: Usage) -> tuple[int, Hold | None]:
        """How many more jobs the account may start, over all models."""
        if account.name in self._settings.book.paused:
            return 0, Hold("removing" if account.name in self._settings.book.removing else "account_paused")
        breaker = self._breakers.get((account.name, WHOLE_ACCOUNT))
        if breaker is not None and breaker.is_open:
            return 0, _hold_of(breaker)
        started = self._used.started.get(account.name, 0)
        slots = free_slots(account, used, started)
        hold: Hold | None = Hold("slots_taken", {"used": used.in_flight, "most": account.max_in_flight})
        if slots < account.max_in_flight - used.in_flight:
            hold = Hold("requests_per_minute", {"most": account.requests_per_minute})
        if breaker is not None and breaker.probes - used.starting < slots:
            slots, hold = breaker.probes - used.starting, _hold_of(breaker, "probing")
        return (slots, None) if slots > 0 else (0, hold)

    def _model_slots(self, account: Account, model: str, used: Usage) -> tuple[int, Hold | None]:
        """How many more jobs of one model the account may start."""
        breaker = self._breakers.get((account.name, model))
        known = self._limits.get((account.name, model))
        limit = SlotLimit() if known is None else known.limit
        if self._learn:
            limit = self._learnt(account, model, known, used)
        allowed = limit.allowed(configured_limit(account, model))
        if breaker is not None and breaker.is_open:
            return 0, _hold_of(breaker)
        slots, hold = allowed - used.in_flight, Hold("slots_taken", {"used": used.in_flight, "most": allowed})
        apart = limits_apart(account.dialect).get(model)
        if apart is not None and apart.requests_per_minute is not None:
            left = apart.requests_per_minute - self._used.started_of.get((account.name, model), 0) - used.claimed
            if left < slots:
                slots, hold = left, Hold("requests_per_minute", {"most": apart.requests_per_minute})
        if breaker is not None and breaker.probes - used.starting < slots:
            slots, hold = breaker.probes - used.starting, _hold_of(breaker, "probing")
        hold = Hold(hold.code, {**hold.values, "model": model})
        return (slots, None) if slots > 0 else (0, hold)

    def _learnt(self, account: Account, model: str, known: ModelLimit | None, used: Usage) -> SlotLimit:
        """The slot limit of a model, updated by the refusals and the use since the last call."""
        before, configured = SlotLimit() if known is None else known.limit, configured_limit(account, model)
        limit = before if known is None else after_use(before, used, known.unchanged_s, configured)
        breaker = self._breakers.get((account.name, model))
        # While POSTs of the same moment are in progress, it is not known how many of them are refused.
        if breaker is not None and breaker.cause == Cause.THROTTLED and not breaker.judged and not used.starting:
            accepted, refused = circuit_breaker.burst_of(self._conn, account.name, model)
            circuit_breaker.note_judged(self._conn, account.name, model)
            # After more openings in a row with nothing accepted, the gateway counts requests, not generations.
            if breaker.openings <= 2 and limit.shows(used.generating - accepted, accepted, refused, breaker.openings):
                limit = limit.refused(used.generating, configured)
        if limit != before:
            model_limits.set_limit(self._conn, account.name, model, limit)
            lowered = limit.allowed(configured) < before.allowed(configured)
            log.log(
                logging.WARNING if lowered else logging.INFO,
                "account.limit_%s account=%s model=%s from=%d to=%d configured=%d",
                *("lowered" if lowered else "raised", account.name, model),
                *(before.allowed(configured), limit.allowed(configured), configured),
            )
        return limit


@lru_cache(maxsize=64)
def _lanes_of(names: tuple[str, ...]) -> Sequence[str]:
    return lanes_of(names)


def free_slots(account: Account, used: Usage, started: int) -> int:
    """How many more jobs an account may start by its configuration.

    `started` counts the POSTs begun in the last minute; claimed jobs are about to begin theirs.
    """
    slots = account.max_in_flight - used.in_flight
    if account.requests_per_minute is not None:
        slots = min(slots, account.requests_per_minute - started - used.claimed)
    return slots


def configured_limit(account: Account, model: str) -> int:
    """How many jobs of a model an account may run at once by its configuration and the published limit, if the model
    is counted apart."""
    apart = limits_apart(account.dialect).get(model)
    most = None if apart is None else apart.concurrent
    return account.max_in_flight if most is None else min(most, account.max_in_flight)


def after_use(limit: SlotLimit, used: Usage, unchanged_s: float, configured: int) -> SlotLimit:
    """The limit of a model after its use: at least the number of accepted jobs, and raised if all slots have been in
    use for a while."""
    if limit.slots is None:
        return limit
    limit = limit.at_least(used.generating, configured)
    full = used.in_flight >= limit.allowed(configured)
    return limit.raised(configured) if full and unchanged_s > limit.quiet_s else limit


def _by_model(account: Account, by_lane: Mapping[str, Usage]) -> dict[str, Usage]:
    by_model: dict[str, Usage] = {}
    for lane, usage in by_lane.items():
        model = model_of(account.dialect, lane)
        by_model[model or ""] = by_model.get(model or "", Usage()) + usage
    return by_model


def code_of(breaker: Breaker) -> Code:
    """The code of an open or half-open breaker."""
    return _CODES[breaker.cause]


def _hold_of(breaker: Breaker, code: Code | None = None) -> Hold:
    values: dict[str, Any] = {"until": breaker.open_until, "since": breaker.since, "error": breaker.error}
    if breaker.model != WHOLE_ACCOUNT:
        values["model"] = breaker.model
    return Hold(code or code_of(breaker), values)
