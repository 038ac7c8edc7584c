"""One campaign with every mode through all dialects: each gateway gets exactly what `reelq explain` showed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from seedance.gateways.registry import DIALECTS
from simulator.main import SimulatorOptions, running
from tests.contract.clients import account_url, own_settings
from tests.servers import TestServers
from tests.stack import running_stack
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
CAMPAIGN = EXAMPLES / "every-gateway.jsonl"


def accounts_at(url: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "gateway": name,
            "api_key": f"sk-{name}",
            "base_url": account_url(url, name),
            "max_in_flight": 20,
            **own_settings(name),
        }
        for name in DIALECTS
    ]


def agrees(shown: Any, sent: Any) -> bool:
    """Whether `sent` equals `shown`; angle brackets stand for values that are known only when they are sent."""
    if isinstance(shown, dict):
        return isinstance(sent, dict) and shown.keys() == sent.keys() and all(agrees(shown[k], sent[k]) for k in shown)
    if isinstance(shown, list):
        return isinstance(sent, list) and len(shown) == len(sent) and all(map(agrees, shown, sent))
    if shown == "<random>":
        return isinstance(sent, int)
    if isinstance(shown, str) and (band := re.fullmatch(r"<(\d+) to (\d+)>", shown)):
        return isinstance(sent, int) and int(band[1]) <= sent <= int(band[2])
    if isinstance(shown, str) and "<" in shown:
        return isinstance(sent, str) and sent.startswith(shown.partition("<")[0]) and "<" not in sent
    return bool(shown == sent)


def test_a_campaign_of_all_modes_runs_through_every_gateway(tmp_path: Path, servers: TestServers) -> None:
    # To encode a title for each video takes so long on a loaded machine that a download stalls, and is begun again.
    options = SimulatorOptions(seed=3, time="fixed", median_seconds=0.5, asset_seconds=0.5, video_bytes=3_000_000)
    with running(options) as url:
        settings = {
            "REELQ_ACCOUNTS": json.dumps(accounts_at(url)),
            "REELQ_ALLOW_PRIVATE_NETWORKS": "true",
            # A copy whose lease ends downloads its video again, and on a loaded machine a short one may end.
            "REELQ_LEASE_SECONDS": "90",
        }
        with running_stack(tmp_path, settings, servers=servers) as stack:
            explained = stack.reelq("explain", str(CAMPAIGN), "--json")
            assert explained.returncode == 0, explained.stdout + explained.stderr
            shown = {job["job"]["prompt"]: job for job in json.loads(explained.stdout)}

            done = stack.reelq("campaign", "run", str(CAMPAIGN), "--name", "every", "--wait")
            assert done.returncode == 0, done.stdout + done.stderr
            jobs = {job["request"]["prompt"]: job for job in stack.jobs()}
            costs = json.loads(stack.reelq("campaign", "status", "every", "--json").stdout)["costs"]
        ledger = httpx.get(f"{url}/_sim/ledger", timeout=PATIENCE_S).json()

    rows = [json.loads(line) for line in CAMPAIGN.read_text(encoding="utf-8").splitlines()]
    assert len(jobs) == len(rows) == len(shown)
    tasks = {task["prompt"]: task for task in ledger["tasks"]}
    assert len(ledger["tasks"]) == len(rows), "each job was sent once"
    assert ledger["refused"] == []
    for prompt, job in jobs.items():
        task = tasks[prompt]
        assert job["state"] == "succeeded", job["error"]
        assert job["account"] == shown[prompt]["chosen"] == task["gateway"], prompt
        assert job["sha256"] == task["sha256"]
        assert job["gateway_task_id"].rpartition("/")[2] == task["id"]
        expected = next(item for item in shown[prompt]["accounts"] if item["account"] == job["account"])
        assert agrees(expected["body"], task["body"]), (expected["body"], task["body"])

    # On a loaded machine a download may stall, and is begun again.
    log = (tmp_path / "logs" / "worker-transfer.log").read_text()
    stalled = log.count("download.resumed") + log.count("transfer.setback")
    fetches = sum(task["fetches"] for task in ledger["tasks"])
    assert fetches <= len(rows) + stalled, "copy, check, poster and format take one download of its link"
    assert {task["gateway"] for task in ledger["tasks"]} == DIALECTS.keys(), (
        f"{CAMPAIGN.name} has jobs for each gateway"
    )
    assert jobs["Every drop of spray in the finest detail"]["account"] == "uniall", "the only one that offers 4k"
    assert jobs["Every drop of spray in the finest detail"]["video_format"]["codec"] == "hvc1"
    assert jobs["The harbour from above"]["account"] == "anyfast", "the first that can"
    assert ledger["totals"]["asset_calls_billed"] == {"volc-asset": 3}, "a group and two pictures, each once"
    assert [cost["currency"] for cost in costs] == ["CNY", "USD"]
    assert sum(cost["estimated_jobs"] for cost in costs) == len(rows), "every job has a price"
    yuan, dollars = costs
    assert yuan["by_list_price"] == yuan["estimated_jobs"], "no address here is the maker's"
    assert 0 < dollars["by_list_price"] < dollars["estimated_jobs"], "EvoLink publishes prices of 2.5 alone"
    assert yuan["reported_jobs"] > 0 and yuan["drift"] == 0, "what tokens cost is within the estimates"
    assert dollars["reported_jobs"] >= 3, "openrouter's own figures among them"
