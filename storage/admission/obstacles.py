"""Find out why no account can ever get a queued job unless a person acts: because of the configuration, or because its
model is closed everywhere. Slots and pauses that end by themselves are in `grants`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from seedance.account import Account
from seedance.lanes import is_lane, model_of
from storage.admission import circuit_breaker
from storage.admission.circuit_breaker import Cause
from storage.database import Connection
from storage.jobs.reasons import Reason
from storage.settings import Settings


def able_accounts(settings: Settings, pin: str | None, gateways: Iterable[str], lane: str) -> list[Account]:
    """The accounts that can serve a job: at one of its gateways, with its tier; `pin`: only that one. The settings are
    those of the job's tenant (`for_tenant`)."""
    known = set(gateways)
    return [
        account
        for account in settings.accounts
        if pin in (None, account.name)
        and account.gateway in known
        and (not is_lane(lane) or model_of(account.dialect, lane) is not None)
    ]


class Obstacles:
    """The obstacles of one moment, for any number of jobs of one tenant. The settings are that tenant's."""

    def __init__(self, settings: Settings, closed: frozenset[tuple[str, str]]) -> None:
        self._settings = settings
        self._closed = closed

    @classmethod
    def read(cls, conn: Connection, settings: Settings) -> Self:
        """Read the breakers that are open now."""
        breakers = circuit_breaker.breakers(conn).items()
        return cls(settings, frozenset(key for key, breaker in breakers if breaker.cause == Cause.MODEL))

    def of(self, pin: str | None, gateways: Iterable[str], lane: str) -> Reason | None:
        """Why a job waits for a person: `account_missing` (its pinned account is not configured), `no_account`, or
        `model_closed` (at every account that could serve it). None: it does not wait for a person."""
        if pin is not None and self._settings.account(pin) is None:
            return Reason.ACCOUNT_MISSING
        able = able_accounts(self._settings, pin, gateways, lane)
        if not able:
            return Reason.NO_ACCOUNT
        if all((account.name, self._model(account, lane)) in self._closed for account in able):
            return Reason.MODEL_CLOSED
        return None

    @staticmethod
    def _model(account: Account, lane: str) -> str:
        return model_of(account.dialect, lane) or ""
