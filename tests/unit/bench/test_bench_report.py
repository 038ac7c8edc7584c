"""The reports of the benchmarks: tables, targets, ratios, medians of rounds."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest

from bench import lifecycle, parts, run
from bench.competitors import COMPETITORS, LOCK
from bench.lifecycle import Measured
from bench.parts import Part
from bench.report import Report, Table, Target, format_value, quantile


def measured(cpu_ms: float, seconds: float, late_s: float | None = 1.0) -> Measured:
    return Measured(
        jobs=100,
        seconds=seconds,
        cpu_ms=cpu_ms,
        enqueue_cpu_ms=0.1,
        servers_cpu_ms=1.0,
        store_cpu_ms=1.0,
        gateway_cpu_ms=1.0,
        peak_mib=100.0,
        polls=2.0,
        latency_p50_s=late_s,
        latency_p99_s=late_s,
        paid_twice=0,
    )


def test_a_table_is_aligned_and_shows_a_missing_value_as_a_dash() -> None:
    table = Table("Title", ("what", "ms"), [{"what": "a longer name", "ms": 1234.5}, {"what": "b"}])
    assert table.lines() == ["Title", "", "what              ms", "a longer name  1,234", "b                  -"]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), ("x", "x"), (2000, "2,000"), (0.123, "0.12"), (12.34, "12.3"), (123.4, "123")]
)
def test_a_number_is_rounded_to_its_significant_digits(value: float | str | None, text: str) -> None:
    assert format_value(value) == text


def test_a_target_compares_with_its_sign_and_fails_when_unmeasured() -> None:
    assert Target("x", 0.4, "<=", 0.4).reached
    assert not Target("x", 0.41, "<=", 0.4).reached
    assert Target("x", 2.0, ">=", 2.0).reached
    assert not Target("x", None, "<=", 1.0).reached
    assert Target("x", 0.5, "<=", 0.4, " s").line() == "✗ x: 0.50 s (wanted ≤ 0.40 s)"


def test_a_quantile_of_few_values_is_one_of_them_and_of_none_is_none() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([1.0, 2.0], 0.99) == 2.0


def test_the_lifecycle_compares_medians_with_the_best_competitor_that_counts() -> None:
    rows = lifecycle.entries(2000)
    runs = {
        "reelq": [measured(5.0, 1.0), measured(7.0, 1.0), measured(6.0, 1.0)],
        "reelq-np": [measured(3.0, 0.5)],
        "bare": [measured(2.0, 0.4)],
        "celery": [measured(24.0, 4.0, None)],
        "taskiq": [measured(12.0, 2.0, 2.0)],
        "dbos": [],
    }
    report = lifecycle.report_of(rows, runs, ["dbos failed: no"])
    reached = {target.what: target.measured for target in report.targets}
    best = "CPU per job against the best competitor, {}"  # taskiq, not the floor
    assert reached[best.format("with posters")] == pytest.approx(0.5)
    assert reached[best.format("video only")] == pytest.approx(0.25)
    assert reached["the same with database and broker, video only"] == pytest.approx(4 / 13)
    assert reached["CPU per job against the floor, video only"] == pytest.approx(1.5)
    assert reached["jobs/s against the floor, video only"] == pytest.approx(0.8)
    assert reached["found p99 against the best competitor"] == pytest.approx(0.5)
    by_name = {row["contender"]: row for row in report.tables[0].rows}
    assert by_name["Celery, countdown polls"]["CPU ratio"] == pytest.approx(0.25)
    assert by_name["Celery, countdown polls"]["found p99 s"] is None
    assert "jobs/s" not in by_name["DBOS Transact"]
    assert "dbos failed: no" in report.notes


def test_slow_contenders_get_fewer_jobs_and_names_are_unique() -> None:
    jobs = {entry.name: entry.jobs for entry in lifecycle.entries(2000)}
    assert jobs["reelq"] == 2000
    assert jobs["dbos"] < 500
    assert len(jobs) == len(COMPETITORS) + 3


def test_the_competitors_are_locked_by_version_and_hash() -> None:
    requirements = [line for line in LOCK.read_text().splitlines() if line and not line.startswith((" ", "#"))]
    assert all("==" in line for line in requirements)
    assert "index-url" not in LOCK.read_text()
    for competitor in COMPETITORS:
        assert (Path(lifecycle.__file__).parent / "contenders" / f"{competitor.module}.py").is_file()


def test_a_part_that_hangs_or_fails_is_reported_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stand_in(part: Part, body: str) -> list[str]:
        return [sys.executable, "-c", body, part.name]

    good = json.dumps({"json": Report("good", [], [Target("x", 1, "<=", 2)]).to_json(), "lines": ["fine"]})
    bodies = {
        "hangs": "import time; time.sleep(60)",
        "fails": "raise SystemExit(3)",
        "good": f"import sys, pathlib; pathlib.Path(sys.argv[2]).write_text({good!r})",
    }
    monkeypatch.setattr(run, "command_of", lambda part, file, quick: [*stand_in(part, bodies[part.name]), str(file)])
    listed = [Part(name, "none", 1.0 if name == "hangs" else 30.0) for name in bodies]
    file = tmp_path / "out" / "all.json"
    assert run.run(listed, quick=True, file=file) == 1
    found = json.loads(file.read_text())["parts"]
    assert "within 1 s" in found["hangs"]["failed"]
    assert "exited with 3" in found["fails"]["failed"]
    assert found["good"]["targets"][0]["reached"]
    assert "1 of 1 targets reached" in capsys.readouterr().out


def test_every_part_can_be_imported() -> None:
    for part in parts.PARTS:
        assert callable(import_module(part.module).measure_part), part.name
