"""The recorded examples of each dialect: one folder per dialect, one file per kind.

requests.json   a neutral request and the exact call it becomes          refusals.json  a request, the field, the words
submitted.json  2xx answers to the POST     reports.json  to the query   lists.json     to the list
results.json    any answer to the GET of a result, for gateways that have one
callbacks.json  what gateways send          errors.json   every other answer, by operation
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seedance.gateways.base import Dialect, WireAnswer
from seedance.gateways.registry import DIALECTS

FOLDER = Path(__file__).parent
REQUIRED = ("requests", "refusals", "submitted", "reports", "errors")


@dataclass(frozen=True)
class Example:
    """One recorded example and the dialect it belongs to."""

    dialect: Dialect
    data: dict[str, Any]

    @property
    def answer(self) -> WireAnswer:
        body = self.data["text"].encode() if "text" in self.data else json.dumps(self.data["body"]).encode()
        return WireAnswer(self.data["status"], self.data.get("headers", {}), body)

    @property
    def expect(self) -> dict[str, Any]:
        expected: dict[str, Any] = self.data["expect"]
        return expected


def load(name: str, kind: str) -> list[dict[str, Any]]:
    """The examples of one kind for one dialect; none if it has no such file."""
    path = FOLDER / name / f"{kind}.json"
    examples: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return examples


def examples(kind: str) -> list[Any]:
    """Every dialect's examples of one kind, as pytest parameters named for the dialect and the example."""
    return [
        pytest.param(Example(dialect, data), id=f"{name}: {data['name']}")
        for name, dialect in DIALECTS.items()
        for data in load(name, kind)
    ]
