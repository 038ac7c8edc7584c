"""Fault rules: which are invalid, and to which requests they apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator.faults.files import read_rules
from simulator.faults.kinds import KINDS
from simulator.faults.rules import BadRule, FaultRules
from simulator.tasks.accounts import account_of

FACTS = {"gateway": "anyfast", "account": account_of("sk"), "model": "seedance", "prompt": "a red fox", "task": "t1"}


def hits(rule: dict[str, Any], count: int, facts: dict[str, str] = FACTS, start: float = 0.0) -> list[int]:
    """The numbers of the requests, of `count` at one per second, that a rule applies to."""
    rules = FaultRules(seed=1)
    (added,) = rules.add([rule], now=0.0)
    group, where = added.kind.group, added.where
    return [n for n in range(1, count + 1) if rules.trigger(group, where, start + n, facts) is not None]


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ({}, "kind"),
        ({"kind": "explode"}, "kind"),
        ({"kind": "cut", "where": "create"}, "where"),
        ({"kind": "status", "status": "503"}, "status"),
        ({"kind": "status", "status": 700}, "at most 599"),
        ({"kind": "status", "colour": "red"}, "colour"),
        ({"kind": "lost", "probability": 1.5}, "probability"),
        ({"kind": "lost", "every": 0}, "every"),
        ({"kind": "lost", "first": True}, "first"),
        ({"kind": "lost", "per": "day"}, "per"),
        ({"kind": "cut", "fraction": -1}, "fraction"),
        ({"kind": "wrong_content", "body": "pdf"}, "body"),
        ({"kind": "moderate_input", "modality": "smell"}, "modality"),
    ],
)
def test_an_invalid_rule_is_refused_and_its_field_named(rule: dict[str, Any], word: str) -> None:
    rules = FaultRules(seed=1)
    with pytest.raises(BadRule, match=rf"rule 2: .*{word}"):
        rules.add([{"kind": "lost"}, rule], now=0.0)
    assert rules.rules == [], "all rules are added or none"


def test_every_kind_is_valid_with_its_defaults() -> None:
    rules = FaultRules(seed=1)
    added = rules.add([{"kind": name} for name in KINDS], now=0.0)
    assert [rule.shown()["kind"] for rule in added] == list(KINDS)


@pytest.mark.parametrize(
    ("counts", "affected"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"first": 2}, [1, 2]),
        ({"every": 3}, [3, 6]),
        ({"times": 1}, [1]),
        ({"after": 4}, [5, 6]),
        ({"after": 2, "every": 2}, [4, 6]),
        ({"every": 2, "times": 2}, [2, 4]),
        ({"delay_s": 3}, [3, 4, 5, 6]),
        ({"duration_s": 3}, [1, 2]),
        ({"probability": 0}, []),
        ({"probability": 1}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_the_counts_of_a_rule_select_requests(counts: dict[str, Any], affected: list[int]) -> None:
    assert hits({"kind": "garbage", **counts}, 6) == affected


def test_the_seed_decides_random_faults() -> None:
    rule = {"kind": "garbage", "probability": 0.3}
    assert hits(rule, 500) == hits(rule, 500)
    assert 100 < len(hits(rule, 500)) < 200


def test_per_task_counts_each_task_separately() -> None:
    rules = FaultRules(seed=1)
    rules.add([{"kind": "garbage", "where": "query", "first": 1, "per": "task"}], now=0.0)
    affected = [rules.trigger("answer", "query", 1.0, FACTS | {"task": task}) is not None for task in "ababc"]
    assert affected == [True, True, False, False, True]


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        ({"gateway": "anyfast"}, True),
        ({"gateway": "ark"}, False),
        ({"account": account_of("sk")}, True),
        ({"account": "sk"}, True),
        ({"account": "other"}, False),
        ({"model": "seedance-fast"}, False),
        ({"prompt_contains": "red fox"}, True),
        ({"prompt_contains": "blue"}, False),
        ({"task": "t2"}, False),
    ],
)
def test_the_filters_of_a_rule_select_requests(filters: dict[str, str], matches: bool) -> None:
    assert bool(hits({"kind": "garbage", **filters}, 1)) is matches


def test_rules_are_read_from_toml_and_json(tmp_path: Path) -> None:
    as_toml, as_json = tmp_path / "faults.toml", tmp_path / "faults.json"
    as_toml.write_text('[[rules]]\nkind = "lost"\nevery = 5\n')
    as_json.write_text('[{"kind": "lost", "every": 5}]')
    assert read_rules(as_toml) == read_rules(as_json) == [{"kind": "lost", "every": 5}]


@pytest.mark.parametrize("text", ["{", "[1]", '{"kind": "lost"}', '"lost"'])
def test_a_file_without_a_list_of_rules_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "faults.json"
    path.write_text(text)
    with pytest.raises(BadRule):
        read_rules(path)
