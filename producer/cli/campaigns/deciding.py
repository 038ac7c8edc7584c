"""What all decisions about rows share: show what will be done, ask, do it, and say what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import typer

from producer.campaigns.decisions.choice import Choice
from producer.campaigns.decisions.verdicts import Terms, Verb
from producer.cli.campaigns.plan_text import rows_text
from producer.cli.doors.preview import Preview
from producer.cli.doors.rows import open_rows
from producer.cli.shared.choices import DryRun, Operation
from producer.cli.shared.confirmation import confirm, on_terminal
from producer.cli.shared.exit_codes import BAD_INPUT, SOME_FAILED
from producer.cli.shared.formatting import clean
from producer.cli.shared.money import amount, span
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json, say
from producer.wording import plural
from seedance.problems import InvalidInput, Problem
from storage.tenants.tenants import DEFAULT_TENANT

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
class DecisionOptions:
    """The options that all decisions have, for `option_groups.spread`."""

    operation: Operation = None
    dry_run: DryRun = False
    tenant: OfTenant = DEFAULT_TENANT
    as_json: AsJson = False
    data_dir: DataDir = None


def run_decision(
    ctx: typer.Context,
    name: str,
    verb: Verb,
    choice: Choice,
    how: DecisionOptions,
    *,
    yes: bool = True,
    comment: str | None = None,
    discard: bool = False,
    fields: Mapping[str, Any] | None = None,
    whole: bool = False,
    asks: Callable[[Mapping[str, Any]], bool] = lambda decision: bool(decision["new_jobs"]),
) -> None:
    """Show what will be done with rows of a campaign, ask where a person sits and `asks` says so, and do it."""
    terms = Terms(datetime.now(UTC), comment, discard, fields or {}, whole)
    door = open_rows(ctx, how.data_dir, how.tenant)
    if how.as_json and not how.dry_run:  # it shows nothing before, and asks nothing
        done, _ = door.carry_out(name, verb, choice, terms, how.operation)
        _end(how, done)
        return
    if how.operation is not None and not how.dry_run:
        before = door.carried_out(name, verb, choice, terms, how.operation)
        if before is not None:
            _show_again(name, verb, how, before)
            return
    preview = door.preview(name, verb, choice, terms)
    decision, acts = preview.shown, bool(preview.shown["acts"])
    if not how.as_json:
        for line in decision_lines(decision):
            say(line)
    if how.dry_run:
        _end(how, decision)
        return
    agreed = _agreed(choice, preview) if acts and not whole else choice
    if acts and asks(decision) and not yes and on_terminal():
        confirm(_question(decision), yes=False)
    done, known = door.carry_out(name, verb, agreed, terms, how.operation)
    say(_said(name, verb, done, known=known, whole=whole))
    if acts:  # what changed between the agreement and the decision
        _say_refused(done)
    _end(how, done if known else decision, done)


def _agreed(choice: Choice, preview: Preview) -> Choice:
    """The choice, of which only the rows that take part are carried out: what was shown, and agreed to.

    Raises:
        InvalidInput: from elsewhere, more rows take part than one decision can name.
    """
    acts, named = preview.shown["acts"], len(preview.acting)
    if acts > named:
        message = f"chooses {acts:,} rows; at most {named:,} can be decided about at once from elsewhere"
        raise InvalidInput([Problem("--rows", f"{message}, so choose some of them, or use --json, which shows none")])
    return replace(choice, agreed=preview.acting)


def _show_again(name: str, verb: Verb, how: DecisionOptions, before: Mapping[str, Any]) -> None:
    """The answer to a repeated operation: that of the first time."""
    say(_said(name, verb, before, known=True))
    _say_refused(before)
    _end(how, before)


def _say_refused(document: Mapping[str, Any]) -> None:
    for item in document["refused"]:
        say(clean(f"  cannot     {plural(item['count'], 'row')}: {item['message']}"))


def _end(how: DecisionOptions, *documents: Mapping[str, Any]) -> None:
    """Print the first document, if that is wanted. The exit code says whether one of them leaves rows out that were
    chosen, or no chosen row exists."""
    if how.as_json:
        print_json(dict(documents[0]))
    if all(document["missing"] and not document["rows"] for document in documents):
        raise typer.Exit(BAD_INPUT)
    if any(document["refused"] or document["missing"] for document in documents):
        raise typer.Exit(SOME_FAILED)


def decision_lines(decision: Mapping[str, Any]) -> Iterator[str]:
    """A decision as people read it: how many, what it costs, what cannot succeed."""
    acts = decision["acts"]
    shown = f" ({_numbers(decision['acting'], acts)})" if acts else ""
    yield clean(f"{decision['campaign']}: {decision['verb']} {plural(acts, 'row')}{shown}{_cost(decision)}")
    if (reach := decision["budget"]) is not None:
        left, of = amount(reach["left"], reach["currency"]), amount(reach["amount"], reach["currency"])
        yield f"  budget     {left} of {of} is left; it pays for {reach['pays_for']} of {reach['of']}"
    if decision["without_price"]:
        yield f"  cost       no price is known for {plural(decision['without_price'], 'video')}"
    for item in decision["refused"]:
        yield clean(f"  cannot     {_left(item)}")
    for item in decision["idle"]:
        yield clean(f"  left out   {_left(item)}")
    for name in decision["missing"]:
        yield clean(f"  missing    no row is {name}" if name.startswith("key") else f"  missing    there is no {name}")


def _left(item: Mapping[str, Any]) -> str:
    return f"{plural(item['count'], 'row')} ({_numbers(item['rows'], item['count'])}): {item['message']}"


def _numbers(rows: list[Mapping[str, Any]], count: int) -> str:
    """The numbers of rows, of which a decision may name only the first."""
    return rows_text([row["row"] for row in rows]) + (" …" if count > len(rows) else "")


def _cost(decision: Mapping[str, Any]) -> str:
    if not decision["new_jobs"]:
        return ""
    costs = " and ".join(span(cost["low"], cost["high"], cost["currency"] or "") for cost in decision["costs"])
    return f"; {plural(decision['new_jobs'], 'new video')}" + (f", {costs}" if costs else "")


def _question(decision: Mapping[str, Any]) -> str:
    what = f"{str(decision['verb']).capitalize()} {plural(decision['acts'], 'row')} of {decision['campaign']}"
    return f"{what}{_cost(decision)}?"


def _said(name: str, verb: Verb, done: Mapping[str, Any], *, known: bool, whole: bool = False) -> str:
    operation, what = done["operation"], f"{plural(done['done'], 'row')} {_DONE[verb]}"
    if known:
        return clean(f"{name}: operation {operation} was carried out before ({what}); nothing was done now")
    if not done["done"] and not whole:
        return clean(f"{name}: nothing was done")
    are = "is" if done["asked"] == 1 else "are"
    asked = f"; {done['asked']} of them {are} being cancelled by the gateway" if done["asked"] else ""
    return clean(f"{name}{' continues' if whole else ''}: {what}{asked} (operation {operation})")
