"""Submits that are held after a restore: pages, `campaign status` and `jobs show` say so, why, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from producer.cli.main import app
from producer.client import Producer
from producer.web.language import LANGUAGES, catalogue
from storage.database import connect
from storage.journal import state
from storage.settings import Settings
from tests.integration.api.api_server import serving
from tests.integration.api.web.test_page import make_key
from tests.servers import environ_for

ACCOUNTS = '[{"name": "main", "gateway": "anyfast", "api_key": "sk-test-0123456789"}]'


def commands_use(configured: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the commands of this process these servers, and an account."""
    for name, value in (environ_for(configured) | {"REELQ_ACCOUNTS": ACCOUNTS}).items():
        monkeypatch.setenv(name, value)


def test_the_pages_say_that_submits_are_held(configured: Settings) -> None:
    operator, of_acme = (make_key(configured, "read", "admin", tenant=tenant) for tenant in ("default", "acme"))
    with Producer(configured) as producer:
        [job] = producer.enqueue_many([{"prompt": "a lighthouse"}], campaign="spring")
    with serving(configured) as page:

        def the_page(key: str, language: str = "en", at: str = "/") -> str:
            headers = {"Authorization": f"Bearer {key}", "Accept-Language": language}
            answer = page.get(at, headers=headers)
            assert answer.status_code == 200
            return answer.text

        assert 'id="submits-held"' not in the_page(operator)
        for code in ("copy", "gap", "unreadable"):
            with connect(configured.require_database_url()) as conn:
                state.release(conn)
                state.hold(conn, code, "said by doctor")
            for language in LANGUAGES:
                text = the_page(operator, language)
                assert catalogue(language).text(f"hold.{code}") in text
                assert "<code>reelq db confirm</code>" in text
                for at, heading in (("/campaigns/spring", "attention"), (f"/jobs/{job.id}", "wait")):
                    text = the_page(operator, language, at)
                    assert catalogue(language).text(f"{heading}.submits_held") in text
                    assert catalogue(language).text(f"hold.{code}") in text
        theirs = the_page(of_acme)
        assert 'id="submits-held"' in theirs and "reelq db" not in theirs
        with connect(configured.require_database_url()) as conn:
            state.release(conn)
            state.hold(conn, "restored", "said by doctor")
        assert "reelq db status" in the_page(operator) and "reelq db confirm" not in the_page(operator)


def test_campaign_status_and_jobs_show_say_that_submits_are_held(
    configured: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands_use(configured, monkeypatch)
    sheet = tmp_path / "spring.jsonl"
    sheet.write_text('{"prompt": "a lighthouse"}\n')
    run = CliRunner().invoke(app, ["campaign", "run", str(sheet), "--name", "spring"])
    assert run.exit_code == 0, run.output
    shown = CliRunner().invoke(app, ["campaign", "status", "spring"])
    assert (shown.exit_code, "held " in shown.output) == (0, False), shown.output
    with connect(configured.require_database_url()) as conn:
        state.hold(conn, "copy", "said by doctor")
    shown = CliRunner().invoke(app, ["campaign", "status", "spring"])
    assert "held       1 job: nothing is submitted before a person decides: run `reelq db status`" in shown.output
    with connect(configured.require_database_url()) as conn:
        row = conn.execute("SELECT id FROM jobs").fetchone()
    assert row is not None
    shown = CliRunner().invoke(app, ["jobs", "show", str(row[0])])
    assert "waits     all submits are held until the operator decides: `reelq db status`" in shown.output
