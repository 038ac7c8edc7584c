"""Rows of campaigns from elsewhere: of the API."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import reelq_client
from reelq_client import Reelq
from reelq_client.models.campaign_rows import CampaignOverview, RowDecision
from reelq_client.routes.campaigns import Campaigns

from producer.campaigns.decisions.choice import Choice
from producer.campaigns.decisions.verdicts import Terms, Verb
from producer.cli.doors.preview import Preview
from producer.cli.doors.there.translated import translated

_OF_API = ("dry_run", "repeated")
_OF_DONE = ("operation", "done", "asked", "jobs")


class RowsThere:
    """A door on a client."""

    def __init__(self, reelq: Reelq) -> None:
        self._campaigns = reelq.campaigns

    def overview(self, name: str) -> Mapping[str, Any]:
        """As `RowsDoor`."""
        with translated(name):
            found = self._campaigns.status(name)
        return found.model_dump(include=set(CampaignOverview.model_fields) - {"links"})

    def carried_out(
        self, name: str, verb: Verb, choice: Choice, terms: Terms, operation: str
    ) -> Mapping[str, Any] | None:
        """As `RowsDoor`."""
        with translated(name):
            decided = self._decide(verb, terms)(name, _wanted(choice), dry_run=True, operation=operation)
        return _document(decided) if decided.repeated else None

    def preview(self, name: str, verb: Verb, choice: Choice, terms: Terms) -> Preview:
        """As `RowsDoor`."""
        with translated(name):
            decided = self._decide(verb, terms)(name, _wanted(choice), dry_run=True)
        return Preview(_document(decided, without=_OF_DONE), [row.id for row in decided.acting])

    def carry_out(
        self, name: str, verb: Verb, choice: Choice, terms: Terms, operation: str | None
    ) -> tuple[Mapping[str, Any], bool]:
        """As `RowsDoor`."""
        with translated(name):
            decided = self._decide(verb, terms)(name, _wanted(choice), operation=operation)
        return _document(decided), decided.repeated

    def _decide(self, verb: Verb, terms: Terms) -> Any:
        campaigns = self._campaigns
        match verb:
            case Verb.APPROVE:
                return partial(campaigns.approve, comment=terms.comment)
            case Verb.REJECT:
                return partial(campaigns.reject, comment=terms.comment)
            case Verb.REROLL:
                return campaigns.reroll
            case Verb.RETRY:
                return campaigns.retry
            case Verb.CANCEL:
                return partial(campaigns.cancel_rows, discard=terms.discard)
            case Verb.RESUME:
                return _resume_whole(campaigns) if terms.whole else campaigns.resume_rows
            case Verb.SET:
                return partial(campaigns.set, fields=terms.fields)


def _resume_whole(campaigns: Campaigns) -> Any:
    def decide(name: str, _: reelq_client.Choice, *, dry_run: bool = False, operation: str | None = None) -> Any:
        return campaigns.resume_rows(name, None, dry_run=dry_run, operation=operation)

    return decide


def _wanted(choice: Choice) -> reelq_client.Choice:
    """The choice as the client takes it."""
    wanted = choice.wanted
    ranges = [f"{first}-{last}" for first, last in wanted.numbers or ()]
    some = cast(
        Any, {name: list(getattr(wanted, name) or ()) for name in ("keys", "ids", "states", "reviews", "reasons")}
    )
    rows = ",".join(ranges) or None
    everyone = rows is None and not any(some.values())
    return reelq_client.Choice(rows=rows, all=everyone, agreed=choice.agreed, **some)


def _document(decided: RowDecision, without: tuple[str, ...] = ()) -> dict[str, Any]:
    return decided.model_dump(include=set(RowDecision.model_fields) - {*_OF_API, *without})
