"""The code, the page in each language and the docs have the same list of reasons."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.web.language import LANGUAGES, catalogue
from seedance.errors import GatewayError
from seedance.gateways import ark_codes, evolink
from storage.jobs.reasons import Reason

ROOT = Path(__file__).parents[3]
CODES = {reason.value for reason in Reason}


def tree(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


def test_every_gateway_error_has_a_reason() -> None:
    assert {kind.code for kind in tree(GatewayError)} <= CODES


def test_every_task_failure_has_a_reason() -> None:
    """The first argument of `TaskFailure` in every dialect."""
    found = {ours for ours, _ in evolink.FAILURES.values()}
    assert ark_codes.ark_failure("", "").code in CODES
    for path in (ROOT / "seedance" / "gateways").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "TaskFailure":
                [first] = node.args[:1]
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
    assert found and found <= CODES


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_a_text_for_each_reason(language: str) -> None:
    texts = catalogue(language).texts
    words = {key.removeprefix("reason.") for key in texts if key.startswith("reason.")}
    assert words == CODES | {"None"}


def test_the_docs_explain_each_reason() -> None:
    page = (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{reason.value}` | {reason.line} |" for reason in Reason]


def test_each_reason_has_a_short_line_of_its_own() -> None:
    assert all(0 < len(reason.line) <= 80 and not reason.line.endswith(".") for reason in Reason)
    assert len({reason.line for reason in Reason}) == len(Reason)
