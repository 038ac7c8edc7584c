"""Values that the chart refuses, and the words in which it says why."""

from __future__ import annotations

from typing import Any

from helm_python import Chart
from helm_python.errors import HelmError

from tools.chart.files import CHART

_GOOD: dict[str, Any] = {"secrets": ["reelq"], "config": 's3_bucket = "shop-videos"\n'}
_KEDA = {"workers": {"transfer": {"autoscaling": {"kind": "keda", "minReplicas": 1, "maxReplicas": 2}}}}
REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"secrets": []}, "name at least one existing Secret"),
    ({"config": ""}, "config is empty"),
    ({"config": 'api_key = "sk-1"'}, "config has a secret (api_key =)"),
    ({"config": '  s3_secret_access_key="x"'}, "config has a secret (s3_secret_access_key=)"),
    ({"workerz": {}}, "workerz"),
    ({"api": {"replicas": "two"}}, "replicas"),
    ({"workers": {"transfer": {"queues": ["transfers"]}}}, "queues"),
    ({"workers": {"transfer": {"terminationGracePeriodSeconds": 5}}}, "terminationGracePeriodSeconds"),
    (_KEDA, "keda.prometheus is needed"),
    ({"serviceAccount": {"create": False}}, "serviceAccount.name is needed"),
    ({"serviceMonitor": {"enabled": True}}, "serviceMonitor.keySecret is needed"),
)


def accepted() -> list[str]:
    """What is wrong: values that were not refused, or in other words."""
    problems = []
    with Chart.load(CHART) as chart:
        for changed, words in REFUSED:
            try:
                chart.validate_schema(_GOOD | changed)
                chart.render(_GOOD | changed, name="reelq", namespace="video")
            except HelmError as exc:
                if words not in str(exc):
                    problems.append(f"{changed}: refused, but without {words!r}: {exc}")
            else:
                problems.append(f"{changed}: not refused")
    return problems
