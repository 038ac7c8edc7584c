"""Fault rules: what goes wrong, on which calls, how often and for which accounts."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.faults.kinds import KINDS, RULE_FIELDS, Group, Kind, Where, check_parameters
from simulator.tasks.accounts import account_of


class BadRule(ValueError):
    """A rule is invalid; the text names the field."""


@dataclass(slots=True)
class Rule:
    """One active fault."""

    id: int
    kind: Kind
    where: Where
    parameters: Mapping[str, Any]
    filters: Mapping[str, str]
    probability: float | None
    every: int | None
    first: int | None
    times: int | None
    after: int
    per_task: bool
    starts_at: float
    ends_at: float
    rng: random.Random
    seen: int = 0
    applied: int = 0
    seen_by_task: dict[str, int] = field(default_factory=dict)

    def applies(self, now: float, facts: Mapping[str, str]) -> bool:
        """Count this request; True when the fault applies to it."""
        if not self.starts_at <= now < self.ends_at or not self._matches(facts):
            return False
        self.seen += 1
        nth = self.seen
        if self.per_task:
            nth = self.seen_by_task[facts.get("task", "")] = self.seen_by_task.get(facts.get("task", ""), 0) + 1
        nth -= self.after
        if nth <= 0 or (self.times is not None and self.applied >= self.times):
            return False
        if self.first is not None and nth > self.first:
            return False
        if self.every is not None and nth % self.every:
            return False
        if self.probability is not None and self.rng.random() >= self.probability:
            return False
        self.applied += 1
        return True

    def _matches(self, facts: Mapping[str, str]) -> bool:
        for name, wanted in self.filters.items():
            given = facts.get(name, "")
            if name == "prompt_contains":
                if wanted not in facts.get("prompt", ""):
                    return False
            elif name == "account":
                if given not in (wanted, account_of(wanted)):
                    return False
            elif given != wanted:
                return False
        return True

    def shown(self) -> dict[str, Any]:
        """The rule with its counters, as JSON."""
        counts = {name: getattr(self, name) for name in ("probability", "every", "first", "times")}
        return {
            "id": self.id,
            "kind": self.kind.name,
            "where": self.where,
            **self.filters,
            **{name: value for name, value in counts.items() if value is not None},
            **self.parameters,
            "seen": self.seen,
            "applied": self.applied,
        }


class FaultRules:
    """The active rules, in the order in which they are tried; the first that applies wins."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._ids = itertools.count(1)
        self.rules: list[Rule] = []

    def add(self, rules: Sequence[Mapping[str, Any]], now: float) -> list[Rule]:
        """Add all rules or none.

        Raises:
            BadRule: names the rule and the field.
        """
        added = [self._rule(number, raw, now) for number, raw in enumerate(rules, start=1)]
        self.rules += added
        return added

    def clear(self) -> None:
        self.rules.clear()

    def trigger(self, group: Group, where: Where, now: float, facts: Mapping[str, str]) -> Rule | None:
        """Count this request; returns the rule that applies to it, None without one."""
        for rule in self.rules:
            if rule.kind.group == group and rule.where == where and rule.applies(now, facts):
                return rule
        return None

    def _rule(self, number: int, raw: Mapping[str, Any], now: float) -> Rule:
        try:
            kind = KINDS.get(str(raw.get("kind")))
            if kind is None:
                raise ValueError(f"kind: must be one of {', '.join(KINDS)}, not {raw.get('kind')!r}")
            where = raw.get("where", kind.where[0])
            if where not in kind.where:
                raise ValueError(f"where: must be one of {', '.join(kind.where)} for {kind.name}, not {where!r}")
            general = check_parameters(raw, RULE_FIELDS)
            parameters = check_parameters(
                {name: value for name, value in raw.items() if name not in RULE_FIELDS}, kind.parameters, strict=True
            )
        except ValueError as exc:
            raise BadRule(f"rule {number}: {exc}") from exc
        rule_id = next(self._ids)
        filters = {
            name: general[name] for name in ("gateway", "account", "model", "prompt_contains", "task") if general[name]
        }
        starts_at = now + general["delay_s"]
        return Rule(
            id=rule_id,
            kind=kind,
            where=where,
            parameters=parameters,
            filters=filters,
            probability=general["probability"],
            every=general["every"],
            first=general["first"],
            times=general["times"],
            after=general["after"],
            per_task=general["per"] == "task",
            starts_at=starts_at,
            ends_at=float("inf") if general["duration_s"] is None else starts_at + general["duration_s"],
            rng=random.Random(f"{self._seed}/fault/{rule_id}"),  # noqa: S311 - a rehearsal, not a secret
        )
