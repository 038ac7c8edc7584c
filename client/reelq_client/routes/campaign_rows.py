"""`/v1/campaigns/{name}/rows`, decisions about rows, and their videos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from reelq_client.core.binding import call, pages, stored
from reelq_client.core.errors import ConfigurationError
from reelq_client.core.requests import Flow, Request, StoredFile, given
from reelq_client.models.base import Page
from reelq_client.models.campaign_rows import (
    CampaignOverview,
    CampaignRow,
    CampaignRowDetail,
    RowDecision,
)
from reelq_client.models.words import JobState, Review

_ONE = "/v1/campaigns/{name}"
_LONG_S = 600.0


@dataclass(frozen=True)
class Choice:
    """Which rows a decision is about: those that match everything that is given. `rows`: numbers as a spreadsheet
    counts, such as "2-10,14". `agreed`: ids of those that a dry run showed as `acting`, which alone take part."""

    rows: str | None = None
    keys: Sequence[str] = ()
    ids: Sequence[UUID | str] = ()
    states: Sequence[JobState] = ()
    reviews: Sequence[Review] = ()
    reasons: Sequence[str] = ()
    all: bool = False
    agreed: Sequence[UUID | str] | None = None

    def as_json(self) -> dict[str, Any]:
        """What is given, as the API takes it."""
        lists = {"keys": self.keys, "ids": [str(item) for item in self.ids], "states": self.states}
        lists |= {"reviews": self.reviews, "reasons": self.reasons}
        agreed = None if self.agreed is None else [str(item) for item in self.agreed]
        return given(rows=self.rows, all=self.all or None, agreed=agreed) | {
            name: [*item] for name, item in lists.items() if item
        }


EVERY_ROW = Choice(all=True)


class RowRoutes:
    """The rows of campaigns. Each decision is carried out once, also if its answer is lost and it is sent again;
    `operation` is an id of your own for it, which is refused with another choice or other values."""

    @call
    def status(self, name: str) -> Flow[CampaignOverview]:
        """A campaign by its rows: states, reviews, reasons with advice, money."""
        answer = yield Request("campaigns_status", "GET", f"{_ONE}/status", at={"name": name})
        return answer.read(CampaignOverview)

    @pages
    def rows(
        self,
        name: str,
        *,
        state: Sequence[JobState] | None = None,
        review: Sequence[Review] | None = None,
        reason: Sequence[str] | None = None,
        key: Sequence[str] | None = None,
        numbers: str | None = None,
    ) -> Callable[[str | int | None], Flow[Page[CampaignRow]]]:
        """The rows of a campaign in the order of the sheet, with the job that stands for each."""
        wanted = given(state=state, review=review, reason=reason, key=key, numbers=numbers)

        def page(cursor: str | int | None) -> Flow[Page[CampaignRow]]:
            query = {"limit": 500} | wanted | given(cursor=cursor)
            answer = yield Request("campaigns_rows", "GET", f"{_ONE}/rows", at={"name": name}, query=query)
            return answer.read(Page[CampaignRow])

        return page

    @call
    def row(self, name: str, row_id: UUID | str) -> Flow[CampaignRowDetail]:
        """One row, with every job that was made for it."""
        at = {"name": name, "row_id": str(row_id)}
        answer = yield Request("campaigns_row", "GET", f"{_ONE}/rows/{{row_id}}", at=at)
        return answer.read(CampaignRowDetail)

    @call
    def approve(
        self,
        name: str,
        choice: Choice,
        *,
        comment: str | None = None,
        dry_run: bool = False,
        operation: str | None = None,
    ) -> Flow[RowDecision]:
        """Mark videos as wanted; of a draft, the final is made, which is billed."""
        return _decide("approve", name, choice, given(comment=comment), dry_run, operation)

    @call
    def reject(
        self,
        name: str,
        choice: Choice,
        *,
        comment: str | None = None,
        dry_run: bool = False,
        operation: str | None = None,
    ) -> Flow[RowDecision]:
        """Mark videos as not wanted; they stay."""
        return _decide("reject", name, choice, given(comment=comment), dry_run, operation)

    @call
    def reroll(
        self, name: str, choice: Choice, *, dry_run: bool = False, operation: str | None = None
    ) -> Flow[RowDecision]:
        """Make rows again, with another seed or as the edited sheet asks; billed again."""
        return _decide("reroll", name, choice, {}, dry_run, operation)

    @call
    def retry(
        self, name: str, choice: Choice | None = None, *, dry_run: bool = False, operation: str | None = None
    ) -> Flow[RowDecision]:
        """Enqueue rows again that failed or were cancelled; None: all of them."""
        return _decide("retry", name, choice, {}, dry_run, operation)

    @call
    def set(
        self,
        name: str,
        choice: Choice,
        fields: Mapping[str, Any],
        *,
        dry_run: bool = False,
        operation: str | None = None,
    ) -> Flow[RowDecision]:
        """Change fields of rows that still wait; a field that is None is taken away."""
        return _decide("set", name, choice, {"fields": dict(fields)}, dry_run, operation)

    @call
    def cancel_rows(
        self,
        name: str,
        choice: Choice,
        *,
        discard: bool = False,
        dry_run: bool = False,
        operation: str | None = None,
    ) -> Flow[RowDecision]:
        """Cancel rows that are free to cancel; `discard` also gives up submitted ones, which will be billed.

        Raises:
            ConfigurationError: nothing is chosen, which would be the whole campaign.
        """
        return _decide("cancel", name, _chosen(choice), given(discard=discard or None), dry_run, operation)

    @call
    def resume_rows(
        self, name: str, choice: Choice | None, *, dry_run: bool = False, operation: str | None = None
    ) -> Flow[RowDecision]:
        """Submit rows that were kept back; None: continue the whole campaign, as one operation.

        Raises:
            ConfigurationError: as of `cancel_rows`.
        """
        return _decide("resume", name, None if choice is None else _chosen(choice), {}, dry_run, operation)

    @stored
    def videos(
        self,
        name: str,
        *,
        state: Sequence[JobState] | None = None,
        review: Sequence[Review] | None = None,
        numbers: str | None = None,
        file_name: str | None = None,
    ) -> StoredFile:
        """The videos as a ZIP file: `.save(path)`. `file_name`: of each, such as "{sku}_{ratio}.mp4"."""
        query = given(state=state, review=review, numbers=numbers, file_name=file_name)
        request = Request(
            "campaigns_videos", "GET", f"{_ONE}/videos", at={"name": name}, query=query, timeout_s=_LONG_S
        )
        return StoredFile(request, in_bucket=False)


def _chosen(choice: Choice) -> Choice:
    if not choice.as_json():
        raise ConfigurationError("choose rows with rows, keys, ids, states, reviews or reasons, or all with EVERY_ROW")
    return choice


def _decide(
    verb: str, name: str, choice: Choice | None, more: dict[str, Any], dry_run: bool, operation: str | None
) -> Flow[RowDecision]:
    body = ({} if choice is None else choice.as_json()) | more | given(dry_run=dry_run or None)
    if not dry_run or operation is not None:  # a dry run with an id asks whether it was carried out
        body["operation"] = operation or str(uuid4())
    answer = yield Request(
        f"campaigns_{verb}", "POST", f"{_ONE}/{verb}", at={"name": name}, json=body, repeatable=True, timeout_s=_LONG_S
    )
    return answer.read(RowDecision)
