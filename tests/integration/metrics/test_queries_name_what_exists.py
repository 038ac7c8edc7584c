"""Alerts, dashboards and docs/metrics.md name what an API shows."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from storage.settings import Settings
from tests.integration.metrics.exposition import documented, scrape
from tests.integration.metrics.queries import grouped_by, metrics_of
from tools.dashboards.document import ACCOUNTS, PATH, document, text

ROOT = Path(__file__).parents[3]
ALERTS = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
PANELS = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in json.loads(PATH.read_text("utf-8"))["panels"]
    for target in panel.get("targets", ())
}
QUERIES = {**{rule["alert"]: rule["expr"] for rule in ALERTS}, **PANELS, "variable": ACCOUNTS}


def test_every_query_names_metrics_of_a_live_scrape_and_their_labels(settings: Settings) -> None:
    shown = scrape(settings).names
    assert shown == documented().keys(), "docs/metrics.md has a row for each metric"
    for where, expr in QUERIES.items():
        used = metrics_of(expr)
        assert used, where
        assert used.keys() <= shown, where
        for metric, labels in used.items():
            assert labels <= documented()[metric], where
        assert grouped_by(expr) <= set.union(*(documented()[metric] for metric in used)), where


def test_every_metric_has_a_panel() -> None:
    asked = {metric for expr in PANELS.values() for metric in metrics_of(expr)}
    assert asked == documented().keys()


def test_the_dashboard_is_the_one_that_the_code_makes() -> None:
    assert PATH.read_text("utf-8") == text(), "run `make dashboards`"
    ids = [panel["id"] for panel in document()["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (apt-get install prometheus)")
def test_prometheus_can_read_every_panel(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "5m").replace("$account", ".*")}
        for number, expr in enumerate(PANELS.values())
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    check = ["promtool", "check", "rules", "rules.yml"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
