"""`reelq campaign status`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from producer.cli.campaigns.pace_text import pace_in, pace_lines, proof_lines
from producer.cli.campaigns.plan_text import rows_text
from producer.cli.doors.rows import open_rows
from producer.cli.shared.formatting import clean, counts_line, one_line
from producer.cli.shared.money import budget_line, sum_line
from producer.cli.shared.options import AsJson, CampaignName, DataDir, OfTenant
from producer.cli.shared.output import print_json
from producer.web.language import LANGUAGES, catalogue
from producer.wording import plural
from storage.campaigns.reviews import Review
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT

_SHOWN_GROUPS = 12
_SHOWN_ROWS = 6
_SHOWN_DECISIONS = 10
_STANDS_STILL = {"submits_held": "held", "suspended": "waits"}
"""What stops a campaign besides the reasons of its rows, and the word for it."""


def status(
    ctx: typer.Context,
    name: CampaignName,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show a campaign's rows, its costs, what to do about rows that wait or failed, and who decided what."""
    found = open_rows(ctx, data_dir, tenant).overview(name)
    if as_json:
        print_json(found)
        return
    for line in _lines(found):
        typer.echo(clean(line))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    rows, sheet_rows, reviews, reasons = found["rows"], found["sheet_rows"], found["reviews"], found["reasons"]
    sheet = f" of {plural(sheet_rows, 'row')} of the sheet" if sheet_rows != rows else ""
    counts = {JobState(state): number for state, number in found["states"].items()}
    paused = ", paused" if found["paused_at"] else ""
    yield f"{found['campaign']}: {plural(rows, 'row')}{sheet}: {counts_line(counts)}{paused}"
    if reviews.keys() - {Review.OPEN}:
        yield f"  reviews    {', '.join(f'{reviews[review]} {review}' for review in Review if review in reviews)}"
    if found["budget"] is not None:
        yield f"  budget     {budget_line(found['budget'])}"
    for why in found["standstill"]:
        if why["code"] in _STANDS_STILL:
            yield f"  {_STANDS_STILL[why['code']]:<11}{plural(why['jobs'], 'job')}: {why['advice']}"
    yield from pace_lines(pace_in(found["pace"]))
    yield from proof_lines(found["proofs"], found["ending_drafts"], found["campaign"])
    for item in found["costs"]:
        yield f"  cost       {sum_line(item)}"
    for group in reasons[:_SHOWN_GROUPS]:
        yield from _group(group)
    if len(reasons) > _SHOWN_GROUPS:
        yield f"  … and {len(reasons) - _SHOWN_GROUPS} more reasons; --json lists all"
    words = catalogue(LANGUAGES[0])
    for decision in found["decisions"][:_SHOWN_DECISIONS]:
        what = words.word("decision", str(decision["what"]).removeprefix("campaign."))
        who = decision["actor"] or "the system"
        yield f"  {decision['at'].astimezone():%Y-%m-%d %H:%M:%S} {what} by {who}"


def _group(group: Mapping[str, Any]) -> Iterator[str]:
    shown, numbers = "", group["numbers"][:_SHOWN_ROWS]
    if numbers:
        more = " …" if group["rows"] > len(numbers) else ""
        shown = f" ({rows_text(numbers)}{more})"
    kind = " ".join(word for word in (group["modality"], group["stage"]) if word)
    what = f" ({kind})" if kind else ""
    yield f"  {group['state']:<10} {plural(group['rows'], 'row')}{shown}: {group['meaning']['en']}{what}"
    if group["advice"]["en"]:
        yield f"             {group['advice']['en']}"
    for words in group["said"]:
        speaker = "the gateway said: " if words["by"] == "gateway" else ""
        code = f"{words['code']}: " if words["code"] else ""
        yield f"             {speaker}{one_line(code + words['message'])}"
