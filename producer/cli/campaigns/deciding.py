"""What all decisions about rows share: show what will be done, ask, do it, and say what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from producer.campaigns.decisions.carry_out import carried_out, carry_out, preview
from producer.campaigns.decisions.choice import Choice, choose
from producer.campaigns.decisions.decide import only
from producer.campaigns.decisions.decision import Decision, Done, Left
from producer.campaigns.decisions.verdicts import Terms, Verb
from producer.cli.campaigns.plan_text import rows_text
from producer.cli.shared.confirmation import confirm, on_terminal
from producer.cli.shared.exit_codes import SOME_FAILED
from producer.cli.shared.formatting import clean, plural
from producer.cli.shared.money import amount, span
from producer.cli.shared.output import print_json, say
from producer.cli.shared.producers import open_producer
from seedance.problems import InvalidInput, Problem

NONE_CHOSEN = "choose rows with --rows, --key, --state, --review, --reason or --all"
_DONE = {
    Verb.APPROVE: "approved",
    Verb.REJECT: "rejected",
    Verb.REROLL: "enqueued again with another seed",
    Verb.RETRY: "enqueued again",
    Verb.CANCEL: "cancelled",
    Verb.RESUME: "released",
    Verb.SET: "changed",
}


@dataclass(frozen=True, slots=True)
class Command:
    """One command line: `name` of the campaign, and its options."""

    ctx: typer.Context
    name: str
    tenant: str
    data_dir: Path | None
    as_json: bool
    yes: bool = True
    dry_run: bool = False
    operation: str | None = None


def chosen(
    rows: str | None,
    keys: list[str] | None,
    states: list[str] | None,
    reviews: list[str] | None,
    reasons: list[str] | None,
    *,
    all_rows: bool,
) -> Choice | None:
    """The choice that the options make; None: they make none."""
    return choose(
        rows=rows,
        keys=keys or (),
        states=states or (),
        reviews=reviews or (),
        reasons=reasons or (),
        all_rows=all_rows,
    )


def required(choice: Choice | None) -> Choice:
    """The choice, which must be given.

    Raises:
        InvalidInput: nothing is chosen.
    """
    if choice is None:
        raise InvalidInput([Problem("", NONE_CHOSEN)])
    return choice


def run_decision(
    command: Command,
    verb: Verb,
    choice: Choice,
    *,
    comment: str | None = None,
    discard: bool = False,
    fields: Mapping[str, Any] | None = None,
    asks: Callable[[Decision], bool] = lambda decision: decision.new_jobs > 0,
) -> None:
    """Show what will be done, ask where a person sits and `asks` says so, and do it."""
    terms = Terms(datetime.now(UTC), comment, discard, fields or {})
    with open_producer(command.ctx, command.data_dir, command.tenant) as producer:
        if command.operation is not None and not command.dry_run:
            before = carried_out(producer, command.name, verb, command.operation)
            if before is not None:
                _show_again(command, verb, before)
                return
        decision = preview(producer, command.name, verb, choice, terms)
        if not command.as_json:
            for line in decision_lines(decision):
                say(line)
        if command.dry_run:
            _end(command, decision.as_dict(), bool(list(decision.refused) or decision.missing))
            return
        if decision.acts and asks(decision) and not command.yes and not command.as_json and on_terminal():
            confirm(_question(decision), yes=False)
        # A repeated operation is answered as the first time, although there is nothing left to do.
        agreed = only(choice, decision) if decision.acts else choice
        done = carry_out(producer, command.name, verb, agreed, terms, command.operation)
    document = dict(done.document)
    if not command.as_json:
        say(_said(command.name, verb, done))
        if decision.acts and not done.known:  # what changed between the agreement and the decision
            for item in document["refused"]:
                say(clean(f"  cannot     {plural(item['count'], 'row')}: {item['message']}"))
    if not done.known:  # what was left out before the agreement
        shown = decision.as_dict()
        document["rows"] = shown["rows"]
        document["idle"] = shown["idle"]
        document["missing"] = shown["missing"]
        document["refused"] = [*shown["refused"], *(document["refused"] if decision.acts else ())]
    _end(command, document, bool(document["refused"] or document["missing"]))


def _show_again(command: Command, verb: Verb, before: Done) -> None:
    """The answer to a repeated operation: that of the first time."""
    document = before.document
    if not command.as_json:
        say(_said(command.name, verb, before))
        for item in document.get("refused", ()):
            say(clean(f"  cannot     {plural(item['count'], 'row')}: {item['message']}"))
    _end(command, document, bool(document.get("refused") or document.get("missing")))


def _end(command: Command, document: Mapping[str, Any], refused: bool) -> None:
    if command.as_json:
        print_json(dict(document))
    if refused:
        raise typer.Exit(SOME_FAILED)


def decision_lines(decision: Decision) -> Iterator[str]:
    """A decision as people read it: how many, what it costs, what cannot succeed."""
    shown = f" ({rows_text([act.row.number for act in decision.acts])})" if decision.acts else ""
    yield clean(f"{decision.campaign}: {decision.verb} {plural(len(decision.acts), 'row')}{shown}{_cost(decision)}")
    if decision.reach is not None:
        reach = decision.reach
        left, of = amount(reach.left, reach.currency), amount(reach.amount, reach.currency)
        yield f"  budget     {left} of {of} is left; it pays for {reach.pays_for} of {reach.of}"
    if decision.without_price:
        yield f"  cost       no price is known for {plural(decision.without_price, 'video')}"
    for item in decision.refused:
        yield clean(f"  cannot     {_left(item)}")
    for item in decision.idle:
        yield clean(f"  left out   {_left(item)}")
    for name in decision.missing:
        yield clean(f"  missing    no row is {name}" if name.startswith("key") else f"  missing    there is no {name}")


def _left(item: Left) -> str:
    detail = f": {item.detail}" if item.detail else ""
    return f"{plural(len(item.rows), 'row')} ({_numbers(item.rows)}): {item.why.line}{detail}"


def _numbers(rows: Sequence[Any]) -> str:
    return rows_text([row.number for row in rows])


def _cost(decision: Decision) -> str:
    if not decision.new_jobs:
        return ""
    costs = " and ".join(span(cost.low, cost.high, cost.currency or "") for cost in decision.costs)
    return f"; {plural(decision.new_jobs, 'new video')}" + (f", {costs}" if costs else "")


def _question(decision: Decision) -> str:
    return f"{decision.verb.capitalize()} {plural(len(decision.acts), 'row')} of {decision.campaign}{_cost(decision)}?"


def _said(name: str, verb: Verb, done: Done) -> str:
    if done.known:
        what = f"{plural(done.done, 'row')} {_DONE[verb]}"
        return clean(f"{name}: operation {done.operation} was carried out before ({what}); nothing was done now")
    asked = f"; {done.asked} of them are being cancelled by their gateways" if done.asked else ""
    return clean(f"{name}: {plural(done.done, 'row')} {_DONE[verb]}{asked} (operation {done.operation})")
