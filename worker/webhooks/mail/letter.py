"""Write the mail of an event of a campaign: a subject, a text and the same as simple HTML."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from storage.addresses.mail import split_sender
from storage.jobs.states import JobState
from storage.webhooks.outbox import EventType

_MAX_NAME_CHARS = 100
_SHORT: Mapping[str, str] = {
    EventType.CAMPAIGN_FINISHED: "finished",
    EventType.CAMPAIGN_REVIEW_READY: "review_ready",
    EventType.CAMPAIGN_BUDGET_80: "budget_80",
    EventType.CAMPAIGN_BUDGET_USED_UP: "budget_used_up",
    EventType.CAMPAIGN_DRAFTS_EXPIRING: "drafts_expiring",
}


def write_letter(
    event: str,
    data: Mapping[str, Any],
    *,
    message_id: str,
    at: datetime,
    sender: str,
    recipient: str,
    language: str,
    public_url: str | None,
) -> EmailMessage:
    """The mail about an event. `data`: of the event. `message_id`: the same at each attempt. `public_url`: None: it has
    no link.

    Raises:
        KeyError: it is no event of a campaign.
    """
    name, address = split_sender(sender)
    sent_from = Address(name, addr_spec=address)
    what = _SHORT[event]
    texts = _texts(language)
    values = _values(data, texts)
    letter = EmailMessage()
    letter["Subject"] = f"[reelq] {texts['subject'][what].format_map(values)}"
    letter["From"] = sent_from
    letter["To"] = Address(addr_spec=recipient)
    letter["Date"] = format_datetime(at)
    letter["Message-ID"] = f"<{message_id}@{sent_from.domain}>"
    letter["Auto-Submitted"] = "auto-generated"
    letter["Content-Language"] = language
    paragraphs = _paragraphs(what, data, texts, values, public_url)
    letter.set_content("\n\n".join(_as_text(*item) for item in paragraphs) + "\n", cte="quoted-printable")
    body = "\n".join(_as_html(*item) for item in paragraphs)
    page = (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8"></head><body>\n{body}\n</body></html>\n'
    )
    letter.add_alternative(page, subtype="html", cte="quoted-printable")
    return letter


_Paragraph = tuple[str, str, str]
"""Its text, what stands below it, and how: `code`, `link`, or "" for nothing."""


def _paragraphs(
    what: str, data: Mapping[str, Any], texts: Mapping[str, Any], values: Mapping[str, Any], public_url: str | None
) -> list[_Paragraph]:
    name = shlex.quote(_one_line(data["name"]))
    lead, command = what, ""
    match what:
        case "review_ready" if (data.get("review") or {}).get("drafts"):
            lead, command = "drafts", f"reelq campaign approve {name} --state succeeded"
        case "review_ready":
            lead, command = "first_rows", f"reelq campaign resume {name}"
        case "drafts_expiring":
            command = f"reelq campaign approve {name} --state succeeded"
        case "budget_used_up":
            command = f'reelq campaign set {name} --budget "AMOUNT {values["currency"]}"'
    found: list[_Paragraph] = [(texts["lead"][lead].format_map(values), command, "code" if command else "")]
    found += [
        (texts["line"]["cost"].format(amount=f"{cost['reported']:,.2f}", currency=_one_line(cost["currency"])), "", "")
        for cost in data.get("costs", ())
        if cost.get("reported_jobs")
    ]
    if public_url is not None:
        found.append((texts["line"]["look"], public_url.rstrip("/") + str(data["links"]["page"]), "link"))
    found.append((texts["line"]["stop"], f"reelq campaign set {name} --notify none", "code"))
    return found


def _as_text(text: str, below: str, kind: str) -> str:
    return f"{text}\n\n    {below}" if below else text


def _as_html(text: str, below: str, kind: str) -> str:
    if kind == "link":
        return f'<p><a href="{escape(below)}">{escape(text)}</a></p>'
    return f"<p>{escape(text)}</p>" + (f"\n<pre>{escape(below)}</pre>" if below else "")


def _values(data: Mapping[str, Any], texts: Mapping[str, Any]) -> dict[str, Any]:
    counts: Mapping[str, int] = data.get("counts") or {}
    budget: Mapping[str, Any] = data.get("budget") or {"amount": 0.0, "spent": 0.0, "reserved": 0.0, "currency": ""}
    review: Mapping[str, int] = data.get("review") or {}
    used, amount = budget["spent"] + budget["reserved"], budget["amount"]
    states = [texts["state"][state].format(n=counts[state]) for state in JobState if counts.get(state)]
    return {
        "name": _one_line(data["name"]),
        "total": data.get("total", 0),
        "succeeded": counts.get(JobState.SUCCEEDED, 0),
        "queued": counts.get(JobState.QUEUED, 0),
        "states": ", ".join(states),
        "ready": review.get("ready", 0),
        "drafts": review.get("drafts", data.get("drafts", 0)),
        "ends_at": _moment(data.get("first_ends_at")),
        "used": f"{used:,.2f}",
        "amount": f"{amount:,.2f}",
        "currency": _one_line(budget["currency"]),
        "percent": round(100 * used / amount) if amount else 100,
    }


def _moment(text: str | None) -> str:
    return "" if text is None else f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _one_line(text: str) -> str:
    """A text for a header: nothing in it ends a line."""
    clean = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return clean if len(clean) <= _MAX_NAME_CHARS else f"{clean[: _MAX_NAME_CHARS - 1]}…"


@cache
def _texts(language: str) -> Mapping[str, Any]:
    return tomllib.loads(files("worker").joinpath("webhooks", "mail", "texts", f"{language}.toml").read_text("utf-8"))
