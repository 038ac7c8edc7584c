"""What a PromQL expression names: its metrics, and the labels of each that it selects or groups by."""

from __future__ import annotations

import re

_SELECTOR = re.compile(r"\b(reelq_\w+)(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|without) \(([^)]*)\)")
_OF_HISTOGRAM = ("_bucket", "_sum", "_count")


def metrics_of(expr: str) -> dict[str, set[str]]:
    """By metric (a histogram without its suffix): the labels that the expression selects by."""
    found: dict[str, set[str]] = {}
    for name, selector in _SELECTOR.findall(expr):
        metric = next((name.removesuffix(end) for end in _OF_HISTOGRAM if name.endswith(end)), name)
        found.setdefault(metric, set()).update(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
    return found


def grouped_by(expr: str) -> set[str]:
    """The labels that the expression groups by, without those that Prometheus adds."""
    return {label.strip() for labels in _GROUPING.findall(expr) for label in labels.split(",")} - {"le", "alertname"}
