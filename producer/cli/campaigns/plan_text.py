"""A plan as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from shlex import quote
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from producer.cli.shared.formatting import clean, duration, one_line
from producer.cli.shared.money import amount, span
from producer.wording import plural

if TYPE_CHECKING:
    from producer.campaigns.planning.plan import Plan

_SHOWN_GROUPS, _SHOWN_ROWS = 40, 12
_SHOWN_FIELDS = ("tier", "resolution", "ratio", "duration", "first_frame", "last_frame")

NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})


def plan_lines(plan: Plan, file: str) -> Iterator[str]:
    """The lines of a plan, most important first."""
    facts = plan.checked.files.facts
    return document_lines(plan.as_dict(), file, {reference: fact.name for reference, fact in facts.items()})


def document_lines(plan: Mapping[str, Any], file: str, names: Mapping[str, str] = NO_NAMES) -> Iterator[str]:
    """The same of a plan as JSON. `names`: what local files are called, by their references."""
    for line in _lines(plan, file, names):
        yield clean(line)


def _lines(plan: Mapping[str, Any], file: str, names: Mapping[str, str]) -> Iterator[str]:
    wrong = plan["rows"] - plan["good"]
    yield f"{file}: {plural(plan['rows'], 'row')}, {plan['good']:,} good" + (f", {wrong:,} bad" if wrong else "")
    yield from bad_lines(plan["bad"])
    yield from (f"  note       {note}" for note in plan["notes"])
    for rows in plan["duplicates"][:_SHOWN_ROWS]:
        yield f"  twice      {rows_text(rows)} make the same request; each is generated and billed"
    if len(plan["duplicates"]) > _SHOWN_ROWS:
        yield f"  twice      … and {len(plan['duplicates']) - _SHOWN_ROWS} more requests that several rows make"
    yield f"  columns    {', '.join(plan['columns']['used']) or 'none'}"
    media = plan["media"]
    if media["fetched"] or media["unusable"]:
        unusable = f", {media['unusable']} cannot be used" if media["unusable"] else ""
        yield f"  media      {plural(media['fetched'], 'file')} fetched{unusable}"
    if plan["known"]:
        yield f"  known      {plural(plan['known'], 'job')} of the campaign already; they cost nothing again"
    yield from edit_lines(plan["edited"], plan["campaign"])
    proofs = plan["proofs"]
    if proofs is None:
        yield f"  videos     {_new(plan):,}"
    else:
        yield f"  proofs     {kinds_text(proofs)}"
    yield from _money(plan)
    if proofs is not None:
        yield from _finals(proofs)
    yield from _times(plan)
    for job in plan["samples"]:
        request = job["request"]
        values = [request[name] for name in _SHOWN_FIELDS if name in request]
        shown = " · ".join(names.get(value, value) if isinstance(value, str) else str(value) for value in values)
        what = f" ({one_line(shown)})" if shown else ""
        yield f"  sample     row {job['row']}: {one_line(request['prompt'], 160)}{what}"


def _new(plan: Mapping[str, Any]) -> int:
    """The jobs that a run would add."""
    return int(plan["jobs"] - plan["known"])


def edit_lines(edited: Mapping[str, Sequence[int]], name: str | None) -> Iterator[str]:
    """What happens to rows that were edited in the sheet since they were enqueued."""
    if rows := edited["replaced"]:
        yield f"  edited     {rows_text(rows)}: not submitted yet, so the new request replaces the old one"
    if rows := edited["again"]:
        yield f"  edited     {rows_text(rows)}: failed without a bill, so the new request is made"
    if rows := edited["paid_for"]:
        again = f"`reelq campaign reroll {quote(name or 'NAME')} --rows {_option(rows)}`"
        yield f"  edited     {rows_text(rows)}: submitted or paid for already, so the old request stays; {again} makes"
        yield "             the new one, which is billed again"


def _option(rows: Sequence[int]) -> str:
    spans = [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in _runs(rows)]
    return ",".join(spans)


def _runs(rows: Sequence[int]) -> Iterator[list[int]]:
    ordered = sorted(set(rows))
    for _, run in groupby(enumerate(ordered), key=lambda pair: pair[1] - pair[0]):
        yield [number for _, number in run]


def bad_lines(bad: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The bad cells of a plan, those with the same reason in one line."""
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for cell in bad:
        grouped.setdefault((cell["column"], cell["message"]), []).append(cell)
    for (column, message), cells in list(grouped.items())[:_SHOWN_GROUPS]:
        named = f" ({cells[0]['key']})" if len(cells) == 1 and cells[0]["key"] else ""
        where = f"{column}: " if column else ""
        yield f"  bad        {rows_text([cell['row'] for cell in cells])}{named}: {where}{message}"
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


def _money(plan: Mapping[str, Any]) -> Iterator[str]:
    new = _new(plan)
    for cost in plan["costs"]:
        some = f" for {cost['jobs']} of them" if cost["jobs"] < new else ""
        listed = ", at Ark's list price: the gateway publishes none" if cost["by_list_price"] else ""
        if 0 < cost["by_list_price"] < cost["jobs"]:
            listed = f"; {cost['by_list_price']} at Ark's list price, because the gateway publishes none"
        yield f"  cost       {span(cost['low'], cost['high'], cost['currency'] or '')}{some}{listed}"
    if plan["without_price"]:
        yield f"  cost       no price is known for {plural(plan['without_price'], 'video')}"
    if (reach := plan["budget"]) is not None:
        left = (
            f", of which {amount(reach['left'], reach['currency'])} is left," if reach["left"] < reach["amount"] else ""
        )
        whole = amount(reach["amount"], reach["currency"])
        yield f"  budget     {whole}{left} pays for {reach['pays_for']} of {reach['of']}"


def _finals(proofs: Mapping[str, Any]) -> Iterator[str]:
    """What the finals cost, apart from the proofs."""
    approved = "the proof is" if proofs["finals"] == 1 else f"all {proofs['finals']} proofs are"
    for cost in proofs["finals_costs"]:
        price = span(cost["low"], cost["high"], cost["currency"] or "")
        yield f"  finals     {price} more if {approved} approved"
    if proofs["finals_without_price"]:
        yield f"  finals     no price is known for {plural(proofs['finals_without_price'], 'video')}"
    if proofs["finals_paid_for"] is not None and proofs["finals"]:
        yield f"  finals     after the proofs, the budget pays for {proofs['finals_paid_for']} of {proofs['finals']}"
    if proofs["looks"]:
        yield "  note       the final of a look is generated again and will differ from it; that of a draft will not"


def kinds_text(proofs: Mapping[str, int]) -> str:
    """How many proofs of each kind there are."""
    drafts, looks, plain = (proofs[name] for name in ("drafts", "looks", "as_asked"))
    found = [plural(drafts, "draft")] if drafts else []
    found += [plural(looks, "small look")] if looks else []
    found += [f"{plural(plain, 'video')} as asked, because nothing is cheaper"] if plain else []
    return ", ".join(found) or "none"


def _times(plan: Mapping[str, Any]) -> Iterator[str]:
    finish = plan["finish"]
    if plan["budget"] is not None and plan["budget"]["pays_for"] == 0:
        return
    if _new(plan) and (finish["p50"] is None or finish["p90"] is None):
        yield "  finish     unknown: no account works at the moment"
    elif _new(plan):
        half, most = _clock(finish["p50"]), _clock(finish["p90"])
        yield f"  finish     {half} (in {duration(finish['p50_s'])}) as likely as not; {most} in nine of ten cases"
        yield f"             assuming: {'; '.join(finish['assumes'])}"
    if rows := [item["row"] for item in plan["late"] if item["chance"] >= 0.5]:
        yield f"  deadline   {rows_text(rows)} will probably miss the deadline"
    if other := [item["row"] for item in plan["late"] if item["chance"] < 0.5]:
        yield f"  deadline   {rows_text(other)} may miss the deadline"


def _clock(at: str) -> str:
    then = datetime.fromisoformat(at).astimezone()
    today = datetime.now().astimezone().date() == then.date()
    return then.strftime("%H:%M") if today else then.strftime("%Y-%m-%d %H:%M")
