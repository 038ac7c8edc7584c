"""`reelq accounts …`, doctor and campaigns, as an operator uses them; nothing that is printed shows a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from producer.cli import main as cli
from storage.sealing import PREFIX, new_master_key
from storage.settings import Settings
from tests.servers import environ_for

KEY, OTHER = "sk-very-secret-of-acme", "sk-very-secret-of-file"
FILED = {"name": "filed", "gateway": "anyfast", "api_key": OTHER}
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def said() -> list[str]:
    """Everything that was printed."""
    return []


@pytest.fixture
def run(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
    said: list[str],
) -> Run:
    monkeypatch.chdir(tmp_path)
    given = environ_for(settings) | {"REELQ_ACCOUNTS": json.dumps([FILED]), "ACME_KEY": KEY}
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object) -> tuple[int, str]:
        code = cli.run([str(argument) for argument in arguments])
        found = capsysbinary.readouterr()
        said.append(found.out.decode() + found.err.decode())
        return code, said[-1]

    return run


def listed(run: Run) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(run("accounts", "list", "--json")[1])}


def test_an_operator_manages_accounts_and_no_output_shows_a_key(
    run: Run, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add = ("accounts", "add", "acme", "--gateway", "ark", "--tenant", "acme", "--key-env", "ACME_KEY")
    code, text = run(*add)
    assert code == 2 and "REELQ_MASTER_KEY" in text and "master-key" in text
    _, master = run("accounts", "master-key")
    assert master.startswith(PREFIX)
    monkeypatch.setenv("REELQ_MASTER_KEY", master.strip())
    assert run(*add, "--max-in-flight", "3", "--field", "callbacks=true")[0] == 0
    code, text = run(*add)
    assert code == 2 and "there is an account acme already" in text
    assert "in the configuration" in run("accounts", "add", "filed", "--gateway", "ark", "--key-env", "ACME_KEY")[1]
    assert "is not a field" in run(*add[:2], "b", *add[3:], "--field", "api_key=x")[1]
    assert "must not contain" in run(*add[:2], "b", *add[3:], "--base-url", "https://user:pass@a.example/api/v3")[1]
    (tmp_path / "key").write_text(KEY + "-2\n")
    assert run("accounts", "rekey", "acme", "--key-file", "key", "--other-project")[0] == 0
    assert run("accounts", "set", "acme", "--max-in-flight", "7", "--requests-per-minute", "60")[0] == 0
    found = listed(run)
    assert list(found) == ["filed", "acme"]
    assert (found["acme"]["max_in_flight"], found["acme"]["requests_per_minute"]) == (7, 60)
    assert (found["acme"]["tenants"], found["acme"]["kept_in"]) == (["acme"], "database")
    assert run("accounts", "set", "acme", "--requests-per-minute", "0")[0] == 0
    for name in ("acme", "filed"):
        assert run("accounts", "pause", name)[0] == 0
        assert listed(run)[name]["state"] == "paused"
        assert run("accounts", "resume", name)[0] == 0
        assert listed(run)[name]["state"] == "ok"
    code, text = run("accounts", "set", "filed", "--max-in-flight", "1")
    assert code == 2 and "filed is in the configuration; change it there" in text
    for command in (("pause",), ("resume",), ("remove",), ("rekey", "--key-env", "ACME_KEY")):
        code, text = run("accounts", command[0], "unknown", *command[1:])
        assert code == 2 and "there is no account 'unknown'" in text
    assert "acme" in run("accounts", "list")[1]
    names = [row["account"] for row in json.loads(run("models", "list", "--tenant", "acme", "--json")[1])]
    assert set(names) == {"acme"}
    explained = json.loads(run("explain", "a cat", "--tenant", "acme", "--json")[1])
    assert [answer["account"] for answer in explained[0]["accounts"]] == ["acme"]
    with monkeypatch.context() as without_file:
        without_file.setenv("REELQ_ACCOUNTS", "[]")
        report = {row["part"]: row for row in json.loads(run("doctor", "--no-gateways", "--json")[1])}
        assert "accounts" not in report and report["account acme"]["ok"]
    monkeypatch.setenv("REELQ_MASTER_KEY", f"{new_master_key()} {master.strip()}")
    assert run("accounts", "reencrypt") == (0, "2 keys encrypted again\n"), "a replaced key too"
    monkeypatch.setenv("REELQ_MASTER_KEY", new_master_key())
    code, text = run("accounts", "list")
    assert code == 0 and "acme cannot be used: its key cannot be decrypted" in text and "filed" in text
    report = {row["part"]: row for row in json.loads(run("doctor", "--no-gateways", "--json")[1])}
    assert (report["account acme"]["ok"], report["account filed"]["ok"]) == (False, True)
    assert "REELQ_MASTER_KEY" in report["account acme"]["message"]
    code, text = run("submit", "a cat", "--tenant", "acme")
    assert code == 2 and "'acme' cannot be used, because its key cannot be decrypted" in text
    assert "none is configured" not in text and "filed" not in text, "it never runs on the shared account"
    code, text = run("submit", "a cat", "--tenant", "acme", "--account", "acme")
    assert code == 2 and "'acme' cannot be used" in text
    assert run("submit", "a cat")[0] == run("submit", "a cat", "--tenant", "beta")[0] == 0
    monkeypatch.setenv("REELQ_MASTER_KEY", "secret")
    code, text = run("accounts", "list")
    assert code == 2 and "REELQ_MASTER_KEY" in text and "'secret'" not in text
    monkeypatch.delenv("REELQ_MASTER_KEY")
    assert run("accounts", "remove", "acme")[0] == 0
    assert list(listed(run)) == ["filed"]
    everything = "\n".join(said)
    assert KEY not in everything and OTHER not in everything


def test_a_campaign_says_who_decided_what(run: Run, tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    assert run("campaign", "run", "jobs.jsonl", "--name", "spring", "--yes")[0] == 0
    for command in ("pause", "resume"):
        assert run("campaign", command, "spring")[0] == 0
    found = json.loads(run("campaign", "status", "spring", "--json")[1])["decisions"]
    assert [item["what"] for item in found][:2] == ["campaign.resumed", "campaign.paused"]
    assert all(item["actor"].startswith("command line ") for item in found)
    assert " Paused by command line " in run("campaign", "status", "spring")[1]
    lines = [json.loads(line) for line in run("campaign", "export", "spring")[1].splitlines()]
    assert [line["request"]["prompt"] for line in lines] == ["a", "b"]
    for line in lines:
        assert line["decisions"][0]["actor"].startswith("command line ")
        assert line["decisions"][0]["reason"] == "enqueued"
