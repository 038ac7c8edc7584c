"""Which of the configured accounts can serve a request, asked of their dialects before anything is stored."""

from __future__ import annotations

from collections.abc import Sequence

from seedance.account import Account
from seedance.gateways.registry import DIALECTS
from seedance.problems import InvalidInput, Problem
from seedance.request import GenerationRequest


def gateways_for(request: GenerationRequest, accounts: Sequence[Account], pin: str | None = None) -> tuple[str, ...]:
    """The gateways that can serve the request, in the order of the configured accounts.

    Raises:
        InvalidInput: no account is configured, the pinned one is not, or none can serve it; the problems name the
            field and what each gateway allows.
    """
    require_accounts(accounts)
    if pin is not None:
        accounts = [account for account in accounts if account.name == pin] or _unknown(pin, accounts)
    asked = tuple(dict.fromkeys(account.gateway for account in accounts))
    refused: dict[str, list[Problem]] = {gateway: DIALECTS[gateway].refusals(request) for gateway in asked}
    able = tuple(gateway for gateway in asked if not refused[gateway])
    if not able:
        raise InvalidInput(_merged(refused))
    return able


def require_accounts(accounts: Sequence[Account]) -> None:
    """Pass when there is somebody to generate.

    Raises:
        InvalidInput: no account is configured.
    """
    if not accounts:
        message = "none is configured; add [[accounts]] to reelq.toml, or start `reelq up`, which brings a simulator"
        raise InvalidInput([Problem("accounts", message)])


def _unknown(pin: str, accounts: Sequence[Account]) -> list[Account]:
    names = ", ".join(account.name for account in accounts)
    raise InvalidInput([Problem("account", f"{pin!r} is not configured; there is {names}")])


def _merged(refused: dict[str, list[Problem]]) -> list[Problem]:
    """One problem a field, with the words of every gateway that minds it."""
    by_field: dict[str, list[str]] = {}
    for problems in refused.values():
        for problem in problems:
            messages = by_field.setdefault(problem.field, [])
            if problem.message not in messages:
                messages.append(problem.message)
    return [Problem(field, "; ".join(messages)) for field, messages in by_field.items()]
