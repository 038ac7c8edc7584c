"""A plan as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from producer.campaigns.planning.plan import SAMPLES, Plan
from producer.campaigns.planning.proofs import ProofPlan
from producer.cli.shared.formatting import clean, duration, one_line, plural
from producer.cli.shared.money import amount, span
from producer.errors import BadRow
from producer.intake.intake import Prepared

_SHOWN_GROUPS, _SHOWN_ROWS = 40, 12
_SHOWN_FIELDS = ("tier", "resolution", "ratio", "duration", "first_frame", "last_frame")


def plan_lines(plan: Plan, file: str) -> Iterator[str]:
    """The lines of a plan, most important first."""
    for line in _lines(plan, file):
        yield clean(line)


def _lines(plan: Plan, file: str) -> Iterator[str]:
    checked = plan.checked
    wrong = checked.rows - checked.good
    yield f"{file}: {plural(checked.rows, 'row')}, {checked.good} good" + (f", {wrong} bad" if wrong else "")
    yield from bad_lines(checked.bad)
    yield from (f"  note       {note}" for note in plan.notes)
    for rows in plan.duplicates[:_SHOWN_ROWS]:
        yield f"  twice      {rows_text(rows)} make the same request; each is generated and billed"
    if len(plan.duplicates) > _SHOWN_ROWS:
        yield f"  twice      … and {len(plan.duplicates) - _SHOWN_ROWS} more requests that several rows make"
    yield f"  columns    {', '.join(plan.report.used) or 'none'}"
    if checked.fetched is not None:
        unusable = f", {checked.unusable} cannot be used" if checked.unusable else ""
        yield f"  media      {plural(checked.fetched, 'file')} fetched{unusable}"
    if plan.known:
        yield f"  known      {plural(plan.known, 'job')} of the campaign already; they cost nothing again"
    yield from edit_lines(plan.edited, plan.name)
    if plan.proofs is None:
        yield f"  videos     {len(plan.jobs)}"
    else:
        yield f"  proofs     {proofs_text(plan.jobs)}"
    yield from _money(plan)
    if plan.proofs is not None:
        yield from _finals(plan.proofs)
    yield from _times(plan)
    for job in plan.jobs[:SAMPLES]:
        shown = " · ".join(_value(plan, job.request[name]) for name in _SHOWN_FIELDS if name in job.request)
        what = f" ({one_line(shown)})" if shown else ""
        what = f" ({one_line(shown)})" if shown else ""
        yield f"  sample     row {job.row.number}: {one_line(job.request['prompt'], 160)}{what}"


def _value(plan: Plan, value: object) -> str:
    """A value of a sample; a local file by its name."""
    facts = plan.checked.files.facts.get(value) if isinstance(value, str) else None
    return facts.name if facts is not None else str(value)


def edit_lines(edited: Mapping[str, Sequence[int]], name: str | None) -> Iterator[str]:
    """What happens to rows that were edited in the sheet since they were enqueued."""
    if rows := edited["replaced"]:
        yield f"  edited     {rows_text(rows)}: not submitted yet, so the new request replaces the old one"
    if rows := edited["again"]:
        yield f"  edited     {rows_text(rows)}: failed without a bill, so the new request is made"
    if rows := edited["paid_for"]:
        again = f"`reelq campaign reroll {name} --rows {_option(rows)}`"
        yield f"  edited     {rows_text(rows)}: submitted or paid for already, so the old request stays; {again} makes"
        yield "             the new one, which is billed again"


def _option(rows: Sequence[int]) -> str:
    spans = [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in _runs(rows)]
    return ",".join(spans)


def _runs(rows: Sequence[int]) -> Iterator[list[int]]:
    ordered = sorted(set(rows))
    for _, run in groupby(enumerate(ordered), key=lambda pair: pair[1] - pair[0]):
        yield [number for _, number in run]


def bad_lines(bad: Sequence[BadRow]) -> Iterator[str]:
    """The bad rows, those with the same reason in one line."""
    cells = [(cell, row) for row in bad for cell in row.cells]
    grouped: dict[tuple[str, str], list[BadRow]] = {}
    for cell, row in cells:
        grouped.setdefault((cell.column, cell.message), []).append(row)
    for (column, message), rows in list(grouped.items())[:_SHOWN_GROUPS]:
        named = f" ({rows[0].key})" if len(rows) == 1 and rows[0].key else ""
        where = f"{column}: " if column else ""
        yield f"  bad        {rows_text([row.number for row in rows])}{named}: {where}{message}"
    if len(grouped) > _SHOWN_GROUPS:
        yield f"  bad        … and {len(grouped) - _SHOWN_GROUPS} more problems; --json lists all"


def rows_text(numbers: Sequence[int]) -> str:
    """`row 7`, `rows 2–61`, `rows 4, 18 and 20`."""
    ordered = sorted(set(numbers))
    spans = []
    for found in _runs(ordered):
        spans += [f"{found[0]}–{found[-1]}"] if len(found) > 2 else [str(number) for number in found]
    if len(spans) > _SHOWN_ROWS:
        spans = [*spans[:_SHOWN_ROWS], "more"]
    text = f"{', '.join(spans[:-1])} and {spans[-1]}" if len(spans) > 1 else spans[0]
    return f"row {text}" if len(ordered) == 1 else f"rows {text}"


def _money(plan: Plan) -> Iterator[str]:
    for cost in plan.costs:
        some = f" for {cost.jobs} of them" if cost.jobs < len(plan.jobs) else ""
        listed = ", at Ark's list price: the gateway publishes none" if cost.by_list_price else ""
        if 0 < cost.by_list_price < cost.jobs:
            listed = f"; {cost.by_list_price} at Ark's list price, because the gateway publishes none"
        yield f"  cost       {span(cost.low, cost.high, cost.currency or '')}{some}{listed}"
    if plan.without_price:
        yield f"  cost       no price is known for {plural(plan.without_price, 'video')}"
    if plan.reach is not None:
        reach = plan.reach
        left = f", of which {amount(reach.left, reach.currency)} is left," if reach.left < reach.amount else ""
        yield f"  budget     {amount(reach.amount, reach.currency)}{left} pays for {reach.pays_for} of {reach.of}"


def _finals(proofs: ProofPlan) -> Iterator[str]:
    """What the finals cost, apart from the proofs."""
    for cost in proofs.costs:
        price = span(cost.low, cost.high, cost.currency or "")
        yield f"  finals     {price} more if all {proofs.finals} proofs are approved"
    if proofs.without_price:
        yield f"  finals     no price is known for {plural(proofs.without_price, 'video')}"
    if proofs.reach is not None and proofs.finals:
        yield f"  finals     after the proofs, the budget pays for {proofs.reach.pays_for} of {proofs.finals}"
    if proofs.looks:
        yield "  note       the final of a look is generated again and will differ from it; that of a draft will not"


def proofs_text(jobs: Sequence[Prepared]) -> str:
    """How many proofs of each kind jobs are."""
    drafts = sum(job.later is not None and job.later.of_draft for job in jobs)
    looks = sum(job.later is not None for job in jobs) - drafts
    found = [plural(drafts, "draft")] if drafts else []
    found += [plural(looks, "small look")] if looks else []
    plain = len(jobs) - drafts - looks
    found += [f"{plural(plain, 'video')} as asked, because nothing is cheaper"] if plain else []
    return ", ".join(found) or "none"


def _times(plan: Plan) -> Iterator[str]:
    finish = plan.finish
    if plan.reach is not None and plan.reach.pays_for == 0:
        return
    if plan.jobs and (finish.p50_s is None or finish.p90_s is None):
        yield "  finish     unknown: no account works at the moment"
    elif plan.jobs and finish.p50_s is not None and finish.p90_s is not None:
        half, most = (_clock(plan.made_at, seconds) for seconds in (finish.p50_s, finish.p90_s))
        yield f"  finish     {half} (in {duration(finish.p50_s)}) as likely as not; {most} in nine of ten cases"
        yield f"             assuming: {'; '.join(finish.assumes)}"
    if plan.late:
        rows = [row for row, chance in plan.late if chance >= 0.5]
        if rows:
            yield f"  deadline   {rows_text(rows)} will probably miss the deadline"
        if other := [row for row, chance in plan.late if chance < 0.5]:
            yield f"  deadline   {rows_text(other)} may miss the deadline"


def _clock(now: datetime, seconds: float) -> str:
    then = (now + timedelta(seconds=seconds)).astimezone()
    today = now.astimezone().date() == then.date()
    return then.strftime("%H:%M") if today else then.strftime("%Y-%m-%d %H:%M")
