"""How many jobs each account and each of its models may run at once: by its configuration, and as learnt."""

from __future__ import annotations

from dataclasses import dataclass

from seedance.lanes import limits_apart
from storage.admission.circuit_breaker import WHOLE_ACCOUNT
from storage.admission.grants import configured_limit
from storage.admission.model_limits import model_limits
from storage.database import Connection
from storage.settings import Settings


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """By account and model; the model of a whole account is empty."""

    configured: dict[tuple[str, str], int]
    """Whole accounts, models that the gateway counts apart, and models with a learnt limit."""
    learnt: dict[tuple[str, str], int]
    """Models for which the gateway allows fewer than configured."""


def account_limits(conn: Connection, settings: Settings) -> AccountLimits:
    """The limits of all accounts that are configured now."""
    known = model_limits(conn)
    configured: dict[tuple[str, str], int] = {}
    learnt: dict[tuple[str, str], int] = {}
    for account in settings.accounts:
        configured[account.name, WHOLE_ACCOUNT] = account.max_in_flight
        of_account = {model: limit for (name, model), limit in known.items() if name == account.name}
        for model in {*limits_apart(account.dialect), *of_account}:
            configured[account.name, model] = configured_limit(account, model)
        for model, limit in of_account.items():
            learnt[account.name, model] = limit.limit.allowed(configured_limit(account, model))
    return AccountLimits(configured, learnt)
