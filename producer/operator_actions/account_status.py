"""How each configured account stands: its limits, what was learnt about it, and none of its secrets."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from storage.admission import accounts, usage
from storage.database import Connection
from storage.settings import Settings


def account_statuses(conn: Connection, settings: Settings) -> list[dict[str, Any]]:
    """Every account in the order in which they are tried. `error` says why one is suspended or what its gateway said in
    an outage, else it is None."""
    known = accounts.states(conn)
    used = usage.in_flight(conn, settings.unconfirmed_grace_seconds)
    rows = []
    for account in settings.accounts:
        learnt = known.get(account.name, {})
        state = next((word for word in ("suspended", "outage", "throttled") if learnt.get(word)), "ok")
        rests = state in ("suspended", "outage")
        rows.append(
            {
                "name": account.name,
                "gateway": account.gateway,
                "base_url": _without_password(account.base_url or account.dialect.default_base_url),
                "max_in_flight": account.max_in_flight,
                "requests_per_minute": account.requests_per_minute,
                "limit_now": min(learnt.get("slot_limit") or account.max_in_flight, account.max_in_flight),
                "limit_since": learnt.get("slot_limit_at") if learnt.get("slot_limit") else None,
                "in_flight": used.get(account.name, 0),
                "state": state,
                "suspended_until": learnt.get("suspended_until") if rests else None,
                "suspended_since": learnt.get("suspended_at") if rests else None,
                "throttled_until": learnt.get("throttled_until") if learnt.get("throttled") else None,
                "error": learnt.get("error") if rests else None,
            }
        )
    return rows


def _without_password(url: str | None) -> str | None:
    parts = urlsplit(url or "")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if url else None
