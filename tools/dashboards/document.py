"""The dashboard as Grafana's JSON.

Source: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.dashboards.panels import ROWS, Panel

PATH = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards" / "reelq.json"
WIDTH = 24
LINE = 160
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
ACCOUNTS = "label_values(reelq_account_slots_configured, account)"


def text() -> str:
    """The file, with a line break at its end."""
    return _readable(document()) + "\n"


def _readable(value: Any, indent: int = 0) -> str:
    """JSON with a line for each part that fits into one, so that people can read changes of it."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= LINE or not isinstance(value, dict | list) or not value:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{inner}{json.dumps(key)}: {_readable(item, indent + 2)}" for key, item in value.items()]
        return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
    parts = [inner + _readable(item, indent + 2) for item in value]
    return "[\n" + ",\n".join(parts) + "\n" + " " * indent + "]"


def document() -> dict[str, Any]:
    """The dashboard."""
    return {
        "uid": "reelq",
        "title": "reelq",
        "description": "docs/metrics.md explains each metric, docs/runbook.md what to do.",
        "tags": ["reelq"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "schemaVersion": 39,
        "templating": {"list": [_datasource(), _accounts()]},
        "panels": list(_panels()),
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _accounts() -> dict[str, Any]:
    return {
        "name": "account",
        "label": "Account",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": ACCOUNTS, "refId": "accounts"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for title, panels in ROWS:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": _at(0, y, WIDTH, 1),
        }
        y += 1
        small = panels[0].stat
        width, height = (WIDTH // len(panels), 4) if small else (WIDTH // 2, 8)
        for place, panel in enumerate(panels):
            number += 1
            columns = WIDTH // width
            at = _at(place % columns * width, y + place // columns * height, width, height)
            yield _panel(number, panel, at)
        y += -(-len(panels) // (WIDTH // width)) * height


def _at(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(number: int, panel: Panel, at: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + place), "expr": expr, "legendFormat": legend or panel.title}
        for place, (legend, expr) in enumerate(panel.queries)
    ]
    found: dict[str, Any] = {
        "id": number,
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": at,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }
    if panel.help:
        found["description"] = panel.help
    if panel.stat:
        found["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"}
    else:
        found["options"] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    return found
