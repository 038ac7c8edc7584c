"""docs/scaling.md says what the costs and the kept figures say."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlmodel import SQLModel

from bench.scaling import figures, page, shards
from bench.scaling.costs import Cost, load_costs

KEPT = figures.load_figures()


def test_the_page_is_made_from_the_costs_and_the_figures() -> None:
    made = page.render(load_costs(), KEPT)
    assert page.PAGE.read_text(encoding="utf-8") == made, "run `python -m bench.scaling --text`"


def test_the_figures_are_those_of_the_costs() -> None:
    assert KEPT["model"]["costs"] == figures.costs_id(), "the costs are newer; run `python -m bench.scaling --page`"


def test_the_page_has_every_size_outage_and_comparison() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    for name in ("10k", "1M", "10M"):
        assert f"{name} per day" in text
    assert [row["part"] for row in KEPT["model"]["outages"]] == list(figures.PARTS)
    assert len(KEPT["checks"]) == figures.CHECKS
    assert KEPT["spread"]["hosts"] == figures.HOSTS


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0, 2, "0"),
        (0.0123, 2, "0.012"),
        (1.26, 2, "1.3"),
        (11.57, 3, "11.6"),
        (115.7, 3, "116"),
        (15437.2, 2, "15,000"),
        (0.96, 1, "1"),
        (9.96, 2, "10"),
    ],
)
def test_numbers_have_significant_digits(value: float, digits: int, text: str) -> None:
    assert page.number(value, digits) == text


def test_a_cost_that_is_solved_as_nothing_is_not_given_as_free() -> None:
    parts = {"decoder": {"poster": Cost(1.26, 0.04)}, "submit_poll": {"submit": Cost(0.0, 0.0)}}
    text = page.costs_table(replace(load_costs(), parts=parts))
    assert text.splitlines()[2:] == [
        "| its decoder | a poster | 1.3 ms | ±0.040 |",
        "| submit-poll worker | a job that is submitted, with its rows | not told apart | – |",
    ]
    filled = (
        page.environment()
        .from_string("{{ submit|ms }}, {{ wal|kb }}")
        .render(submit=Cost(0.0, 9.0), wal=Cost(1800.0, 3300.0))
    )
    assert filled == "not told apart, 1.8 KB"


def test_a_server_ends_where_its_first_part_does() -> None:
    size = {"database_share": 0.5, "jobs_per_s": 100.0, "transactions_per_job": 5.0, "wal_bytes_per_job": 20_000.0}
    first, *_ = shards.ends(size)
    # 4 cores x 0.6 / 5 ms; 3,000 writes/s x 0.6 / 5; 125 MB/s x 0.6 / 20 KB
    assert [round(one / 86400) for one in (first.cpu, first.commits, first.wal)] == [480, 360, 3750]
    assert (first.first.part, first.first.per_day) == ("commits", first.commits)
    assert first.first.per_second == pytest.approx(360)


def test_each_table_belongs_to_tenants_or_to_the_installation() -> None:
    assert set(SQLModel.metadata.tables) >= shards.OF_THE_INSTALLATION
    found = shards.distributable()
    assert "attempts (callback_hash)" in found.keys_across
    assert "jobs (tenant, idempotency_key)" in found.keys_with_tenant
    assert found.examples == shards.EXAMPLES
    assert found.foreign_keys == ("api_keys (tenant)",)


def test_kept_figures_are_added_to_those_that_are_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("figures") / "figures.json"
    figures.keep(path, checks=[{"off": 0.123456789}])
    figures.keep(path, spread={"hosts": 3})
    assert json.loads(path.read_text()) == {"checks": [{"off": 0.12346}], "spread": {"hosts": 3}}


def test_figures_of_any_run_that_are_off_are_named_once() -> None:
    def run(good: bool) -> dict[str, object]:
        return {"figures": [{"name": "jobs_per_s", "good": True}, {"name": "cpu_ms_per_job", "good": good}]}

    assert figures.too_far_off({"checks": [run(False), run(False)], "spread": run(True)}) == ["cpu_ms_per_job"]
    assert figures.too_far_off({"checks": [run(True)], "spread": run(True)}) == []
