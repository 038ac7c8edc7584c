"""Fault rules in a file: a JSON list, or TOML with `[[rules]]`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import orjson

from simulator.faults.rules import BadRule


def read_rules(path: Path) -> list[dict[str, Any]]:
    """Read the rules from a file without checking them.

    Raises:
        BadRule: the file contains no list of rules.
        OSError: the file cannot be read.
    """
    data = path.read_bytes()
    try:
        content = tomllib.loads(data.decode()) if path.suffix == ".toml" else orjson.loads(data)
    except (ValueError, UnicodeDecodeError) as exc:
        raise BadRule(f"{path.name}: {exc}") from exc
    return rule_list(content)


def rule_list(content: Any) -> list[dict[str, Any]]:
    """The list of rules in a parsed file or body: the value itself, or its field `rules`.

    Raises:
        BadRule: there is none.
    """
    rules = content.get("rules") if isinstance(content, dict) else content
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise BadRule("must be a list of rules, each an object with a kind")
    return rules
