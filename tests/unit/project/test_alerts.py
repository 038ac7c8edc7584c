"""deploy/prometheus/alerts.yml: each alert fires when it should, and has its section in docs/runbook.md."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}

# Values of a series by the minute, as Prometheus's tests write them. Two APIs show the same, and never add up.
_QUIET = {
    'reelq_instances{component="scheduler",version="1"}': "1x120",
    'reelq_instances{component="submit",version="1"}': "2x120",
    'reelq_jobs_waiting{state="queued",reason="enqueued"}': "40x120",
    'reelq_submits_total{account="a",model="m",outcome="accepted"}': "0+5x120",
    'reelq_submits_total{account="a",model="m",outcome="throttled"}': "0+1x120",
    'reelq_submits_total{account="a",model="m",outcome="outcome_unknown"}': "1x120",
    'reelq_queue_lag_seconds_bucket{queue="poll",le="1"}': "0+9x120",
    'reelq_queue_lag_seconds_bucket{queue="poll",le="+Inf"}': "0+9x120",
    "reelq_video_life_left_seconds": "80000x120",
    'reelq_videos_expiring{percent="0"}': "5x120",
    'reelq_jobs_finished_total{state="succeeded",reason="stored"}': "0+5x120",
    'reelq_jobs_finished_total{state="failed",reason="moderation_blocked"}': "0+4x120",
    'reelq_jobs_finished_total{state="failed",reason="video_expired"}': "3x120",
    'reelq_job_lateness_seconds{state="transferring"}': "2x120",
    'reelq_job_lateness_seconds{state="generating"}': "2x120",
    'reelq_job_lateness_seconds{state="queued"}': "90000x120",
    'reelq_found_to_stored_seconds_bucket{account="a",le="10"}': "0+5x120",
    'reelq_found_to_stored_seconds_bucket{account="a",le="+Inf"}': "0+5x120",
    'reelq_transfers_total{account="a",outcome="store_unavailable"}': "7x120",
    'reelq_double_charges{account="a"}': "1x120",
    'reelq_jobs_held{age="under_1h"}': "0x120",
    'reelq_jobs_held{age="over_24h"}': "0x120",
    'reelq_account_paused{account="a",model="m",why="throttled"}': "1x120",
    'reelq_account_slots_configured{account="a",model="m"}': "10x120",
    'reelq_submit_seconds_bucket{account="a",outcome="accepted",le="1"}': "0+5x120",
    'reelq_submit_seconds_bucket{account="a",outcome="accepted",le="+Inf"}': "0+5x120",
    "reelq_webhook_oldest_seconds": "3x120",
    'reelq_webhook_messages{state="dead"}': "12x120",
}
# What is different when the alert must fire: None takes a series away.
_FAULTS: dict[str, dict[str, str | None]] = {
    "ReelqNoMetrics": dict.fromkeys((name for name in _QUIET if name.startswith("reelq_instances")), None),
    "ReelqPartDown": {
        'reelq_instances{component="submit",version="1"}': "2x60 stale",
        'reelq_instances{component="submit",version=""}': "_x60 0x60",
    },
    "ReelqVersionsDiffer": {'reelq_instances{component="submit",version="2"}': "1x120"},
    "ReelqNothingStarts": {
        'reelq_submits_total{account="a",model="m",outcome="accepted"}': "0+5x60 300x60",
        'reelq_submits_total{account="a",model="m",outcome="throttled"}': "60x120",
    },
    "ReelqQueueLag": {
        'reelq_queue_lag_seconds_bucket{queue="poll",le="1"}': "0+1x120",
        'reelq_queue_lag_seconds_bucket{queue="poll",le="60"}': "0+9x120",
    },
    "ReelqVideoExpiresSoon": {"reelq_video_life_left_seconds": "7100x120"},
    "ReelqVideosExpiring": {'reelq_videos_expiring{percent="75"}': "1x120"},
    "ReelqVideoLost": {'reelq_jobs_finished_total{state="failed",reason="task_lost"}': "_x90 1x30"},
    "ReelqCopiesLate": {'reelq_job_lateness_seconds{state="transferring"}': "700x120"},
    "ReelqStoringSlow": {
        'reelq_found_to_stored_seconds_bucket{account="a",le="10"}': "0+1x120",
        'reelq_found_to_stored_seconds_bucket{account="a",le="3600"}': "0+5x120",
    },
    "ReelqStoreRefuses": {'reelq_transfers_total{account="a",outcome="store_unavailable"}': "0+1x120"},
    "ReelqDoubleCharge": {'reelq_double_charges{account="a"}': "1x90 2x30"},
    "ReelqJobsHeld": {'reelq_jobs_held{age="under_1h"}': "1x120"},
    "ReelqJobsHeldLong": {'reelq_jobs_held{age="over_24h"}': "1x120"},
    "ReelqSubmitsUnknown": {'reelq_submits_total{account="a",model="m",outcome="outcome_unknown"}': "0+1x120"},
    "ReelqJobsFail": {'reelq_jobs_finished_total{state="failed",reason="generation_failed"}': "0+4x120"},
    "ReelqAccountRefused": {'reelq_account_paused{account="a",model="",why="suspended"}': "1x120"},
    "ReelqGatewayOutage": {'reelq_account_paused{account="a",model="",why="outage"}': "1x120"},
    "ReelqSubmitsRefused": {'reelq_submits_total{account="a",model="m",outcome="throttled"}': "0+9x120"},
    "ReelqLimitLearnt": {'reelq_account_slots_learnt{account="a",model="m"}': "4x500"},
    "ReelqSubmitsSlow": {
        'reelq_submit_seconds_bucket{account="a",outcome="accepted",le="1"}': "0+1x120",
        'reelq_submit_seconds_bucket{account="a",outcome="accepted",le="60"}': "0+5x120",
    },
    "ReelqPollsLate": {'reelq_job_lateness_seconds{state="generating"}': "400x120"},
    "ReelqWebhooksLate": {"reelq_webhook_oldest_seconds": "4000x120"},
    "ReelqWebhooksDead": {'reelq_webhook_messages{state="dead"}': "12x90 13x30"},
}
_BESIDE = {"ReelqJobsHeldLong": {"ReelqJobsHeld"}}
"""Alerts that fire for the same reason."""
_LATE = {"ReelqLimitLearnt": 480}
"""Minutes after which to look, where it is not two hours."""


def given(series: dict[str, str | None], minutes: int) -> list[dict[str, str]]:
    found = {**_QUIET, **series}
    return [
        {"series": _of_api(name, api), "values": values.replace("x120", f"x{minutes}")}
        for name, values in found.items()
        if values is not None
        for api in ("api-1", "api-2")
    ]


def _of_api(name: str, api: str) -> str:
    metric, _, labels = name.partition("{")
    return f'{metric}{{instance="{api}",{labels or "}"}'


def firing(names: set[str], minutes: int) -> dict[str, Any]:
    return {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": f"{minutes}m",
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(names)],
    }


def scenario(name: str, series: dict[str, str | None], names: set[str]) -> dict[str, Any]:
    minutes = _LATE.get(name, 120)
    tests = [firing(names, minutes)]
    return {"name": name, "interval": "1m", "input_series": given(series, minutes), "promql_expr_test": tests}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (apt-get install prometheus)")
def test_prometheus_fires_each_alert_for_its_fault_and_none_without(tmp_path: Path) -> None:
    lost = scenario("link", {"reelq_video_life_left_seconds": "60x120"}, {"ReelqVideoExpiresSoon"})
    lost["external_labels"] = {"docs": "https://docs.example"}
    annotations = ALERTS["ReelqVideoExpiresSoon"]["annotations"] | {
        "summary": "A video is lost in 1m 0s.",
        "runbook_url": "https://docs.example/docs/runbook/#reelqvideoexpiressoon",
    }
    alert = {"exp_labels": {"severity": "critical"}, "exp_annotations": annotations}
    lost["alert_rule_test"] = [{"eval_time": "2h", "alertname": "ReelqVideoExpiresSoon", "exp_alerts": [alert]}]
    tests = [
        scenario("none", {}, set()),
        lost,
        *(scenario(name, series, {name} | _BESIDE.get(name, set())) for name, series in _FAULTS.items()),
    ]
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": tests}))
    check = ["promtool", "test", "rules", "test.yaml"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_fault() -> None:
    assert _FAULTS.keys() == ALERTS.keys()


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_leads_to_its_section_of_the_runbook(name: str) -> None:
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", RUNBOOK.read_text(encoding="utf-8"), re.M | re.S))
    assert name in sections, "docs/runbook.md has no section for it"
    assert [word for word in ("Meaning", "Look", "Act") if f"**{word}.**" in sections[name]] == [
        "Meaning",
        "Look",
        "Act",
    ]
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["runbook_url"] == (
        "{{ with $externalLabels.docs }}{{ . }}/docs/runbook/{{ else }}docs/runbook.md{{ end }}#" + name.lower()
    )


def test_the_runbook_has_no_section_without_an_alert() -> None:
    assert set(re.findall(r"^### (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.M)) == ALERTS.keys()
