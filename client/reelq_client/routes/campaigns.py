"""`/v1/campaigns`: named sets of jobs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from reelq_client.core.binding import Awaiting, Blocking, call, pages
from reelq_client.core.errors import ConfigurationError, ConnectionFailed, Unavailable, WaitTimeout
from reelq_client.core.requests import Answer, Flow, Pause, Request, as_json, given
from reelq_client.models.access import Decision
from reelq_client.models.base import Page
from reelq_client.models.campaigns import (
    Campaign,
    CancelledCampaign,
    CheckedCampaign,
    ManifestJob,
    Plan,
    StoredCampaign,
)
from reelq_client.routes.campaign_rows import RowRoutes
from reelq_client.routes.results import ResultRoutes
from reelq_client.routes.rows import Rows, rows_body
from reelq_client.routes.ways import RunWays, ways_query

if TYPE_CHECKING:
    from typing_extensions import Unpack

_ONE = "/v1/campaigns/{name}"
_LOOK_EVERY_S = 5.0
_SETTLES_WITHIN_S = 10.0
"""How long after its last job a budget may still hold reservations; the scheduler settles it every second."""
_LONG_S = 600.0
NO_LIMIT = "none"


class CampaignRoutes(RowRoutes, ResultRoutes):
    """Named sets of jobs."""

    @call
    def plan(
        self,
        rows: Rows,
        *,
        name: str | None = None,
        budget: str | None = None,
        fetch: bool = False,
        key: str | None = None,
        prompt: str | None = None,
        template: str | None = None,
        map: Sequence[str] = (),
        sheet: str | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        **ways: Unpack[RunWays],
    ) -> Flow[Plan]:
        """Check every row, and show what a run would cost and take; nothing is stored. `rows`: mappings, a DataFrame,
        or the path of a sheet. The options are those of docs/campaigns.md."""
        query = given(name=name, budget=budget, fetch=fetch or None, key=key, prompt=prompt, template=template)
        query |= given(sheet=sheet, encoding=encoding, delimiter=delimiter)
        answer = yield from _checked("campaigns_plan", "/v1/campaigns/plan", rows, query | {"map": map}, ways)
        return answer.read(Plan)

    @call
    def plan_errors(
        self,
        rows: Rows,
        to: str | os.PathLike[str],
        *,
        name: str | None = None,
        fetch: bool = False,
        key: str | None = None,
        prompt: str | None = None,
        template: str | None = None,
        map: Sequence[str] = (),
        sheet: str | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        **ways: Unpack[RunWays],
    ) -> Flow[Path]:
        """Check every row, and write a copy of the sheet with the reason beside each bad row to the file `to`, which
        ends in .xlsx or .csv, or in .jsonl for mappings and JSONL; returns its path. Nothing is stored. `rows` and the
        options are those of `plan`."""
        path = Path(to)
        if path.suffix.lower() not in (".xlsx", ".csv", ".jsonl"):
            raise ConfigurationError(f"{path}: its name must end in .xlsx, .csv or .jsonl")
        form = path.suffix.lower().removeprefix(".")
        query = given(format=form, name=name, fetch=fetch or None, key=key, prompt=prompt, template=template)
        query |= given(sheet=sheet, encoding=encoding, delimiter=delimiter) | {"map": map}
        answer = yield from _checked("campaigns_plan_errors", "/v1/campaigns/plan/errors", rows, query, ways)
        path.write_bytes(answer.body)
        return path

    @call
    def run(
        self,
        name: str,
        rows: Rows,
        *,
        budget: str | None = None,
        weight: int | None = None,
        first: int | None = None,
        paused: bool = False,
        key: str | None = None,
        prompt: str | None = None,
        template: str | None = None,
        map: Sequence[str] = (),
        sheet: str | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        notify: Sequence[str] = (),
        skip_bad: bool = False,
        fetch: bool = False,
        **ways: Unpack[RunWays],
    ) -> Flow[StoredCampaign]:
        """Store one job per row under a name, all or none, or with `skip_bad` the good ones. The same rows again are
        the same jobs, so this may be repeated. `first`: submit only this number of rows; the rest waits for `resume`.
        `notify`: who gets mail about it. `fetch`: fetch the media that rows name by URL first."""
        body = yield from rows_body(rows, with_keys=False)
        query = _creating(name, budget, weight, first, paused, key, prompt, template, map, sheet, encoding, delimiter)
        answer = yield Request(
            "campaigns_create",
            "POST",
            "/v1/campaigns",
            query=query
            | {"notify": [*notify]}
            | given(skip_bad=skip_bad or None, fetch=fetch or None)
            | ways_query(ways),
            body=body,
            repeatable=True,
            timeout_s=_LONG_S,
        )
        return answer.read(StoredCampaign)

    create = run

    @call
    def check(
        self, name: str, rows: Rows, *, budget: str | None = None, key: str | None = None, prompt: str | None = None
    ) -> Flow[CheckedCampaign]:
        """Check every row as `run` does and estimate the cost; store nothing. `plan` says more."""
        body = yield from rows_body(rows, with_keys=False)
        query = given(name=name, dry_run=True, budget=budget, key=key, prompt=prompt)
        answer = yield Request(
            "campaigns_create", "POST", "/v1/campaigns", query=query, body=body, repeatable=True, timeout_s=_LONG_S
        )
        return answer.read(CheckedCampaign)

    @call
    def list(self, *, limit: int | None = None, cursor: str | None = None) -> Flow[Page[Campaign]]:
        """One page of campaigns, newest first."""
        return _page(given(limit=limit, cursor=cursor))

    @pages
    def iterate(self) -> Callable[[str | int | None], Flow[Page[Campaign]]]:
        """Every campaign, newest first."""
        return lambda cursor: _page({"limit": 100} | given(cursor=cursor))

    @call
    def get(self, name: str) -> Flow[Campaign]:
        """One campaign: its jobs by state, and its costs."""
        return _get(name)

    @call
    def wait(self, name: str, timeout: float | None = None) -> Flow[Campaign]:
        """Wait until every job of a campaign is terminal and its budget has their costs, and return it. Held and paused
        jobs keep it waiting. `timeout` in seconds; None: no limit.

        Raises:
            WaitTimeout: it did not finish in time; it continues.
        """
        return _wait_for(name, timeout)

    @call
    def update(
        self,
        name: str,
        *,
        budget: str | None = None,
        weight: int | None = None,
        start_at: str | datetime | None = None,
        quiet_hours: str | None = None,
        max_concurrent: int | Literal["none"] | None = None,
        time_zone: str | None = None,
        notify: Sequence[str] | None = None,
    ) -> Flow[Campaign]:
        """Change a campaign's budget ("100 CNY"), its share of the slots, when it starts, its quiet hours
        ("22:00-07:00", of the time zone), its jobs at once, and who gets mail about it (empty: no one; ["default"]:
        those whom the tenant names); "none" takes one away, but not recipients."""
        given_now = given(
            budget=budget,
            weight=weight,
            start_at=start_at,
            quiet_hours=quiet_hours,
            max_concurrent=max_concurrent,
            time_zone=time_zone,
        )
        body = {field: None if value == NO_LIMIT else as_json(value) for field, value in given_now.items()}
        if notify is not None:
            body["notify"] = list(notify)
        answer = yield Request("campaigns_update", "PATCH", _ONE, at={"name": name}, json=body, repeatable=True)
        return answer.read(Campaign)

    @call
    def pause(self, name: str) -> Flow[Campaign]:
        """Stop submitting its jobs; submitted jobs continue."""
        answer = yield Request("campaigns_pause", "POST", f"{_ONE}/pause", at={"name": name}, repeatable=True)
        return answer.read(Campaign)

    @call
    def resume(self, name: str) -> Flow[Campaign]:
        """Continue a paused campaign."""
        answer = yield Request("campaigns_resume", "POST", f"{_ONE}/resume", at={"name": name}, repeatable=True)
        return answer.read(Campaign)

    @call
    def cancel(self, name: str, *, discard: bool = False) -> Flow[CancelledCampaign]:
        """Cancel every job that is free to cancel; `discard` also gives up submitted jobs, which will be billed."""
        body = {"discard": discard}
        answer = yield Request("campaigns_cancel", "POST", f"{_ONE}/cancel", at={"name": name}, json=body)
        return answer.read(CancelledCampaign)

    @call
    def manifest(self, name: str, *, links_for: timedelta | None = None) -> Flow[Sequence[ManifestJob]]:
        """Every job, in the order of the rows, with a `link` to its video. `links_for`: how long the links work; None:
        a day."""
        query = given(link_seconds=None if links_for is None else int(links_for.total_seconds()))
        answer = yield Request(
            "campaigns_manifest", "GET", f"{_ONE}/manifest", at={"name": name}, query=query, timeout_s=_LONG_S
        )
        context = {"base_url": answer.base_url}
        return [ManifestJob.model_validate_json(line, context=context) for line in answer.body.splitlines()]

    @pages
    def decisions(self, name: str) -> Callable[[str | int | None], Flow[Page[Decision]]]:
        """Who paused, resumed, cancelled or changed the campaign, newest first."""

        def page(cursor: str | int | None) -> Flow[Page[Decision]]:
            query = given(limit=200, cursor=cursor)
            answer = yield Request("campaigns_decisions", "GET", f"{_ONE}/decisions", at={"name": name}, query=query)
            return answer.read(Page[Decision])

        return page


def _creating(
    name: str,
    budget: str | None,
    weight: int | None,
    first: int | None,
    paused: bool,
    key: str | None,
    prompt: str | None,
    template: str | None,
    mapped: Sequence[str],
    sheet: str | None,
    encoding: str | None,
    delimiter: str | None,
) -> dict[str, Any]:
    query = given(
        name=name,
        budget=budget,
        weight=weight,
        first=first,
        paused=paused or None,
        key=key,
        prompt=prompt,
        template=template,
        sheet=sheet,
        encoding=encoding,
        delimiter=delimiter,
    )
    return query | {"map": mapped}


def _checked(operation: str, route: str, rows: Rows, query: Mapping[str, Any], ways: RunWays) -> Flow[Answer]:
    """Have every row checked; nothing is stored, so the request may be sent again."""
    body = yield from rows_body(rows, with_keys=False)
    return (
        yield Request(
            operation,
            "POST",
            route,
            query={**query, **ways_query(ways)},
            body=body,
            repeatable=True,
            timeout_s=_LONG_S,
        )
    )


def _wait_for(name: str, timeout: float | None) -> Flow[Campaign]:
    """A campaign once it has ended; an outage of the API does not end the wait."""
    deadline = None if timeout is None else time.monotonic() + timeout
    ended_at: float | None = None
    while True:
        pause_s = _LOOK_EVERY_S
        try:
            found = yield from _get(name)
        except (ConnectionFailed, Unavailable):
            if deadline is not None and time.monotonic() + pause_s >= deadline:
                raise
            yield Pause(pause_s)
            continue
        if found.finished >= found.total:
            ended_at = time.monotonic() if ended_at is None else ended_at
            if not found.budget or not found.budget.reserved or time.monotonic() - ended_at >= _SETTLES_WITHIN_S:
                return found
            pause_s = 1.0
        left_s = pause_s if deadline is None else deadline - time.monotonic()
        if left_s <= 0:
            done = f"{found.finished} of {found.total} jobs have ended"
            raise WaitTimeout(f"campaign {name!r} did not finish within {timeout:g} s: {done}; it continues")
        yield Pause(min(pause_s, left_s))


def _get(name: str) -> Flow[Campaign]:
    answer = yield Request("campaigns_get", "GET", _ONE, at={"name": name})
    return answer.read(Campaign)


def _page(query: dict[str, Any]) -> Flow[Page[Campaign]]:
    answer = yield Request("campaigns_list", "GET", "/v1/campaigns", query=query)
    return answer.read(Page[Campaign])


class Campaigns(CampaignRoutes, Blocking):
    """Named sets of jobs."""


class AsyncCampaigns(CampaignRoutes, Awaiting):
    """Named sets of jobs."""
