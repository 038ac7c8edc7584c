"""docs/gateways.md says what the code says."""

from __future__ import annotations

from tests.unit.project.gateway_tables import PAGE, with_tables


def test_the_tables_are_those_of_the_capabilities() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page) == page, "run: .venv/bin/python -m tests.unit.project.gateway_tables"
