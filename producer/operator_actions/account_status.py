"""The status of each configured account: limits, health and use, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from seedance.account import Account
from seedance.lanes import model_of
from storage.admission import circuit_breaker, model_limits
from storage.admission.circuit_breaker import WHOLE_ACCOUNT, Breaker
from storage.admission.grants import code_of, configured_limit
from storage.admission.model_limits import ModelLimit
from storage.admission.slot_limits import SlotLimit
from storage.admission.usage import Usage, slots_in_use, total
from storage.database import Connection
from storage.settings import Settings

OK = "ok"
_PAUSED = ("suspended", "misrouted", "outage")


def account_statuses(conn: Connection, settings: Settings) -> list[dict[str, Any]]:
    """Every account in the order in which they are tried, with its models that are not ok or have a lowered limit.

    `state` is ok, suspended (key, permission or credit refused), misrouted (`base_url` does not lead to the gateway's
    API), outage or throttled, paused by a person, or removing (deleted when its last task has ended); for a model also
    model_closed. `error` says why; None if ok.
    """
    breakers = circuit_breaker.breakers(conn)
    limits = model_limits.model_limits(conn)
    used = slots_in_use(conn, settings.unconfirmed_grace_seconds)
    return [
        _account(account, breakers, limits, used.get(account.name, {})) | _standing(settings, account)
        for account in settings.accounts
    ]


def _standing(settings: Settings, account: Account) -> dict[str, Any]:
    """Whose it is, where it is kept, and whether a person has paused it."""
    found: dict[str, Any] = {
        "tenants": None if account.tenants is None else list(account.tenants),
        "kept_in": "configuration" if account.key_id is None else "database",
    }
    if account.name in settings.book.paused:
        found["state"] = "removing" if account.name in settings.book.removing else "paused"
    return found


def _account(
    account: Account,
    breakers: Mapping[tuple[str, str], Breaker],
    limits: Mapping[tuple[str, str], ModelLimit],
    by_lane: dict[str, Usage],
) -> dict[str, Any]:
    own = breakers.get((account.name, WHOLE_ACCOUNT))
    models = _models(account, breakers, limits, by_lane)
    in_use = [model for model in models if model["in_flight"] or model["state"] != OK]
    state = OK if own is None else code_of(own)
    throttled = [model for model in in_use if model["state"] == "throttled"]
    if own is None and throttled and len(throttled) == len(in_use):
        state = "throttled"
    lowered = [model for model in in_use if model["limit_since"] is not None]
    all_lowered = lowered and len(lowered) == len(in_use)
    paused = own is not None and state in _PAUSED
    return {
        "name": account.name,
        "gateway": account.gateway,
        "base_url": _without_password(account.base_url or account.dialect.default_base_url),
        "max_in_flight": account.max_in_flight,
        "requests_per_minute": account.requests_per_minute,
        "limit_now": min(sum(model["limit_now"] for model in lowered), account.max_in_flight)
        if all_lowered
        else account.max_in_flight,
        "limit_since": max(model["limit_since"] for model in lowered) if all_lowered else None,
        "in_flight": total(by_lane).in_flight,
        "state": state,
        "suspended_until": own.open_until if own is not None and paused else None,
        "suspended_since": own.since if own is not None and paused else None,
        "throttled_until": max((model["until"] for model in throttled), default=None if own is None else own.open_until)
        if state == "throttled"
        else None,
        "error": own.error if own is not None and paused else None,
        "models": [model for model in models if model["state"] != OK or model["limit_since"] is not None],
    }


def _models(
    account: Account,
    breakers: Mapping[tuple[str, str], Breaker],
    limits: Mapping[tuple[str, str], ModelLimit],
    by_lane: Mapping[str, Usage],
) -> list[dict[str, Any]]:
    used: dict[str, Usage] = {}
    for lane, usage in by_lane.items():
        if (model := model_of(account.dialect, lane)) is not None:
            used[model] = used.get(model, Usage()) + usage
    known = {model for name, model in (*breakers, *limits) if name == account.name and model != WHOLE_ACCOUNT}
    rows = []
    for model in sorted(known | set(used)):
        breaker, limit = breakers.get((account.name, model)), limits.get((account.name, model))
        rows.append(
            {
                "model": model,
                "in_flight": used.get(model, Usage()).in_flight,
                "limit_now": (SlotLimit() if limit is None else limit.limit).allowed(configured_limit(account, model)),
                "limit_since": None if limit is None else limit.since,
                "state": OK if breaker is None else code_of(breaker),
                "until": None if breaker is None else breaker.open_until,
                "since": None if breaker is None else breaker.since,
                "error": None if breaker is None else breaker.error,
            }
        )
    return rows


def _without_password(url: str | None) -> str | None:
    parts = urlsplit(url or "")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if url else None
